"""The draws that exploring actions take: fresh in every step, held for some steps, or correlated over the steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from maxent.algorithms.base import Exploration, Fresh, Held

Array = NDArray[np.float32]


class ActingNoise(Protocol):
    """Returns the standard normal draws of a step."""

    def __call__(self, streams: Sequence[np.random.Generator]) -> Array:
        """Return draws [P, N, D], those of member p from streams[p]."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that later draws depend on."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""


def acting_noise(exploration: Exploration, shape: tuple[int, int, int]) -> ActingNoise:
    """Return the draws of a run: [P, N, D] for P members with N environments each, D draws for an observation."""
    if isinstance(exploration, Fresh):
        return FreshNoise(shape)
    if isinstance(exploration, Held):
        return HeldNoise(shape, exploration.most)
    return CorrelatedNoise(shape, exploration.size, exploration.pull)


@final
class FreshNoise:
    """Fresh draws for every step."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape[1:]

    def __call__(self, streams: Sequence[np.random.Generator]) -> Array:
        """Return draws [P, N, D]."""
        return np.stack([stream.standard_normal(self._shape, np.float32) for stream in streams])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return nothing."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing."""


@final
class HeldNoise:
    """Draws that each member holds for n steps, n a new draw each time with P(n) ∝ 1/n² up to `most`.   2604.04539.

    Args:
        shape: [P, N, D].
        most: largest n.
    """

    def __init__(self, shape: tuple[int, int, int], most: int) -> None:
        shares = 1.0 / np.arange(1, most + 1, dtype=np.float64) ** 2
        self._cumulated = np.cumsum(shares / shares.sum())
        self._left = np.zeros(shape[0], np.int64)
        self._held = np.zeros(shape, np.float32)

    def __call__(self, streams: Sequence[np.random.Generator]) -> Array:
        """Return draws [P, N, D]."""
        for member, stream in enumerate(streams):
            if self._left[member] == 0:
                self._held[member] = stream.standard_normal(self._held.shape[1:], np.float32)
                count = int(np.searchsorted(self._cumulated, stream.random(), side="right")) + 1
                self._left[member] = min(count, len(self._cumulated))
            self._left[member] -= 1
        return self._held.copy()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the draws that are held, and for how many more steps."""
        return {"left": self._left, "held": self._held}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""
        self._left, self._held = arrays["left"].copy(), arrays["held"].copy()


@final
class CorrelatedNoise:
    """Draws of which the last ones follow an Ornstein-Uhlenbeck process x ← (1 − θ) x + ε.   1509.02971 §7.

    Deviation: the process goes on where an episode ends, instead of starting at 0 again.

    Args:
        shape: [P, N, D].
        size: how many draws of an observation follow the process.
        pull: θ.
    """

    def __init__(self, shape: tuple[int, int, int], size: int, pull: float) -> None:
        self._fresh, self._keep = FreshNoise(shape), np.float32(1.0 - pull)
        self._at = np.zeros((*shape[:2], size), np.float32)

    def __call__(self, streams: Sequence[np.random.Generator]) -> Array:
        """Return draws [P, N, D]."""
        draws = self._fresh(streams)
        first = draws.shape[-1] - self._at.shape[-1]
        self._at = self._keep * self._at + draws[..., first:]
        draws[..., first:] = self._at
        return draws

    def state(self) -> dict[str, NDArray[Any]]:
        """Return where the process is."""
        return {"at": self._at}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take it back."""
        self._at = arrays["at"].copy()
