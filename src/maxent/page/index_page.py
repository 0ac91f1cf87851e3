"""The page of a folder of runs: one small figure for each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from maxent.findings import plural
from maxent.page import parts
from maxent.page.charts import Chart, Entry, block_of
from maxent.page.document import document
from maxent.page.run_table import names_of, run_table
from maxent.page.scales import Scale
from maxent.page.svg import chart_svg
from maxent.page.verdict import signed, verdict_of
from maxent.results.run import RunResults

ROWS = 80
"""Most rows of a small figure."""
TAGS = ("eval/mean_reward", "rollout/ep_rew_mean")


def index_page(folder: str, runs: Sequence[RunResults], problems: Mapping[str, str]) -> str:
    """Return small figures of the returns of runs, with the same axes for the same environment, and a table.

    `problems` are folders that cannot be read, and why.
    """
    names = names_of(runs) if runs else []
    charts = {name: chart for run, name in zip(runs, names, strict=True) if (chart := small_chart(run, name))}
    shared = _shared({name: (run.env, charts[name]) for run, name in zip(runs, names, strict=True) if name in charts})
    cards = "".join(card(run, name, shared.get(name)) for run, name in zip(runs, names, strict=True))
    sections = [parts.section("Runs", f'<div class="cards">{cards}</div>', key="runs")]
    if runs:
        sections.append(parts.section("Table", run_table(runs, names), key="table"))
    if problems:
        rows = "".join(parts.row(name, problem) for name, problem in problems.items())
        head = "<th scope=col>folder</th><th scope=col>problem</th>"
        sections.append(parts.section("Not readable", parts.table(head, rows, "Not readable"), key="problems"))
    return document(f"{plural(len(runs), 'run')} below {folder}", sections)


def small_chart(run: RunResults, name: str) -> Chart | None:
    """Return the return of a run as a figure without seeds; None where there is none yet."""
    for tag in TAGS:
        block = block_of(run.metrics, tag, run=name, seeds=run.seeds, most=ROWS)
        if block is not None:
            return Chart("return", f"Return of {name}", "", "return", (Entry(block, "return"),), seeds=False)
    return None


def _shared(charts: Mapping[str, tuple[str, Chart]]) -> dict[str, Chart]:
    """Return the charts with one vertical scale for each environment."""
    scales: dict[str, Scale] = {}
    for env, chart in charts.values():
        own = chart.y_scale()
        known = scales.get(env, own)
        scales[env] = Scale(min(known.low, own.low), max(known.high, own.high))
    return {name: replace(chart, shared=scales[env]) for name, (env, chart) in charts.items()}


def card(run: RunResults, name: str, chart: Chart | None) -> str:
    """Return what an index shows of a run."""
    found = verdict_of(run)
    low, high = found.interval
    sure = "" if low != low else f' <span class="interval">({signed(low)} to {signed(high)})</span>'
    figure = chart_svg(chart) if chart is not None else "<p>No episode has finished.</p>"
    steps = f"{run.metrics.reached:,} of {run.steps:,} steps"
    about = f"{run.algorithm} on {run.env}, {plural(run.members, 'seed')}, {steps}"
    state = f'<span class="state {run.doing}">{run.doing}</span>'
    failures = f" · {found.failures()}" if found.failed else ""
    return (
        f"<article><h3>{parts.text(name)}</h3><p class=note>{parts.text(about)}</p>"
        f"<p><strong>{signed(found.mean)}</strong>{sure}</p><p>{state}{failures}</p>{figure}</article>"
    )
