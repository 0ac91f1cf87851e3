"""Transition probabilities p(s'|s, a), as a dense table or as lists of successors, with one interface."""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.intp]
BoolArray: TypeAlias = NDArray[np.bool_]

ROW_SUM_TOLERANCE = 1e-8  # float64 rows of a million entries are exact to 1e-10; float32 tables are rejected


def read_only_copy(values: ArrayLike) -> FloatArray:
    """Return a read-only float64 copy."""
    array = np.array(values, dtype=np.float64, order="C")
    array.flags.writeable = False
    return array


def check_distributions(name: str, rows: FloatArray) -> None:
    """Raise unless every row of the last axis is a probability distribution."""
    if not np.isfinite(rows).all():
        raise ValueError(f"{name}: expected finite probabilities, got NaN or infinity; fill every entry of the table.")
    if rows.size and rows.min() < 0.0:
        index = tuple(map(int, np.unravel_index(int(rows.argmin()), rows.shape)))
        raise ValueError(
            f"{name}: expected probabilities >= 0, got {rows[index]:g} at {index}; remove negative entries."
        )
    sums = rows.sum(axis=-1)
    gap = np.abs(sums - 1.0)
    if gap.size and gap.max() > ROW_SUM_TOLERANCE:
        index = tuple(map(int, np.unravel_index(int(gap.argmax()), gap.shape)))
        raise ValueError(
            f"{name}: expected every row to sum to 1 (within {ROW_SUM_TOLERANCE:g}), got {float(sums[index])!r} at row "
            f"{index}; divide each row by its sum in float64, or add the missing transition."
        )


@final
@dataclass(frozen=True, eq=False)
class DenseTransitions:
    """A dense table: probability [S, A, S']."""

    probability: FloatArray

    def __post_init__(self) -> None:
        p = read_only_copy(self.probability)
        if p.ndim != 3 or p.shape[0] != p.shape[2] or 0 in p.shape:
            raise ValueError(
                f"P: expected shape [S, A, S] (state, action, next state), got {list(p.shape)}; "
                "for a chain without actions pass P[:, None, :]."
            )
        check_distributions("P", p)
        object.__setattr__(self, "probability", p)

    def __len__(self) -> int:
        return int(self.probability.shape[0])

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return len(self)

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.probability.shape[1])

    def expect(self, v: FloatArray) -> FloatArray:
        """Return E_{s'~p}[v(s')] = Σ_{s'} p(s'|s, a) v(s').   v [S] → [S, A]."""
        n_states, n_actions, _ = self.probability.shape
        values: FloatArray = self.probability.reshape(-1, n_states) @ v  # [S·A]
        return values.reshape(n_states, n_actions)

    def expect_each(self, x: FloatArray) -> FloatArray:
        """Return E_{s'~p}[x(s, a, s')].   x [S, A, S'] → [S, A]."""
        mean: FloatArray = np.einsum("sat,sat->sa", self.probability, x)
        return mean

    def absorbing(self, terminal: BoolArray) -> "DenseTransitions":
        """Return the table with a self-loop in each terminal state.   terminal [S]."""
        if not terminal.any():
            return self
        p = self.probability.copy()
        p[terminal] = np.eye(self.n_states)[terminal][:, None, :]
        return DenseTransitions(p)

    def under(self, policy: FloatArray) -> "DenseTransitions":
        """Return p_π(s'|s) = Σ_a π(a|s) p(s'|s, a) as a table with one action.   policy [S, A] → [S, 1, S']."""
        return DenseTransitions(policy[:, None, :] @ self.probability)

    def dense(self) -> FloatArray:
        """Return p(s'|s, a) as an array [S, A, S']."""
        return self.probability

    def sparse(self) -> "SparseTransitions":
        """Return the probabilities as lists; K is the largest number of successors of any (s, a)."""
        k = int((self.probability > 0.0).sum(axis=-1).max())
        order = np.argsort(-self.probability, axis=-1, kind="stable")[..., :k]  # most probable first  [S, A, K]
        return SparseTransitions(order, np.take_along_axis(self.probability, order, axis=-1))


@final
@dataclass(frozen=True, eq=False)
class SparseTransitions:
    """Lists of K successors for every (s, a): next_state [S, A, K] and probability [S, A, K].

    Pad lists with fewer than K successors by probability 0 and any valid state. The probabilities of a successor that
    is listed more than once add up.
    """

    next_state: IntArray
    probability: FloatArray

    def __post_init__(self) -> None:
        given = np.asarray(self.next_state)
        p = read_only_copy(self.probability)
        if given.ndim != 3 or given.shape != p.shape or 0 in p.shape:
            raise ValueError(
                f"SparseTransitions: expected next_state and probability of the same shape [S, A, K], got "
                f"{list(given.shape)} and {list(p.shape)}; pad short lists with probability 0."
            )
        if not np.issubdtype(given.dtype, np.integer):
            raise ValueError(f"next_state: expected integers, got {given.dtype}; convert with .astype(int).")
        if given.min() < 0 or given.max() >= given.shape[0]:
            raise ValueError(
                f"next_state: expected states 0..{given.shape[0] - 1}, got {int(given.min())}..{int(given.max())}; "
                "number states from 0."
            )
        check_distributions("probability", p)
        successor = np.array(given, dtype=np.intp, order="C")
        successor.flags.writeable = False
        object.__setattr__(self, "next_state", successor)
        object.__setattr__(self, "probability", p)

    def __len__(self) -> int:
        return int(self.probability.shape[0])

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return len(self)

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.probability.shape[1])

    def expect(self, v: FloatArray) -> FloatArray:
        """Return E_{s'~p}[v(s')] = Σ_k probability_k v(next_state_k).   v [S] → [S, A]."""
        return self.expect_each(np.take(v, self.next_state))

    def expect_each(self, x: FloatArray) -> FloatArray:
        """Return E_{s'~p}[x(s, a, k)].   x [S, A, K] → [S, A]."""
        mean: FloatArray = np.einsum("sak,sak->sa", self.probability, x)
        return mean

    def absorbing(self, terminal: BoolArray) -> "SparseTransitions":
        """Return the lists with a self-loop in each terminal state.   terminal [S]."""
        if not terminal.any():
            return self
        successor, p = self.next_state.copy(), self.probability.copy()
        successor[terminal] = np.flatnonzero(terminal)[:, None, None]
        p[terminal] = 0.0
        p[terminal, :, 0] = 1.0
        return SparseTransitions(successor, p)

    def under(self, policy: FloatArray) -> "SparseTransitions":
        """Return p_π(s'|s) = Σ_a π(a|s) p(s'|s, a) as lists with one action.   policy [S, A] → [S, 1, A·K]."""
        n_states = self.n_states
        return SparseTransitions(
            self.next_state.reshape(n_states, 1, -1),
            (policy[:, :, None] * self.probability).reshape(n_states, 1, -1),
        )

    def dense(self) -> FloatArray:
        """Return p(s'|s, a) as an array [S, A, S']."""
        n_states, n_actions, _ = self.probability.shape
        p = np.zeros((n_states, n_actions, n_states))
        states, actions = np.ogrid[:n_states, :n_actions]
        np.add.at(p, (states[..., None], actions[..., None], self.next_state), self.probability)
        return p

    def sparse(self) -> "SparseTransitions":
        """Return self."""
        return self


Transitions: TypeAlias = DenseTransitions | SparseTransitions
