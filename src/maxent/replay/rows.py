"""The replay: for every lane (one environment of one member) a ring of rows in chronological order.

A row holds an observation, the action taken there, the reward that followed, and its kind:

    PENDING   an observation without an action so far: the newest row of its lane
    STEP      an ordinary step; the next observation is that of the next row
    TERMINAL  a step that terminated the episode; the next row holds the true final observation
    FINAL     the final observation of an episode, terminated or truncated; no step starts here

So an observation is stored once, truncation is not termination (a truncated episode's last step is a STEP before a
FINAL), and a row starts a transition exactly when its kind is STEP or TERMINAL: whatever the ring has overwritten, the
row after such a row is its true successor, because the newest row of a lane is PENDING.

PENDING must be 0 (fresh memory is zeros), and STEP, TERMINAL the only kinds k with (k − 1) mod 256 < 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maxent.errors import UserError

PENDING, STEP, TERMINAL, FINAL = 0, 1, 2, 3

ONE = np.uint8(1)

Columns = dict[str, Tensor]
"""The stored rows: "row" float32 [P, C, F + A + 1], "kind" uint8 [P, C], and "byte" uint8 [P, C, U] if U > 0."""


@final
@dataclass(frozen=True)
class RowLayout:
    """The columns of a row: observation as F floats and U bytes, action as A floats, reward as one, kind as a byte."""

    floats: int
    bytes: int
    action: int

    @property
    def width(self) -> int:
        """Number of float columns: [obs F | action A | reward 1]."""
        return self.floats + self.action + 1

    @property
    def nbytes(self) -> int:
        """Size of one row in bytes."""
        return 4 * self.width + self.bytes + 1


@final
class Replay:
    """The rows of all members: `capacity` rows per member, shared evenly by its lanes.

    Args:
        layout: the columns of a row.
        members: P.
        lanes: N, environments per member; lane l of the loop is environment l % N of member l // N.
        capacity: rows per member, rounded up to a multiple of N.
    """

    def __init__(self, layout: RowLayout, *, members: int, lanes: int, capacity: int) -> None:
        if capacity < 3 * lanes:  # a step, the final observation after it, and the pending one: then one step is left
            raise UserError(f"buffer_size: expected at least {3 * lanes} for {lanes} environments, got {capacity}.")
        self.layout, self.members, self.lanes = layout, members, lanes
        self.ring = -(-capacity // lanes)  # rows of one lane
        self.capacity = self.ring * lanes  # C, rows of one member
        total = members * self.capacity
        try:
            self._row = np.zeros((total, layout.width), np.float32)
            self._kind = np.zeros(total, np.uint8)
            self._byte = np.zeros((total, layout.bytes), np.uint8)
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

    def begin(self, obs: Mapping[str, NDArray[Any]]) -> None:
        """Set the first observation of every lane, [L, ...] each."""
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

    def rows_since(self, written: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the completed rows after the first `written` [L] of each lane that the rings still hold, for a file.

        "row", "kind" and "byte" hold the rows lane after lane: "count" [L] rows of each, from position "first" [L].
        """
        first = self._oldest(written)
        count = self.written - first
        at = self.place(*_spread(first, count))
        parts = {"first": first, "count": count, "row": self._row[at], "kind": self._kind[at]}
        if self.layout.bytes:
            parts["byte"] = self._byte[at]
        return parts

    def put_rows(self, parts: Mapping[str, NDArray[Any]]) -> None:
        """Load rows from `rows_since`; call it for each segment in the order in which they were written."""
        self._require_rows(parts)
        first, count = parts["first"], parts["count"]
        at = self.place(*_spread(first, count))
        self._row[at] = parts["row"]
        self._kind[at] = parts["kind"]
        if self.layout.bytes:
            self._byte[at] = parts["byte"]
        self.written[:] = first + count

    def _require_rows(self, parts: Mapping[str, NDArray[Any]]) -> None:
        """Raise `UserError` unless these are rows that this replay could have written after those that it holds."""
        lanes, count = len(self.written), parts.get("count")
        rows = 0 if count is None or count.dtype != np.int64 else int(count.clip(0, self.ring).sum())
        expected: dict[str, tuple[type[Any], tuple[int, ...]]] = {
            "first": (np.int64, (lanes,)),
            "count": (np.int64, (lanes,)),
            "row": (np.float32, (rows, self.layout.width)),
            "kind": (np.uint8, (rows,)),
        }
        if self.layout.bytes:
            expected["byte"] = np.uint8, (rows, self.layout.bytes)
        if parts.keys() != expected.keys():
            raise UserError(f"replay: expected the arrays {', '.join(expected)}, got {', '.join(sorted(parts))}.")
        for name, (dtype, shape) in expected.items():
            array = parts[name]
            if array.dtype != dtype or array.shape != shape:
                kind = np.dtype(dtype).name
                raise UserError(
                    f"replay: expected {name} as {kind} of shape {shape}, got {array.dtype} of shape {array.shape}."
                )
        first, counted, kinds = parts["first"], parts["count"], parts["kind"]
        later = (first >= 0) & (first < 2**62) & (first + counted >= self.written)
        if not ((counted >= 0) & (counted < self.ring) & later).all():
            raise UserError(
                "replay: expected rows that follow those before, at most as many as a lane holds; got others."
            )
        if not (np.isfinite(parts["row"]).all() and ((kinds >= STEP) & (kinds <= FINAL)).all()):
            raise UserError("replay: expected rows of finite numbers, each a step or a final observation; got others.")

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
