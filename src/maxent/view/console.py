"""Terminal views of a run: live, plain lines, or none."""

import time
from typing import Literal, final

from rich.console import Console as Terminal

from maxent.errors import UserError, printable
from maxent.findings import Finding
from maxent.runs.observer import Evaluation, Observer, Record, RunHeader
from maxent.view.live import Live
from maxent.view.printing import say
from maxent.view.readings import Pace, clock, number, seed_error

__all__ = ["Mode", "Plain", "Quiet", "make_console"]

Mode = Literal["auto", "live", "plain", "quiet"]


def make_console(mode: Mode = "auto") -> Observer:
    """Return the view for a mode; auto is live where standard output is a capable terminal, else plain."""
    if mode == "quiet":
        return Quiet()
    if mode == "plain":
        return Plain()
    terminal = Terminal()
    if mode == "live":
        return Live(terminal)
    if mode != "auto":
        raise UserError(f"console mode: expected auto, live, plain or quiet, got {mode!r}.")
    capable = terminal.is_terminal and not terminal.is_dumb_terminal and terminal.encoding.startswith("utf")
    return Live(terminal) if capable else Plain()


@final
class Quiet(Observer):
    """Prints nothing."""


@final
class Plain(Observer):
    """Prints one line of ASCII for each record: for log files, pipes and continuous integration."""

    def __init__(self) -> None:
        self._header: RunHeader | None = None
        self._pace = Pace()
        self._means: dict[str, float] = {}  # tag → latest known mean over members
        self._error = ""

    def on_start(self, header: RunHeader) -> None:
        """Print the header, once for several calls of `learn`."""
        known, self._header = self._header, header
        self._pace.add(time.perf_counter(), header.start)
        if known is not None and (known.facts, known.folder) == (header.facts, header.folder):
            return
        title = printable(f"{header.algo} on {header.env}")
        say(f"{title}: {header.steps:,} steps, {', '.join(header.facts)}")

    def on_record(self, record: Record) -> None:
        """Print the latest known means over members."""
        if self._header is None:
            return
        self._pace.add(time.perf_counter(), record.step)
        means = {tag: record.mean(tag) for tag in record.values}
        self._means |= {tag: mean for tag, mean in means.items() if mean == mean}
        steps = f"{self._header.steps:,}"
        cells = [
            f"step {record.step:>{len(steps)},}/{steps}",
            f"return {self._cell('rollout/ep_rew_mean'):>8}",
            f"eval {self._cell('eval/mean_reward'):>8}{self._error}",
            *self._success(),
            f"alpha {self._cell('train/ent_coef'):>7}",
            f"entropy {self._cell('train/entropy'):>7}",
            f"Q {self._cell('train/q_mean'):>8}",
            f"{self._cell('time/fps', 0):>6} steps/s",
            f"{clock(self._pace.left(self._header.steps))} left",
        ]
        say(" | ".join(cells))

    def on_evaluation(self, evaluation: Evaluation) -> None:
        """Keep how far the mean over these seeds may be off."""
        error = seed_error(evaluation.returns)
        self._error = "" if error != error else f" ± {number(error):<5}"

    def _success(self) -> list[str]:
        """Return the share of evaluation episodes that succeeded, where the environment reports it."""
        rate = self._means.get("eval/success_rate", self._means.get("rollout/success_rate"))
        return [] if rate is None else [f"success {rate:>5.0%}"]

    def _cell(self, tag: str, digits: int | None = None) -> str:
        return number(self._means.get(tag, float("nan")), digits)

    def on_message(self, text: str) -> None:
        """Print the sentence."""
        say(printable(text))

    def on_finding(self, finding: Finding, step: int) -> None:
        """Print the finding in one line."""
        self.on_message(f"step {step:,}: {finding.sentence()}")
