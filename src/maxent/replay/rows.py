"""The replay: for every lane (one environment of one member) a ring of rows in chronological order."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.replay.layout import FINAL, PENDING, STEP, TERMINAL, Columns, RowLayout, require_rows
from maxent.replay.row_file import RowFile

ONE = np.uint8(1)


@final
class Replay:
    """The rows of all members: `capacity` rows per member, shared evenly by its lanes.

    Args:
        layout: the columns of a row.
        members: P.
        lanes: N, environments per member; lane l of the loop is environment l % N of member l // N.
        capacity: rows per member, rounded up to a multiple of N.
        folder: on whose disk the rows are, in a file without a name (`RowFile`); None for memory.
    """

    def __init__(
        self, layout: RowLayout, *, members: int, lanes: int, capacity: int, folder: Path | None = None
    ) -> None:
        if capacity < 3 * lanes:  # a step, the final observation after it, and the pending one: then one step is left
            raise UserError(f"buffer_size: expected at least {3 * lanes} for {lanes} environments, got {capacity}.")
        self.layout, self.members, self.lanes = layout, members, lanes
        self.ring = -(-capacity // lanes)  # rows of one lane
        self.capacity = self.ring * lanes  # C, rows of one member
        total = members * self.capacity
        specs: list[tuple[tuple[int, ...], type[Any]]] = [
            ((total, layout.width), np.float32),
            ((total,), np.uint8),
            ((total, layout.bytes), np.uint8),
        ]
        self.file = None if folder is None else RowFile(folder, specs)
        """The file with the rows; None where they are in memory."""
        try:
            arrays: list[NDArray[Any]]
            arrays = [np.zeros(*spec) for spec in specs] if self.file is None else self.file.arrays
            self._row, self._kind, self._byte = arrays
        except (MemoryError, ValueError) as error:  # ValueError: beyond the address space
            raise UserError(
                f"buffer_size: expected a replay that fits into memory, got {capacity:,} rows a member, which need "
                f"{total * layout.nbytes / 1e9:,.1f} GB; use a smaller buffer_size."
            ) from error
        self._kinds = [self._kind[p * self.capacity : (p + 1) * self.capacity] for p in range(members)]  # [C] each
        self._start = np.arange(members * lanes) * self.ring  # [L] first row of each lane
        self.written = np.zeros(members * lanes, np.int64)  # [L] rows completed since the start of the run
        self.edits = 0  # changes of the kinds of older rows

    @staticmethod
    def nbytes(layout: RowLayout, *, members: int, capacity: int) -> int:
        """Return the size of a full replay in bytes."""
        return members * capacity * layout.nbytes

    @property
    def columns(self) -> Columns:
        """The storage as tensors with the member axis first; they share its memory."""
        columns = {"row": torch.from_numpy(self._row), "kind": torch.from_numpy(self._kind)}
        if self.layout.bytes:
            columns["byte"] = torch.from_numpy(self._byte)
        return {name: column.view(self.members, self.capacity, *column.shape[1:]) for name, column in columns.items()}

    def reserve(self, rows: int) -> None:
        """Take the space of the first `rows` rows of each lane on the disk, at most of its ring; memory needs none."""
        if self.file is not None:
            self.file.reserve(self._start, min(rows, self.ring))

    def begin(self, obs: Mapping[str, NDArray[Any]]) -> None:
        """Set the first observation of every lane, [L, ...] each."""
        self.reserve(int(self.written.max()) + 1)
        self._put_pending(np.arange(len(self._start)), obs)

    def add(
        self,
        action: NDArray[np.float32],
        reward: NDArray[np.float32],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        next_obs: Mapping[str, NDArray[Any]],
        obs: Mapping[str, NDArray[Any]],
        live: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one step of every lane: its true successor `next_obs`, and `obs`, from which the lane continues.

        Where `live` is False the step was only the reset of a vector environment: it is no transition, and `obs`
        replaces the pending observation.

        action [L, A]; reward, terminated, truncated, live [L]; observations [L, ...]
        """
        if live is not None and not live.all():
            stale = np.flatnonzero(~live)
            self._put_pending(stale, {part: array[stale] for part, array in obs.items()})
            lane: NDArray[Any] = np.flatnonzero(live)
            action, reward, terminated, truncated = action[lane], reward[lane], terminated[lane], truncated[lane]
            next_obs = {part: array[lane] for part, array in next_obs.items()}
            obs = {part: array[lane] for part, array in obs.items()}
        else:
            lane = np.arange(len(self._start))
        at = self._place(lane)
        self._row[at, self.layout.floats : -1] = action
        self._row[at, -1] = reward
        self._kind[at] = np.where(terminated, TERMINAL, STEP)
        self.written[lane] += 1
        self._put_pending(lane, next_obs)
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            self.end_episode(lane[ended], {part: array[ended] for part, array in obs.items()})

    def end_episode(self, lane: NDArray[np.int64], obs: Mapping[str, NDArray[Any]]) -> None:
        """Make the pending observation of these lanes final and continue from `obs`."""
        self._kind[self._place(lane)] = FINAL
        self.written[lane] += 1
        self._put_pending(lane, obs)

    def sample(self, batch_size: int, streams: Sequence[np.random.Generator]) -> NDArray[np.int64]:
        """Sample uniform rows that start a transition; member p draws from streams[p] alone. → [P, B] row of the member

        Rows are drawn uniformly and those that start nothing drawn again, which leaves the others uniform.
        """
        rows = np.empty((self.members, batch_size), np.int64)
        filled = np.minimum(self.written + 1, self.ring).reshape(self.members, self.lanes)
        ends = shift = filled
        if self.lanes > 1:
            ends = filled.cumsum(1)  # where each lane ends among the filled rows of a member
            shift = np.arange(self.lanes) * self.ring - (ends - filled)  # from a position among those to a row
        for p, (kind, stream, count) in enumerate(zip(self._kinds, streams, ends[:, -1].tolist(), strict=True)):
            shifted = self.lanes > 1 and count < self.capacity
            row = stream.integers(0, count, batch_size)
            if shifted:
                row += shift[p][ends[p].searchsorted(row, "right")]
            wrong = _starts_nothing(kind[row])
            passes = 0
            while len(wrong):
                again = stream.integers(0, count, len(wrong))
                if shifted:
                    again += shift[p][ends[p].searchsorted(again, "right")]
                row[wrong] = again
                wrong = wrong[_starts_nothing(kind[again])]
                passes += 1
                if passes % 1000 == 0 and len(_starts_nothing(kind)) == self.capacity:
                    raise RuntimeError(f"expected transitions to sample from, got none for member {p}.")
            rows[p] = row
        return rows

    def can_sample(self) -> bool:
        """Return whether one row in a hundred of every member starts a transition: enough to find them quickly."""
        filled = np.minimum(self.written + 1, self.ring).reshape(self.members, self.lanes).sum(1)
        starts = np.array([self.capacity - len(_starts_nothing(kind)) for kind in self._kinds])
        return bool((starts >= np.maximum(1, filled // 100)).all())

    def newest(self, steps: int) -> NDArray[np.int64]:
        """Return rows of the newest `steps` transitions of each lane, in order. → [P, N · steps] row of the member"""
        rows = np.empty((self.members * self.lanes, steps), np.int64)
        for lane, written in enumerate(self.written.tolist()):
            back = np.arange(max(0, written - 2 * steps - 1), written) % self.ring  # a FINAL may follow every step
            kind = self._kind[self._start[lane] + back]
            rows[lane] = back[(kind == STEP) | (kind == TERMINAL)][-steps:] + lane % self.lanes * self.ring
        return rows.reshape(self.members, -1)

    def rows_changed(self, written: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of the rows after the first `written` [L] of each lane, with the pending ones. → [n]"""
        first = np.maximum(written, self.written - self.ring + 1)
        return np.concatenate([
            self._start[lane] + np.arange(first[lane], self.written[lane] + 1) % self.ring for lane in range(len(first))
        ])  # fmt: skip

    @property
    def row_bytes(self) -> int:
        """Size of one row."""
        return self.layout.nbytes

    def rows_since(self, written: NDArray[np.int64], until: NDArray[np.int64] | None = None) -> dict[str, NDArray[Any]]:
        """Return the completed rows from position `written` [L] of each lane on that the rings still hold, for a file.

        Those from position `until` [L] on are left out; None keeps all. "row", "kind" and "byte" hold the rows lane
        after lane: "count" [L] rows of each, from position "first" [L].
        """
        first = self._oldest(written)
        count = (self.written if until is None else until) - first
        at = self.place(*_spread(first, count))
        parts = {"first": first, "count": count, "row": self._row[at], "kind": self._kind[at]}
        if self.layout.bytes:
            parts["byte"] = self._byte[at]
        return parts

    def put_rows(self, parts: Mapping[str, NDArray[Any]]) -> None:
        """Load rows from `rows_since`; call it for each segment in the order in which they were written."""
        require_rows(parts, self.layout, ring=self.ring, written=self.written)
        first, count = parts["first"], parts["count"]
        self.reserve(int((first + count).max()) + 1)
        at = self.place(*_spread(first, count))
        self._row[at] = parts["row"]
        self._kind[at] = parts["kind"]
        if self.layout.bytes:
            self._byte[at] = parts["byte"]
        self.written[:] = first + count

    def completed_since(self, written: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the completed rows after the first `written` [L] of each lane that the rings still hold, in order.

        → lane [K] and position [K] of each; positions count the rows of a lane since the start of the run.
        """
        first = self._oldest(written)
        return _spread(first, self.written - first)

    def place(self, lane: NDArray[np.int64], position: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of rows over all members: row r of member p is p · C + r.   [K], [K] → [K]"""
        return self._start[lane] + position % self.ring

    def _oldest(self, written: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first position from `written` on that each ring holds, besides its pending row. → [L]"""
        return np.maximum(written, self.written - self.ring + 1)

    def _place(self, lane: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of the newest row of each of these lanes."""
        return self.place(lane, self.written[lane])

    def _put_pending(self, lane: NDArray[np.int64], obs: Mapping[str, NDArray[Any]]) -> None:
        """Write the newest row of these lanes."""
        at = self._place(lane)
        if "float" in obs:
            self._row[at, : self.layout.floats] = obs["float"]
        if "byte" in obs:
            self._byte[at] = obs["byte"]
        self._row[at, self.layout.floats :] = 0.0
        self._kind[at] = PENDING


def _starts_nothing(kind: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the indices of the kinds that are neither STEP nor TERMINAL."""
    return (kind - ONE > ONE).nonzero()[0]


def _spread(first: NDArray[np.int64], count: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions first to first + count of each lane, lane after lane. [L], [L] → lane, position [K]"""
    before = np.cumsum(count) - count
    position = np.arange(count.sum()) + np.repeat(first - before, count)
    return np.repeat(np.arange(len(count)), count), position
