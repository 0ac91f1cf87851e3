"""Several runs side by side: their names, returns and settings."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np

from maxent.findings import summary
from maxent.page.charts import plain_name
from maxent.page.parts import ENTRIES, row, same, table, text
from maxent.page.verdict import signed, verdict_of
from maxent.results.run import RunResults, watches
from maxent.view.readings import clock


def names_of(runs: Sequence[RunResults]) -> list[str]:
    """Return a different name for each run: as few of the last parts of its path as tell it from the others."""
    paths = [PurePath(run.folder.resolve()).parts for run in runs]
    longest = max(map(len, paths))
    for count in range(1, longest + 1):
        names = [plain_name("/".join(parts[-count:])) for parts in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{plain_name(run.name)} ({number})" for number, run in enumerate(runs, 1)]


def run_table(runs: Sequence[RunResults], names: Sequence[str]) -> str:
    """Return a table with a row for each run."""
    head = (
        "run",
        "algorithm",
        "environment",
        "state",
        "seeds",
        "return",
        "95 % interval (Student's t)",
        "at step",
        "steps",
        "time",
        "findings",
    )
    rows = "".join(row(name, *_cells(run)) for run, name in zip(runs, names, strict=True))
    return table("".join(f"<th scope=col>{one}</th>" for one in head), rows, "Runs")


def _cells(run: RunResults) -> list[object]:
    found, metrics = verdict_of(run), run.metrics
    low, high = found.interval
    interval = "" if low != low else f"{signed(low)} to {signed(high)}"
    steps = f"{metrics.reached:,}" + (f" of {run.steps:,}" if metrics.reached < run.steps else "")
    time = clock(metrics.seconds) if np.isfinite(metrics.seconds) else ""
    seeds = f"{run.members}" + (f", {found.failed} failed" if found.failed else "")
    watched = summary(finding for _, finding in run.findings) if run.findings else "none" if watches(run) else "unknown"
    return [
        run.algorithm, run.env, run.doing, seeds, signed(found.mean), interval, f"{found.step:,}", steps, time, watched,
    ]  # fmt: skip


def differing_settings(runs: Sequence[RunResults], names: Sequence[str]) -> str:
    """Return the settings in which runs differ, a column for each run; empty where a run lacks one."""
    every: Mapping[str, None] = dict.fromkeys(name for run in runs for name in run.settings)
    rows: list[str] = []
    for name in sorted(every):
        known = [run.settings[name] for run in runs if name in run.settings]
        if not all(same(value, known[0]) for value in known):
            rows.append(row(name, *(run.settings.get(name, "") for run in runs)))
    if not rows:
        return "<p>All settings of these runs are the same.</p>"
    head = "".join(f"<th scope=col>{text(one)}</th>" for one in ("setting", *names))
    return table(head, "".join(rows[:ENTRIES]), "Settings in which the runs differ")
