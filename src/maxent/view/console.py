"""What the terminal shows of a run: a live view, plain lines, or nothing."""

import time
from typing import Literal, Protocol, final

from rich.console import Console as Terminal

from maxent.errors import UserError
from maxent.runs.observer import Record, RunHeader
from maxent.view.live import Live
from maxent.view.readings import Pace, clock, number

__all__ = ["Console", "Mode", "Plain", "Quiet", "RunHeader", "make_console"]

Mode = Literal["auto", "live", "plain", "quiet"]


class Console(Protocol):
    """A view of one run. `start` and `stop` enclose it; `message` works at any time."""

    def start(self, header: RunHeader) -> None:
        """Say what begins."""

    def tick(self, step: int) -> None:
        """Note the step reached; called at every step, so it costs a look at the clock."""

    def record(self, record: Record) -> None:
        """Take the latest metrics."""

    def message(self, text: str) -> None:
        """Say a sentence that stays on the screen."""

    def stop(self) -> None:
        """Leave the terminal as it was found; a second call does nothing."""


def make_console(mode: Mode = "auto") -> Console:
    """The view for a mode; auto is the live one where standard output is a terminal that can show it, else plain."""
    if mode == "quiet":
        return Quiet()
    if mode == "plain":
        return Plain()
    terminal = Terminal()
    if mode == "live":
        return Live(terminal)
    if mode != "auto":
        raise UserError(f"the console mode is one of auto, live, plain and quiet, not {mode!r}.")
    able = terminal.is_terminal and not terminal.is_dumb_terminal and terminal.encoding.startswith("utf")
    return Live(terminal) if able else Plain()


@final
class Quiet:
    """Prints nothing."""

    def start(self, header: RunHeader) -> None:
        """Nothing."""

    def tick(self, step: int) -> None:
        """Nothing."""

    def record(self, record: Record) -> None:
        """Nothing."""

    def message(self, text: str) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


@final
class Plain:
    """One line of ASCII for each record: for log files, pipes and continuous integration."""

    def __init__(self) -> None:
        self._header: RunHeader | None = None
        self._pace = Pace()
        self._means: dict[str, float] = {}  # tag → latest known mean over members

    def start(self, header: RunHeader) -> None:
        """Print the header."""
        self._header = header
        self._pace.add(time.perf_counter(), header.start)
        print(f"{header.algo} on {header.env}: {header.steps:,} steps, {', '.join(header.facts)}", flush=True)

    def tick(self, step: int) -> None:
        """Nothing: lines come with records."""

    def record(self, record: Record) -> None:
        """Print the means over members, each the latest one that is known."""
        if self._header is None:
            return
        self._pace.add(time.perf_counter(), record.step)
        means = {tag: record.mean(tag) for tag in record.values}
        self._means |= {tag: mean for tag, mean in means.items() if mean == mean}
        steps = f"{self._header.steps:,}"
        cells = [
            f"step {record.step:>{len(steps)},}/{steps}",
            f"return {self._cell('rollout/ep_rew_mean'):>8}",
            f"eval {self._cell('eval/mean_reward'):>8}",
            f"alpha {self._cell('train/ent_coef'):>7}",
            f"entropy {self._cell('train/entropy'):>7}",
            f"Q {self._cell('train/q_mean'):>8}",
            f"{self._cell('time/fps', 0):>6} steps/s",
            f"{clock(self._pace.left(self._header.steps))} left",
        ]
        print(" | ".join(cells), flush=True)

    def _cell(self, tag: str, digits: int | None = None) -> str:
        return number(self._means.get(tag, float("nan")), digits)

    def message(self, text: str) -> None:
        """Print the sentence."""
        print(text, flush=True)

    def stop(self) -> None:
        """Nothing: every line is out."""
