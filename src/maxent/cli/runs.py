"""The table of `maxent list runs`."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

from maxent.errors import printable
from maxent.results.state import RunState, Unreadable, read_states
from maxent.view.readings import age, duration, number, short_count

WIDTH = 100
"""Most characters of a line."""

LEAST = {1: 8, 0: 16}
"""Columns that are shortened where lines are too long, in this order, and the fewest characters they keep."""

LEFT = 4
"""Columns that are aligned on the left; the others are numbers."""


def list_runs(root: Path) -> None:
    """Print a line for each run below a folder, by environment, and one for each folder that cannot be read."""
    states, now = read_states(root), time.time()
    if not states:
        print(f"No runs below {printable(str(root))}/.")
    readable = sorted((one for one in states if isinstance(one, RunState)), key=lambda one: one.env)
    rows = [cells(state, root, now) for state in readable]
    head = (f"  below {printable(str(root))}/", "algo", "state", "", "steps", "return", "steps/s")
    lines = table([head, *rows]) if rows else []
    if lines:
        print(lines[0])
    for env, group in itertools.groupby(zip(readable, lines[1:], strict=True), key=lambda pair: pair[0].env):
        print(printable(env))
        for _, line in group:
            print(line)
    for state in states:
        if isinstance(state, Unreadable):
            print(f"unreadable: {' '.join(printable(state.problem).split())}")


def cells(state: RunState, root: Path, now: float) -> tuple[str, ...]:
    """Return the row of a run: name, algorithm, state, when, steps, return, speed."""
    name = state.folder.resolve().name if state.folder == root else str(state.folder.relative_to(root))
    reached, planned = short_count(state.step), short_count(state.steps)
    steps = planned if state.step == state.steps else f"{reached}/{planned}"
    score = "-" if state.score is None else f"{number(state.score.value)} {state.score.of[:5].removesuffix('u')}"
    return (
        f"  {printable(name)}",
        printable(state.algorithm),
        state.doing,
        when(state, now),
        f"{state.members} x {steps}",
        score,
        "-" if state.speed is None else number(state.speed, 0),
    )


def when(state: RunState, now: float) -> str:
    """Return the time left of a run that trains, or else how long ago it wrote last."""
    silent = state.silent(now)
    if state.stalled(now):
        return f"{duration(silent)} silent"
    if state.doing == "training":
        left = state.left(now)
        return "starting" if left is None else f"{duration(left)} left"
    return age(silent, now)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return aligned lines of at most `WIDTH` characters, where shortening names suffices for that."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place, least in LEAST.items():
        over = sum(widths) + 2 * (len(widths) - 1) - WIDTH
        widths[place] = max(min(widths[place], least), widths[place] - max(0, over))
    return ["  ".join(map(_aligned, row, widths, range(len(row)))).rstrip() for row in rows]


def _aligned(cell: str, width: int, place: int) -> str:
    """Return a cell of this width, without its middle if it is longer."""
    if len(cell) > width:
        kept = width - 1
        cell = f"{cell[: kept // 2]}…{cell[len(cell) - (kept - kept // 2) :]}"
    return cell.ljust(width) if place < LEFT else cell.rjust(width)
