"""Sample episodes and single steps from an MDP.

Rewards are the expected r(s, a); only states and actions are random.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from maxent.tabular.mdp import TabularMDP
from maxent.tabular.transitions import FloatArray, IntArray

UNIFORM_BLOCK = 8_192  # uniform numbers drawn at a time


@final
@dataclass(frozen=True, eq=False)
class Episode:
    """A trajectory s_0, a_0, r_0, s_1, ..., s_T.

    states [T + 1], actions [T], rewards [T]; `terminated` is False if the episode was truncated.
    """

    states: Sequence[int]
    actions: Sequence[int]
    rewards: Sequence[float]
    terminated: bool

    def __post_init__(self) -> None:
        if not len(self.actions) == len(self.rewards) == len(self.states) - 1:
            raise ValueError(
                f"Episode: expected T + 1 states, T actions and T rewards, got {len(self.states)}, {len(self.actions)} "
                f"and {len(self.rewards)}; append the state after the last action."
            )

    def returns(self, gamma: float) -> list[float]:
        """Return the rewards-to-go G_t = Σ_{n≥t} γ^{n−t} r_n.   Sutton & Barto 2018, eq. 3.9.   → [T]."""
        to_go, g = [], 0.0
        for reward in reversed(self.rewards):
            g = reward + gamma * g
            to_go.append(g)
        return to_go[::-1]


def sample_episodes(
    mdp: TabularMDP, policy: ArrayLike, n_episodes: int, *, rng: np.random.Generator, max_steps: int = 10_000
) -> list[Episode]:
    """Sample episodes of π from the start distribution, as one batch.   policy [S, A].

    An episode without a terminal state after `max_steps` steps is truncated (`terminated=False`).
    """
    action_rows = cumulative(mdp.check_policy(policy))  # [S, A]
    successors = mdp.P.sparse()
    successor_rows = cumulative(successors.probability)  # [S, A, K]
    s = _draw(np.broadcast_to(cumulative(mdp.start), (n_episodes, mdp.n_states)), rng)  # [N]
    states: list[IntArray] = [s]
    actions: list[IntArray] = []
    while len(actions) < max_steps and not mdp.terminal[s].all():
        a = _draw(action_rows[s], rng)
        s = successors.next_state[s, a, _draw(successor_rows[s, a], rng)]
        actions.append(a)
        states.append(s)
    state = np.stack(states, axis=1)  # [N, T + 1]
    action = np.array(actions, dtype=np.intp).reshape(-1, n_episodes).T  # [N, T]
    return [_episode(mdp, state[i], action[i]) for i in range(n_episodes)]


def cumulative(probability: FloatArray) -> FloatArray:
    """Return cumulative sums along the last axis, scaled so that the last is exactly 1."""
    total: FloatArray = probability.cumsum(axis=-1)
    return total / total[..., -1:]


@final
class Walk:
    """Sample one step at a time, for methods that learn while acting; scalar draws from Python lists are fast."""

    def __init__(self, mdp: TabularMDP, rng: np.random.Generator) -> None:
        successors = mdp.P.sparse()
        self._start: list[float] = cumulative(mdp.start).tolist()
        self._rows: list[list[list[float]]] = cumulative(successors.probability).tolist()
        self._next: list[list[list[int]]] = successors.next_state.tolist()
        self._uniform = _uniforms(rng)
        self._n_actions = mdp.n_actions

    def start(self) -> int:
        """Sample s_0 from the start distribution."""
        return bisect_right(self._start, next(self._uniform))

    def step(self, s: int, a: int) -> int:
        """Sample the next state s' ~ p(·|s, a)."""
        return self._next[s][a][bisect_right(self._rows[s][a], next(self._uniform))]

    def epsilon_greedy(self, q: list[float], epsilon: float) -> int:
        """Return argmax q, or with probability ε a uniformly sampled action.   q [A]."""
        if next(self._uniform) < epsilon:
            return int(next(self._uniform) * self._n_actions)
        return q.index(max(q))


def _draw(rows: FloatArray, rng: np.random.Generator) -> IntArray:
    """Sample one index from each row of cumulative sums, by inversion.   [N, K] → [N]."""
    index: IntArray = (rng.random(len(rows))[:, None] >= rows).sum(axis=-1)
    return index


def _episode(mdp: TabularMDP, states: IntArray, actions: IntArray) -> Episode:
    """Return one row of the batch up to its first terminal state."""
    ends = np.flatnonzero(mdp.terminal[states])
    length = int(ends[0]) if ends.size else len(actions)
    s, a = states[: length + 1], actions[:length]
    return Episode(s.tolist(), a.tolist(), mdp.R[s[:-1], a].tolist(), terminated=bool(ends.size))


def _uniforms(rng: np.random.Generator) -> Iterator[float]:
    """Yield uniform numbers, drawn in blocks."""
    while True:
        yield from rng.random(UNIFORM_BLOCK).tolist()
