"""The actions of the current episodes, from which a resumed run restores them."""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

Actions = NDArray[np.float32]


@final
class ActionHistory:
    """One growing array of actions [t, L, A] for all lanes; rows older than every current episode are dropped."""

    def __init__(self, count: int, size: int, capacity: int = 1024) -> None:
        self._rows = np.empty((capacity, count, size), np.float32)
        self._length = 0
        self._starts = np.zeros(count, np.int64)

    def append(self, actions: Actions) -> None:
        """Append one action [L, A] to the episode of every lane."""
        if self._length == len(self._rows):
            self._make_room()
        self._rows[self._length] = actions
        self._length += 1

    def begin(self, lane: int) -> None:
        """Start a new episode in one lane, without actions."""
        self._starts[lane] = self._length

    def of(self, lane: int) -> Actions:
        """Return the actions [t, A] of the current episode of one lane."""
        return self._rows[self._starts[lane] : self._length, lane].copy()

    def load(self, histories: Sequence[Actions]) -> None:
        """Replace all contents by one episode [t, A] for each lane; t may differ between lanes."""
        longest = max(len(history) for history in histories)
        capacity = max(len(self._rows), longest)
        self._rows = np.empty((capacity, *self._rows.shape[1:]), np.float32)
        self._length = longest
        for lane, history in enumerate(histories):
            self._starts[lane] = longest - len(history)
            self._rows[self._starts[lane] : longest, lane] = history

    def _make_room(self) -> None:
        """Drop the rows before the oldest episode; double the array if that frees less than half of it."""
        oldest = int(self._starts.min())
        kept = self._rows[oldest : self._length]
        capacity = len(self._rows) * (2 if len(kept) > len(self._rows) // 2 else 1)
        rows = np.empty((capacity, *self._rows.shape[1:]), np.float32)
        rows[: len(kept)] = kept
        self._rows = rows
        self._length -= oldest
        self._starts -= oldest
