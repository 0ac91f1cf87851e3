"""The actions of the episodes that are under way, from which a resumed run brings them back."""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

Actions = NDArray[np.float32]


@final
class ActionHistory:
    """One growing array of actions [t, L, A] for all lanes; what no current episode needs any more is dropped."""

    def __init__(self, count: int, size: int, capacity: int = 1024) -> None:
        self._rows = np.empty((capacity, count, size), np.float32)
        self._length = 0
        self._starts = np.zeros(count, np.int64)

    def append(self, actions: Actions) -> None:
        """Adds one action [L, A] to the episode of every lane."""
        if self._length == len(self._rows):
            self._make_room()
        self._rows[self._length] = actions
        self._length += 1

    def begin(self, lane: int) -> None:
        """Forgets the actions of one lane: an episode starts."""
        self._starts[lane] = self._length

    def of(self, lane: int) -> Actions:
        """The actions [t, A] of the current episode of one lane."""
        return self._rows[self._starts[lane] : self._length, lane].copy()

    def load(self, histories: Sequence[Actions]) -> None:
        """Replaces everything by one episode [t, A] for each lane, t as it may be."""
        longest = max(len(history) for history in histories)
        capacity = max(len(self._rows), longest)
        self._rows = np.empty((capacity, *self._rows.shape[1:]), np.float32)
        self._length = longest
        for lane, history in enumerate(histories):
            self._starts[lane] = longest - len(history)
            self._rows[self._starts[lane] : longest, lane] = history

    def _make_room(self) -> None:
        """Drops the rows before the oldest episode; doubles the array if that frees less than half of it."""
        oldest = int(self._starts.min())
        kept = self._rows[oldest : self._length]
        capacity = len(self._rows) * (2 if len(kept) > len(self._rows) // 2 else 1)
        rows = np.empty((capacity, *self._rows.shape[1:]), np.float32)
        rows[: len(kept)] = kept
        self._rows = rows
        self._length -= oldest
        self._starts -= oldest
