"""Samplers: which transitions an update learns from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from maxent.replay.rows import Replay


class Sample(NamedTuple):
    """The transitions of one update: rows [P, B] that start a transition, and further arrays for `Gather`."""

    rows: NDArray[np.int64]
    extras: dict[str, NDArray[Any]]


class Sampler(ABC):
    """Chooses the transitions of each update. The defaults are those of a sampler without state."""

    uses_priorities: ClassVar[bool] = False
    """Whether `update_priorities` has to be called after every update."""
    bytes_per_row: ClassVar[int] = 0
    """Memory that it takes for each row of the replay."""

    @abstractmethod
    def sample(self, progress: float) -> Sample:
        """Sample the transitions of the next update; `progress` is the completed share of the run, 0 to 1."""

    def update_priorities(self, rows: NDArray[np.int64], error: NDArray[np.float32]) -> None:
        """Set priorities from |Q − y| [P, B] at the rows [P, B] of an update. Without priorities: do nothing."""
        return

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Take note of rows, counted over all members, at which no transition starts any more. [K]"""
        return

    def forget_errors(self, member: int) -> None:
        """Make all transitions of a member alike again: its errors mean nothing. Without priorities: do nothing."""
        return

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a checkpoint needs in addition to the replay and the random streams."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the state from `state()`; the replay holds its rows again."""
        return


@final
class Newest(Sampler):
    """Returns the newest `steps` transitions of every lane, lane after lane, in chronological order."""

    def __init__(self, replay: Replay, steps: int) -> None:
        self.replay, self.steps = replay, steps

    def sample(self, progress: float) -> Sample:
        """Return rows [P, N · steps]."""
        return Sample(self.replay.newest(self.steps), {})
