"""Which transitions an update learns from: a uniform sample of the replay, or all of the newest ones, in order."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, final

import numpy as np
from numpy.typing import NDArray

from maxent.replay.rows import Replay


class Sample(NamedTuple):
    """What one update learns from: rows [P, B] that start a transition, and what `Gather` is to know beside them."""

    rows: NDArray[np.int64]
    beside: dict[str, NDArray[Any]]


class Sampler(Protocol):
    """Chooses the transitions of each update."""

    learns_errors: bool
    """Whether `learned` is to be told about every update."""

    def sample(self, progress: float) -> Sample:
        """The transitions of the next update; `progress` is the share of the run that lies behind, 0 to 1."""

    def learned(self, rows: NDArray[np.int64], error: NDArray[np.float32]) -> None:
        """Take note of |Q − y| [P, B] at the rows [P, B] of an update."""

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint has to keep beside the replay and the random streams."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to what `state` told; the replay holds its rows again."""


@final
class Uniform:
    """Every transition is as likely as every other; member p draws from streams[p] alone."""

    learns_errors = False

    def __init__(self, replay: Replay, batch_size: int, streams: Sequence[np.random.Generator]) -> None:
        self.replay, self.batch_size, self.streams = replay, batch_size, streams

    def sample(self, progress: float) -> Sample:
        """Uniform rows."""
        return Sample(self.replay.sample(self.batch_size, self.streams), {})

    def learned(self, rows: NDArray[np.int64], error: NDArray[np.float32]) -> None:
        """Nothing."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Nothing."""


@final
class Newest:
    """The newest `steps` transitions of every lane, lane after lane in the order in which they happened."""

    learns_errors = False

    def __init__(self, replay: Replay, steps: int) -> None:
        self.replay, self.steps = replay, steps

    def sample(self, progress: float) -> Sample:
        """Rows [P, N · steps]."""
        return Sample(self.replay.newest(self.steps), {})

    def learned(self, rows: NDArray[np.int64], error: NDArray[np.float32]) -> None:
        """Nothing."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Nothing."""
