"""The live view of a run in a terminal."""

import time
from typing import final

import numpy as np
from rich.console import Console as Terminal
from rich.live import Live as Screen
from rich.text import Text

from maxent.errors import printable
from maxent.findings import Finding
from maxent.runs.observer import Evaluation, Observer, Record, RunHeader
from maxent.runs.tags import EPISODES
from maxent.view.readings import Pace, clock, decimals, number, seed_error

REFRESH_SECONDS = 0.5
"""Shortest time between two drawings."""

COST = 0.005
"""Largest share of the run's time spent on drawing: where drawing is slow, it happens less often."""

ROWS = 12
"""Most members that are listed one by one; more are summarised."""

FIXED_LINES = 12
"""Lines of the view that are not member rows; a window too low for all members shows the summary as well."""

COLUMNS = (
    (("training", "return"), "rollout/ep_rew_mean"),
    (("evaluation", "return"), "eval/mean_reward"),
    (("", "alpha"), "train/ent_coef"),
    (("", "entropy"), "train/entropy"),
    (("", "Q"), "train/q_mean"),
    (("critic", "loss"), "train/critic_loss"),
    (("actor", "loss"), "train/actor_loss"),
)


@final
class Live(Observer):
    """Shows progress, speed, and a table of the members, drawn in place; messages scroll above it.

    Drawing happens in `on_step`, in the caller's thread: a separate thread would interrupt the training loop at
    arbitrary times.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._screen: Screen | None = None
        self._header = RunHeader(algo="", env="", members=1, device="", compiled=False, steps=1)
        self._values: dict[str, np.ndarray] = {}  # tag → latest [P]
        self._evaluated: int | None = None  # step of the latest evaluation
        self._seeds = ""
        self._pace = Pace()
        self._step = 0
        self._began = 0.0
        self._due = float("inf")

    def on_start(self, header: RunHeader) -> None:
        """Put the view on the screen."""
        self._header = header
        self._step = header.start
        self._began = time.perf_counter()
        self._pace.add(self._began, header.start)
        self._screen = Screen(self._view(), console=self._terminal, auto_refresh=False)
        self._screen.start(refresh=True)
        self._due = self._began + REFRESH_SECONDS

    def on_step(self, step: int) -> None:
        """Draw if a drawing is due."""
        self._step = step
        now = time.perf_counter()
        if now >= self._due:
            self._draw()
            self._due = now + max(REFRESH_SECONDS, (time.perf_counter() - now) / COST)

    def on_record(self, record: Record) -> None:
        """Store the metrics for the next drawing; an evaluation stays until the next one."""
        for tag, value in record.values.items():
            if not tag.startswith("eval/"):
                self._values[tag] = value
            elif not np.isnan(value).all():
                self._values[tag] = value
                self._evaluated = record.step
        self._step = max(self._step, record.step)

    def on_evaluation(self, evaluation: Evaluation) -> None:
        """Keep how many seeds the evaluation has, and how far their mean may be off."""
        error = seed_error(evaluation.returns)
        self._seeds = f", {evaluation.returns.shape[1]} seeds" + ("" if error != error else f" ± {number(error)}")

    def on_message(self, text: str) -> None:
        """Print the sentence above the view, without wrapping long paths."""
        self._terminal.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def on_finding(self, finding: Finding, step: int) -> None:
        """Print the finding in one line."""
        self.on_message(f"step {step:,}: {finding.sentence()}")

    def on_end(self, reason: str) -> None:
        """Draw the last state, leave it on the screen and restore the cursor; a second call does nothing."""
        if self._screen is not None:
            self._draw()
            self._screen.stop()
            self._screen = None
            self._due = float("inf")

    def _draw(self) -> None:
        if self._screen is not None:
            self._pace.add(time.perf_counter(), self._step)
            self._screen.update(self._view(), refresh=True)

    def _view(self) -> Text:
        """Return the whole view as one text: rich's tables and bars take ten times as long to draw."""
        width = self._terminal.width
        lines = [Text(), self._title(), self._bar(width), self._speed(width), Text(), *self._table(), Text()]
        return Text("\n", no_wrap=True, overflow="ellipsis").join([*lines, self._notes(), Text()])

    def _title(self) -> Text:
        header = self._header
        algo, env = printable(header.algo), printable(header.env)
        title = Text.assemble(" ", (algo, "bold"), " on ", (env, "bold"), "  ", " · ".join(header.facts))
        if header.folder is not None:
            title.append(f" · {printable(header.folder)}", "dim")
        return title

    def _bar(self, width: int) -> Text:
        total, step = self._header.steps, self._step
        percent = f"{100 * step // total} %"
        before, after = f"{step:,} / {total:,}  ", f"  {clock(self._pace.left(total))} left"
        cells = max(0, width - len(before + percent + after) - 5)
        full = cells * min(step, total) // total
        bar = Text.assemble(" ", ("━" * full, "green"), ("─" * (cells - full), "bright_black"))
        return bar.append("   " + before).append(percent, "bold").append(after)

    def _speed(self, width: int) -> Text:
        speed = f" {number(self._pace.rate * self._header.members, 0)} steps/s"
        updates = self._mean("time/updates_per_second")
        if not np.isnan(updates):
            speed += f"   {number(updates, 0)} updates/s"
        elapsed = f"{clock(time.perf_counter() - self._began)} elapsed"
        return Text.assemble((speed, "cyan"), (elapsed.rjust(width - len(speed) - 1), "dim"))

    def _table(self) -> list[Text]:
        """Return the members, or their spread if there are many or the window is low; then their mean."""
        members = self._header.members
        listed = members <= min(ROWS, self._terminal.height - FIXED_LINES)
        names = [str(member) for member in range(members)] if listed else ["highest", "median", "lowest"]
        if members > 1:
            names.append("mean")
        columns = [_aligned(["", "member" if listed else f"of {members}", *names], 0)]
        for title, tag in COLUMNS:
            value = self._values.get(tag, np.full(members, np.nan))
            shown = list(value) if listed else [value.max(), np.median(value), value.min()]
            if members > 1:
                shown.append(value.mean())
            digits = decimals(float(np.nanmax(np.abs(shown), initial=0.0)))
            columns.append(_aligned([*title, *(number(float(entry), digits) for entry in shown)], 8))
        above, below, *rows = (" " + "  ".join(cells) for cells in zip(*columns, strict=True))
        rule = Text(" " + "─" * (len(below) - 1), "bright_black")
        head = [Text(above, "dim"), Text(below, "dim"), rule]
        if members == 1:
            return [*head, *map(Text, rows)]
        return [*head, *map(Text, rows[:-1]), rule, Text(rows[-1], "bold")]

    def _notes(self) -> Text:
        """Return the line that explains the numbers of the table."""
        notes = [f"training: exploring, last {EPISODES} episodes"]
        if self._evaluated is not None:
            notes.append(f"evaluation: step {self._evaluated:,}, best actions{self._seeds}")
        target = self._mean("train/target_entropy")
        if not np.isnan(target):
            notes.append(f"entropy target: {number(target)}")
        return Text(" " + " · ".join(notes), "dim")

    def _mean(self, tag: str) -> float:
        return float(self._values[tag].mean()) if tag in self._values else float("nan")


def _aligned(cells: list[str], least: int) -> list[str]:
    """Return the cells of a column right-aligned; a minimum width keeps columns from moving between drawings."""
    width = max(least, *map(len, cells))
    return [cell.rjust(width) for cell in cells]
