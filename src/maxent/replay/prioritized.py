"""Proportional prioritised replay (Schaul et al. 2016, 1511.05952, §3.3 and 3.4; sum tree: appendix B.2.1)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.replay.layout import STEP, TERMINAL
from maxent.replay.rows import Replay
from maxent.replay.samplers import Sample, Sampler

EPSILON = 1e-6
"""ε, added to every |error|, so that every transition keeps a positive probability (§3.3)."""

TOPS = 1024
"""Nodes of the level at which the search for a leaf starts: few enough to sum again for every batch."""


@final
class Prioritized(Sampler):
    """Samples transition i with probability P(i) = p_i / Σ_j p_j, where p_i = (|Q − y| + ε)^exponent at its last
    update; a new transition gets the largest p so far, so that it is sampled soon.

    Draws are stratified: the k-th of B comes from the k-th of B equal parts of Σ p. The importance weight in the loss

        w_i = (count · P(i))^(−β) / max_j w_j

    corrects for the preference: partly at first, fully as β rises from `correction` to 1 over the run.

    Deviation: the weights enter the critics' loss alone; in the paper there is no other. The losses of an actor and of
    α are means over the batch as it was sampled.
    Choice: the maximum is that of the batch (as in Dopamine), so `count`, which is the same for all, cancels; with
    the maximum over the whole replay (as in OpenAI's baselines) one rare transition would shrink every update.

    Args:
        replay: the rows to sample from.
        batch_size: B.
        streams: member p draws from streams[p] alone.
        exponent: 0 is uniform replay, 1 is proportional to the error.
        correction: β at the start of the run.
    """

    uses_priorities: ClassVar[bool] = True
    bytes_per_row: ClassVar[int] = 16  # a tree of float64 has as many nodes as leaves

    def __init__(
        self,
        replay: Replay,
        batch_size: int,
        streams: Sequence[np.random.Generator],
        *,
        exponent: float,
        correction: float,
    ) -> None:
        self.replay, self.batch_size, self.streams = replay, batch_size, streams
        self.exponent, self.correction = exponent, correction
        self._kind: NDArray[np.uint8] = replay.columns["kind"].numpy().reshape(-1)  # [P · C]
        self._tree = SumTree(replay.members, replay.capacity)
        self._largest = np.ones(replay.members)  # [P]
        self._seen = np.zeros_like(replay.written)  # [L] rows of each lane that have a priority

    def sample(self, progress: float) -> Sample:
        """Sample rows by their priority, and return "weight" [P, B]."""
        self._add_new_rows()
        draws = np.stack([stream.random(self.batch_size) for stream in self.streams])  # [P, B]
        rows, priority = self._tree.find((np.arange(self.batch_size) + draws) / self.batch_size)
        beta = self.correction + (1.0 - self.correction) * progress
        weight = (priority / priority.min(1, keepdims=True)) ** -beta
        return Sample(rows, {"weight": weight.astype(np.float32)})

    def update_priorities(self, rows: NDArray[np.int64], error: NDArray[np.float32]) -> None:
        """Set the priorities of rows [P, B] from their errors; for a row sampled twice the last error is used."""
        priority = (np.abs(error.astype(np.float64)) + EPSILON) ** self.exponent
        self._largest = np.maximum(self._largest, priority.max(1))
        first = np.arange(self.replay.members)[:, np.newaxis] * self.replay.capacity
        self._tree.put((rows + first).reshape(-1), priority.reshape(-1))

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Set the priorities of dropped rows [K] to 0."""
        self._tree.put(rows, np.zeros(len(rows)))

    def forget_errors(self, member: int) -> None:
        """Set every transition of a member to the priority 1, as at the start."""
        leaf = np.flatnonzero(self._tree.leaves[member] > 0.0) + member * self.replay.capacity
        self._tree.put(leaf, np.ones(len(leaf)))
        self._largest[member] = 1.0

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the priorities of the rows filled so far, the largest priority, and the number of rows with one."""
        filled = int(np.minimum(self._seen + 1, self.replay.ring).max())
        priority = self._by_lane()[..., :filled]  # [P, N, filled]
        return {"priority": priority.copy(), "largest": self._largest.copy(), "seen": self._seen.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the state from `state()`; later rows get their priority at the next sample."""
        priority, largest, seen = state["priority"], state["largest"], state["seen"]
        members, lanes, filled = priority.shape
        # written so that NaN does not pass
        fits = filled <= self.replay.ring and bool(((seen >= 0) & (seen <= self.replay.written)).all())
        if not (fits and (priority >= 0).all() and (priority < np.inf).all() and (largest > 0).all()):
            raise UserError("replay: expected priorities of at least 0 for the rows that a lane holds, got others.")
        self._tree = SumTree(self.replay.members, self.replay.capacity)
        leaf = np.arange(members * lanes)[:, np.newaxis] * self.replay.ring + np.arange(filled)
        self._tree.put(leaf.reshape(-1), priority.reshape(-1))
        self._largest, self._seen = largest.copy(), seen.copy()

    def _by_lane(self) -> NDArray[np.float64]:
        """Return the priorities [P, N, ring]."""
        return self._tree.leaves.reshape(self.replay.members, self.replay.lanes, self.replay.ring)

    def _add_new_rows(self) -> None:
        """Set the first priority of the rows that were completed since the last sample."""
        replay = self.replay
        if np.array_equal(self._seen, replay.written):
            return
        rows = replay.place(*replay.completed_since(self._seen))
        kind = self._kind[rows]
        starts = (kind == STEP) | (kind == TERMINAL)
        priority = np.where(starts, self._largest[rows // replay.capacity], 0.0)
        # a pending row starts no transition yet, and may have overwritten a row that did
        pending = replay.place(np.arange(len(replay.written)), replay.written)
        self._tree.put(np.concatenate([rows, pending]), np.concatenate([priority, np.zeros(len(pending))]))
        self._seen = replay.written.copy()


@final
class SumTree:
    """A binary tree for each of P members over numbers p ≥ 0, in which every node is the sum of its children.

    Node i has the children 2i and 2i + 1, and the leaves begin at `size`, a power of two. A node is always computed
    from its two children, never by differences, so equal leaves give equal trees. Nodes above the `TOPS` level are
    not stored; one cumulative sum replaces them.
    """

    def __init__(self, members: int, leaves: int) -> None:
        self.members, self.count = members, leaves
        self.size = 1 << (leaves - 1).bit_length()
        self.top = min(TOPS, self.size)  # number of nodes of that level, and its first node
        self.levels = (self.size // self.top).bit_length() - 1  # from there to the leaves
        self._nodes = np.zeros((members, 2 * self.size))
        self._flat = self._nodes.reshape(-1)
        self._pairs = self._nodes.reshape(-1, 2)  # pair i of a member holds the children of its node i
        self._stale: list[NDArray[np.int64]] = []  # leaves with outdated sums above them, as indices of _flat

    @property
    def leaves(self) -> NDArray[np.float64]:
        """The numbers p [P, leaves]."""
        return self._nodes[:, self.size : self.size + self.count]

    def put(self, leaf: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Set leaves, indexed over all members; of two values for one leaf the last is used.   [K], [K]"""
        node = leaf + (leaf // self.count) * (2 * self.size - self.count) + self.size
        self._flat[node] = value
        self._stale.append(node)

    def find(self, share: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the leaf at each share of a member's sum, and its value, above 0.   [P, B] in [0, 1) → [P, B] each

        Rounding may lead past the end of a subtree, but never into one whose sum is 0.
        """
        self._add_up()
        node, mass = np.empty(share.shape, np.int64), np.empty(share.shape)
        for p, sums in enumerate(self._nodes[:, self.top : 2 * self.top].cumsum(1)):
            wanted = np.minimum(share[p] * sums[-1], np.nextafter(sums[-1], 0.0))
            top = np.searchsorted(sums, wanted, side="right")
            node[p], mass[p] = self.top + top, wanted - np.where(top > 0, sums[top - 1], 0.0)
        first = np.repeat(np.arange(self.members) * self.size, share.shape[1])  # [P · B] each member's first pair
        at, rest = node.reshape(-1), mass.reshape(-1)
        for _ in range(self.levels):
            pair = self._pairs.take(first + at, axis=0)  # [P · B, 2]
            left = pair[:, 0]
            go_right = (rest >= left) & (pair[:, 1] > 0.0)
            rest -= left * go_right
            at = 2 * at + go_right
        value = self._flat.take(2 * first + at)
        return (at - self.size).reshape(share.shape), value.reshape(share.shape)

    def _add_up(self) -> None:
        """Update the sums above the stale leaves."""
        if not self._stale:
            return
        stale, self._stale = np.concatenate(self._stale), []
        if 8 * len(stale) > self.members * self.size:  # so many that recomputing whole levels is cheaper
            for level in range(self.levels):
                end = 2 * self.size >> level
                children = self._nodes[:, end // 2 : end]
                self._nodes[:, end // 4 : end // 2] = children[:, 0::2] + children[:, 1::2]
            return
        first = stale // (2 * self.size) * self.size
        node = stale - 2 * first
        for _ in range(self.levels):
            node >>= 1
            pair = self._pairs.take(first + node, axis=0)
            self._flat[2 * first + node] = pair[:, 0] + pair[:, 1]
