"""Drawing rows of the replay in one call, as NumPy would draw them."""

from collections.abc import Sequence
from functools import cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from maxent import native
from maxent.native.library import Library, find

MOST_ROWS = 2**32 - 1  # of a member: beyond, NumPy draws otherwise


@final
class Rows:
    """Draws uniform rows that start a transition, from one stream per member (`replay.Replay.sample`).

    Args:
        kind: of every row, [P · lanes · ring] uint8; rows of kind 1 and 2 start a transition.
        written: rows completed since the beginning of each lane, [P · lanes].
        lanes: of each member.
        ring: rows of each lane.
        streams: member p draws from streams[p] alone.
    """

    def __init__(
        self,
        kind: NDArray[np.uint8],
        written: NDArray[np.int64],
        lanes: int,
        ring: int,
        streams: Sequence[np.random.Generator],
    ) -> None:
        assert written.dtype == np.int64
        assert kind.dtype == np.uint8
        assert written.shape == (len(streams) * lanes,)
        assert kind.shape == (len(written) * ring,)
        assert kind.flags.c_contiguous
        assert written.flags.c_contiguous
        self._draw = _library().rows
        self._members = len(streams)
        addresses = np.array([stream.bit_generator.ctypes.bit_generator.value for stream in streams], np.intp)
        self._plan = np.array(
            [addresses.ctypes.data, kind.ctypes.data, written.ctypes.data, self._members, lanes, ring], np.int64
        )
        self._where = self._plan.ctypes.data
        self._kept = tuple(streams), addresses, kind, written  # whose memory the plan points to

    def __call__(self, count: int) -> NDArray[np.int64]:
        """Rows [P, count] of each member."""
        rows = np.empty((self._members, count), np.int64)
        if not self._draw(self._where, count, rows.ctypes.data):
            raise RuntimeError("A member has no transitions to draw from.")
        return rows


def can_draw(rows: int, streams: Sequence[np.random.Generator]) -> bool:
    """Whether `Rows` draws what NumPy draws, from this many rows."""
    return native.ready() and rows <= MOST_ROWS and bool(streams) and _as_numpy(type(streams[0].bit_generator))


def _library() -> Library:
    found = find()
    assert found is not None  # native is ready
    return found


@cache
def _as_numpy(kind: Any) -> bool:
    """Whether a NumPy as installed draws integers as `rows.cpp` does; another version might not."""
    rows = 2**31 + 2**30  # a quarter of all draws is rejected
    ours, numpys = np.random.Generator(kind(1)), np.random.Generator(kind(1))
    drawn = np.empty(64, np.int64)
    _library().below(ours.bit_generator.ctypes.bit_generator, rows, len(drawn), drawn.ctypes.data)
    return bool(np.array_equal(drawn, numpys.integers(0, rows, len(drawn))))
