"""The draws that exploring actions take: fresh ones for every step, or held for a random number of steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class ActingNoise(Protocol):
    """Returns the standard normal draws of a step."""

    def __call__(self, streams: Sequence[np.random.Generator], shape: tuple[int, int]) -> Array:
        """Return draws [P, *shape], those of member p from streams[p]."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that later draws depend on."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""


@final
class Fresh:
    """Fresh draws for every step."""

    def __call__(self, streams: Sequence[np.random.Generator], shape: tuple[int, int]) -> Array:
        """Return draws [P, *shape]."""
        return np.stack([stream.standard_normal(shape, np.float32) for stream in streams])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return nothing."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing."""


@final
class Repeated:
    """Draws that each member holds for n steps, n a new draw each time with P(n) ∝ 1/n² up to `most`.   2604.04539.

    Args:
        members: P.
        most: largest n.
    """

    def __init__(self, members: int, most: int) -> None:
        shares = 1.0 / np.arange(1, most + 1, dtype=np.float64) ** 2
        self._cumulated = np.cumsum(shares / shares.sum())
        self._left = np.zeros(members, np.int64)
        self._held: Array | None = None

    def __call__(self, streams: Sequence[np.random.Generator], shape: tuple[int, int]) -> Array:
        """Return draws [P, *shape]."""
        if self._held is None:
            self._held = np.zeros((len(streams), *shape), np.float32)
        for member, stream in enumerate(streams):
            if self._left[member] == 0:
                self._held[member] = stream.standard_normal(shape, np.float32)
                count = int(np.searchsorted(self._cumulated, stream.random(), side="right")) + 1
                self._left[member] = min(count, len(self._cumulated))
            self._left[member] -= 1
        return self._held.copy()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the draws that are held, and for how many more steps."""
        return {"left": self._left} if self._held is None else {"left": self._left, "held": self._held}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""
        self._left, self._held = arrays["left"].copy(), None
        if "held" in arrays:
            self._held = arrays["held"].copy()
