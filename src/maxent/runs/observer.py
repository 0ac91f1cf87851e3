"""Events of a run, and the interface of observers.

The library's own sinks, consoles and early stopping are observers, as are those that a user passes to `agent.learn`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from maxent.findings import Finding


@dataclass(frozen=True)
class RunHeader:
    """Facts about a run that do not change while it goes on."""

    algo: str
    env: str
    members: int
    device: str
    compiled: bool
    steps: int  # where the run ends, per member
    start: int = 0  # where this session starts, per member
    folder: str | None = None

    @property
    def facts(self) -> tuple[str, str, str]:
        """Members, device and how updates are executed, in words."""
        members = "1 member" if self.members == 1 else f"{self.members} members"
        return members, self.device, "compiled" if self.compiled else "eager"


@dataclass(frozen=True)
class Record:
    """One row of metrics: `values[tag]` is a float64 array [P], NaN where a member has no value yet."""

    step: int  # environment steps per member
    values: dict[str, NDArray[np.float64]]

    def mean(self, tag: str) -> float:
        """Return the mean of a tag over all members; NaN unless every member has a value."""
        return float(self.values[tag].mean()) if tag in self.values else float("nan")


@dataclass(frozen=True)
class EpisodeEnd:
    """A finished training episode."""

    step: int  # environment steps per member when it ended
    member: int
    env: int  # index of the member's environment
    ret: float  # sum of raw rewards
    length: int
    success: bool | None = None  # info["is_success"] of its last step; None if the environment reports none


@dataclass(frozen=True)
class Evaluation:
    """An evaluation during training: returns and lengths [P, episodes], and successes: 1, 0, or NaN if not reported."""

    step: int
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    successes: NDArray[np.float64] | None = None

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean return of each member. [P]"""
        return np.asarray(self.returns.mean(axis=1))


class Observer:
    """Receives the events of a run; subclasses override those they need.

    `on_record`, `on_episode` and `on_evaluation` may return True to stop the run. It then ends as at its last step: a
    record, an evaluation if these are on, a checkpoint and its policies. Where `on_record` stops it, what that record
    lacks is in a second one of the same step.
    """

    needs_evaluations: ClassVar[bool] = False
    """Whether it is of no use in a run without evaluations; such a run is refused."""

    def on_start(self, header: RunHeader) -> None:
        """Run when training begins or resumes."""

    def on_step(self, step: int) -> None:
        """Run after every environment step of all members; keep it cheap."""

    def on_episode(self, episode: EpisodeEnd) -> bool | None:
        """Run when a training episode ends."""

    def on_record(self, record: Record) -> bool | None:
        """Run for each row of metrics."""

    def on_evaluation(self, evaluation: Evaluation) -> bool | None:
        """Run after each evaluation, before the record that holds its means."""

    def on_message(self, text: str) -> None:
        """Run for each sentence the run has for its user."""

    def on_finding(self, finding: Finding, step: int) -> None:
        """Run when the watcher of the run finds that something is wrong, after the record that shows it."""

    def flush(self) -> None:
        """Bring everything received so far to the disk; runs before a checkpoint is written."""

    def on_checkpoint(self, step: int) -> None:
        """Run after a checkpoint has been written."""

    def on_end(self, reason: str) -> None:
        """Run once when training ends, also after an error, in `on_start` too; release resources.

        Reasons: "finished", "stopped" by an observer, "interrupted", "terminated" or "hung_up" by a signal, and
        "failed".
        """
