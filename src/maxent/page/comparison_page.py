"""The page that compares several runs."""

from collections.abc import Sequence

from maxent.errors import UserError
from maxent.findings import plural
from maxent.page import parts
from maxent.page.charts import Chart, Entry, block_of, rows_for
from maxent.page.document import document
from maxent.page.run_charts import Plan, plans_of
from maxent.page.run_table import differing_settings, names_of, run_table
from maxent.page.table import blocks_of, csv_text, download
from maxent.results.comparison import Comparison, compare
from maxent.results.curves import Curve
from maxent.results.readers.run_folders import curves_of
from maxent.results.run import RunResults
from maxent.results.tables import words
from maxent.results.verdict import sentences
from maxent.view.colours import DASHES, LIGHT

MOST_BANDS = 4
"""Most runs of a page whose figures show intervals before anyone asks for them."""


def comparison_page(runs: Sequence[RunResults], by: Sequence[str] = ("run",)) -> str:
    """Return the comparison of several runs as one HTML file that needs no other.

    `by` is what is compared, as in `maxent compare`: run, algo, or settings.
    """
    names = names_of(runs)
    charts = comparison_charts(runs, names)
    data = download(csv_text(blocks_of(charts)), "comparison.csv")
    sections = [
        f'<section class="verdict" aria-label="Verdict">{verdict(runs, by)}</section>',
        parts.section("Runs", run_table(runs, names), key="runs"),
        parts.section("Curves", parts.figures(charts), key="curves"),
        parts.section("Settings that differ", differing_settings(runs, names), key="settings"),
        parts.section("Commands and versions", _provenance(runs, names), key="provenance"),
        parts.section("Data", f"<p>{data}</p>", key="data-section"),
    ]
    envs = list(dict.fromkeys(run.env for run in runs))
    where = envs[0] if len(envs) == 1 else plural(len(envs), "environment")
    return document(f"{plural(len(runs), 'run')} on {where}", sections)


def verdict(runs: Sequence[RunResults], by: Sequence[str]) -> str:
    """Return whether the differences are more than noise, and the table they are read from."""
    curves: list[Curve] = []
    notes: list[str] = []
    for run in runs:
        try:
            curves += curves_of(run)
        except UserError as error:
            notes.append(str(error))
    if not curves:
        return f"<p>These runs are not compared: {parts.text(notes[0])}</p>"
    try:
        result = compare(curves, by)
    except UserError as error:
        return f"<p>These runs are not compared: {parts.text(error)}</p>"
    said = "".join(f"<p>{parts.text(sentence)}</p>" for sentence in sentences(result))
    noted = "".join(f'<p class="note">{parts.text(note)}</p>' for note in (*notes, *result.notes))
    return said + _scores(result) + noted


def _scores(result: Comparison) -> str:
    """Return the scores of each setting and environment at the common step."""
    head = (
        "setting",
        "environment",
        f"compared at {result.unit}",
        "seeds",
        *(f"{one} [95 % bootstrap]" for one in ("interquartile mean", "mean")),
    )
    rows = "".join(
        parts.row(
            cell.group, cell.env, f"{result.at[cell.env]:,.6g}", len(cell.scores), words(cell.iqm), words(cell.mean)
        )
        for cell in result.cells
    )
    note = '<p class="note">In brackets: 95 % intervals, stratified bootstrap over seeds.</p>'
    return parts.table("".join(f"<th scope=col>{one}</th>" for one in head), rows, "Scores") + note


def comparison_charts(runs: Sequence[RunResults], names: Sequence[str]) -> list[Chart]:
    """Return figures with a line for each run: the returns of each environment first, then the other metrics."""
    envs = list(dict.fromkeys(run.env for run in runs))
    plans = plans_of(runs)
    most = rows_for(12 * len(plans) * len(runs))  # half as many rows as a run's own page has
    charts = []
    for plan in plans:
        for number, env in enumerate(envs):
            entries = _entries(plan, env, runs, names, most)
            if entries:
                title = plan.title if len(envs) == 1 else f"{plan.title}, {env}"
                charts.append(
                    Chart(
                        f"{plan.key}-{number}",
                        title,
                        _about(plan),
                        plan.y_label,
                        entries,
                        seeds=False,
                        bands=len(runs) <= MOST_BANDS,
                        decades=plan.decades,
                    )
                )
    return charts


def _entries(plan: Plan, env: str, runs: Sequence[RunResults], names: Sequence[str], most: int) -> tuple[Entry, ...]:
    """Return the lines of the runs on an environment; a run has the same colour in every figure."""
    count = len(LIGHT.series)
    entries = []
    for place, (run, name) in enumerate(zip(runs, names, strict=True)):
        if run.env != env:
            continue
        drawn = ("mean",) if len(runs) > MOST_BANDS else ("mean", "low", "high")
        block = block_of(run.metrics, _tag(plan), run=name, seeds=run.seeds, most=most, lines=drawn)
        if block is not None:
            entries.append(Entry(block, name, place % count, DASHES[place // count % len(DASHES)]))
    return tuple(entries)


def _tag(plan: Plan) -> str:
    """Return the metric of a figure that is compared."""
    return plan.lines[0].tag


def _about(plan: Plan) -> str:
    """Return what a figure with one metric of each run shows."""
    return f"Mean of the seeds of each run: {plan.lines[0].label}, with its 95 % interval."


def _provenance(runs: Sequence[RunResults], names: Sequence[str]) -> str:
    return "".join(
        f"<details><summary>{parts.text(name)}</summary>{parts.provenance(run)}</details>"
        for run, name in zip(runs, names, strict=True)
    )
