"""Rows that are not to be learned from: those of an episode that its environment's failure ended."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.replay.layout import FINAL
from maxent.replay.rows import Replay


@final
class Dropped:
    """Marks rows of a replay so that no transition starts there, and remembers them for checkpoints.

    A checkpoint may have written the rows already, in a file that is never changed; they are marked again when it is
    read.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._kind: NDArray[np.uint8] = replay.columns["kind"].numpy().reshape(-1)  # [P · C]
        self._row: NDArray[np.float32] = replay.columns["row"].numpy().reshape(len(self._kind), -1)
        self._spans = np.zeros((0, 3), np.int64)  # lane, first position, rows of each, while the ring holds them

    def drop(self, lane: int, length: int) -> NDArray[np.int64]:
        """Drop the newest `length` steps of a lane, or as many as it has; return their places over all members. [K]"""
        written = int(self._replay.written[lane])
        count = min(length, written, self._replay.ring - 1)
        self._spans = np.concatenate([self._held(), [[lane, written - count, count]]])
        rows = self._places(lane, written - count, count)
        self._mark(rows)
        return rows

    def state(self) -> dict[str, NDArray[Any]]:
        """Return which rows were dropped."""
        return {"spans": self._held()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Drop the rows again; the replay holds its rows already."""
        spans, lanes = state["spans"], len(self._replay.written)
        for lane, first, count in spans.tolist():
            fits = 0 <= lane < lanes and 0 <= count < self._replay.ring
            if not (fits and 0 <= first <= int(self._replay.written[lane]) - count):
                raise UserError("replay: expected dropped rows among those that it holds, got others.")
            self._mark(self._places(lane, first, count))
        self._spans = spans

    def _held(self) -> NDArray[np.int64]:
        """Return the spans of which the ring holds a row."""
        lane, first, count = self._spans.T
        return self._spans[first + count > self._replay.written[lane] - self._replay.ring + 1]

    def _places(self, lane: int, first: int, count: int) -> NDArray[np.int64]:
        """Return the places of the rows of a span that the ring still holds."""
        oldest = max(first, int(self._replay.written[lane]) - self._replay.ring + 1)
        position = np.arange(oldest, first + count)
        return self._replay.place(np.full(len(position), lane), position)

    def _mark(self, rows: NDArray[np.int64]) -> None:
        self._kind[rows] = FINAL
        self._row[rows, -1] = 0.0  # its rewards bound nothing either
        self._replay.edits += 1
