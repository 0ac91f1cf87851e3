"""Uniform replay: every transition has the same probability."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.replay.layout import STEP, TERMINAL
from maxent.replay.rows import Replay
from maxent.replay.samplers import Sample, Sampler

MOST_ROWS_FOR_FRACTIONS = 2**20
"""Rows of a member up to which the fractional part of a position serves as a second uniform number."""

ONE, BYTE_ONE = np.array(1), np.array(1, np.uint8)  # arrays: NumPy is slower with scalars


@final
class Uniform(Sampler):
    """Samples uniform rows that start a transition, by rejection, from uniform numbers that were drawn ahead.

    Integers cannot be drawn ahead, because the number n of rows grows between updates. Numbers u in [0, 1) can: the row
    is ⌊u · n⌋. A row that starts no transition is sampled again: first from the fractional part of u · n, which is
    uniform in [0, 1) and independent of ⌊u · n⌋; then, which is rare, from `streams` until a transition is found.

    The n rows of a member are those of N lanes of equal length, that of its fullest lane; rows that a lane has not
    filled are PENDING and sampled again like any other row that starts nothing.

    Accuracy: u is a multiple of 2^−53, so the probability of a row is 1/n with a relative error below 2n · 2^−53, with
    rounding: 2^−32 for n = 2^20. The fractional part has steps of n · 2^−53, so in the second pass the error is below
    2n² · 2^−53: 2^−12, times the share of rows that are sampled again (2^−8 for episodes of 256 steps). Above 2^20 rows
    the second pass is left out. u · n < n also holds after rounding.

    Args:
        replay: the rows to sample from.
        batch_size: B.
        uniform: returns the uniform numbers of one update, float64 [P, count]; those of member p depend on p alone.
        streams: member p draws further numbers from streams[p] alone.
    """

    def __init__(
        self,
        replay: Replay,
        batch_size: int,
        uniform: Callable[[int], NDArray[np.float64]],
        streams: Sequence[np.random.Generator],
    ) -> None:
        self.replay, self.batch_size, self.uniform, self.streams = replay, batch_size, uniform, streams
        kind = replay.columns["kind"].numpy()  # [P, C], shares memory
        self._kind: NDArray[np.uint8] = kind.reshape(-1)
        self._kinds = [memoryview(member) for member in kind]  # a memoryview returns single numbers fastest
        self._written = replay.written.reshape(replay.members, replay.lanes)  # [P, N], shares memory
        self._member = np.repeat(np.arange(replay.members), batch_size)  # [P · B]
        self._first = self._member * replay.capacity  # [P · B] the member's first place
        self._ring, self._lanes = np.array(replay.ring), np.array(replay.lanes, np.float64)
        self._second_pass = replay.capacity <= MOST_ROWS_FOR_FRACTIONS

    def sample(self, progress: float) -> Sample:
        """Sample uniform rows."""
        filled = self._filled()
        count = filled * self._lanes  # [P, 1]
        position = self.uniform(self.batch_size) * count  # [P, B]
        gaps = self.replay.lanes > 1 and min(filled[:, 0].tolist()) < self.replay.ring
        rows = self._rows(position, filled, gaps=gaps)
        flat = rows.reshape(-1)
        wrong = self._starts_nothing(flat + self._first)
        if len(wrong) and self._second_pass:
            member = self._member[wrong]
            fraction = position.reshape(-1)[wrong]
            fraction -= np.floor(fraction)
            again = self._rows(fraction * count[:, 0][member], filled[:, 0][member], gaps=gaps)
            flat[wrong] = again
            wrong = wrong[self._starts_nothing(again + self._first[wrong])]
        for p, group in groupby(wrong.tolist(), lambda k: k // self.batch_size):
            self._draw(flat, list(group), p, int(filled[p, 0]))
        return Sample(rows, {})

    def _filled(self) -> NDArray[np.float64]:
        """Return the number of filled rows of each member's fullest lane. → [P, 1]"""
        written = self._written if self.replay.lanes == 1 else np.maximum.reduce(self._written, 1, keepdims=True)
        filled: NDArray[np.int64] = np.minimum(written + ONE, self._ring)
        return filled.astype(np.float64)

    def _rows(self, position: NDArray[np.float64], filled: NDArray[np.float64], *, gaps: bool) -> NDArray[np.int64]:
        """Return the rows at positions among the first `filled` rows of each lane, lane after lane. [...] → [...]"""
        if gaps:
            position = np.floor(position)
            lane = np.floor(position / filled)  # exact, as quotients of integers below 2^53 are
            position += lane * (self._ring - filled)
        return position.astype(np.int64)

    def _starts_nothing(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of the places, over all members, that hold neither STEP nor TERMINAL.   [K] → [k]"""
        return (self._kind[place] - BYTE_ONE > BYTE_ONE).nonzero()[0]

    def _draw(self, rows: NDArray[np.int64], left: list[int], member: int, filled: int) -> None:
        """Set these entries of `rows`, all of one member, from fresh numbers of its stream; few, so without NumPy."""
        kind, stream, ring = self._kinds[member], self.streams[member], self.replay.ring
        count, passes = filled * self.replay.lanes, 0
        while left:
            wrong = []
            for k, number in zip(left, stream.random(len(left)).tolist(), strict=True):
                lane, at = divmod(int(number * count), filled)
                row = lane * ring + at
                if STEP <= kind[row] <= TERMINAL:
                    rows[k] = row
                else:
                    wrong.append(k)
            left = wrong
            passes += 1
            if passes % 1000 == 0 and not np.isin(kind, (STEP, TERMINAL)).any():
                raise RuntimeError(f"expected transitions to sample from, got none for member {member}.")
