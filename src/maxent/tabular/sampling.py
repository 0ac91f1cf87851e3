"""Episodes drawn from an MDP: what model-free methods see of it.

Rewards are the expected r(s, a) of the table; only states and actions are random.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from maxent.tabular.mdp import TabularMDP
from maxent.tabular.transitions import FloatArray, IntArray

UNIFORM_BLOCK = 8_192


@final
@dataclass(frozen=True, eq=False)
class Episode:
    """s_0, a_0, r_0, s_1, ..., s_T.

    states [T + 1], actions [T], rewards [T]; `terminated` says whether s_T is terminal or the recording just stopped.
    """

    states: Sequence[int]
    actions: Sequence[int]
    rewards: Sequence[float]
    terminated: bool

    def __post_init__(self) -> None:
        if not len(self.actions) == len(self.rewards) == len(self.states) - 1:
            raise ValueError(
                f"Episode: expected T + 1 states, T actions and T rewards, got {len(self.states)}, {len(self.actions)} "
                f"and {len(self.rewards)}; the last state is the one that the last action led to."
            )

    def returns(self, gamma: float) -> list[float]:
        """G_t = Σ_{n≥t} γ^{n−t} r_n, the reward-to-go that seed 003 eq. 3 averages, with γ.   → [T]."""
        to_go, g = [], 0.0
        for reward in reversed(self.rewards):
            g = reward + gamma * g
            to_go.append(g)
        return to_go[::-1]


def sample_episodes(
    mdp: TabularMDP, policy: ArrayLike, n_episodes: int, *, rng: np.random.Generator, max_steps: int = 10_000
) -> list[Episode]:
    """Episodes of π from the start distribution, all drawn in step with each other.   policy [S, A].

    An episode that has not reached a terminal state after `max_steps` is recorded as it stands, `terminated=False`.
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
    """Running sums of the last axis that end at exactly 1."""
    total: FloatArray = probability.cumsum(axis=-1)
    return total / total[..., -1:]


@final
class Walk:
    """One walker in the MDP, for methods that learn while they act: a fast scalar draw of starts, moves and choices."""

    def __init__(self, mdp: TabularMDP, rng: np.random.Generator) -> None:
        successors = mdp.P.sparse()
        self._start: list[float] = cumulative(mdp.start).tolist()
        self._rows: list[list[list[float]]] = cumulative(successors.probability).tolist()
        self._next: list[list[list[int]]] = successors.next_state.tolist()
        self._uniform = _uniforms(rng)
        self._n_actions = mdp.n_actions

    def start(self) -> int:
        """s_0 from the start distribution."""
        return bisect_right(self._start, next(self._uniform))

    def step(self, s: int, a: int) -> int:
        """The next state s' ~ p(·|s, a)."""
        return self._next[s][a][bisect_right(self._rows[s][a], next(self._uniform))]

    def epsilon_greedy(self, q: list[float], epsilon: float) -> int:
        """The best action of q [A], or with probability ε any action.   Seed 003, DQN details 3."""
        if next(self._uniform) < epsilon:
            return int(next(self._uniform) * self._n_actions)
        return q.index(max(q))


def _draw(rows: FloatArray, rng: np.random.Generator) -> IntArray:
    """One index from each row of running sums: the first to exceed a uniform number.   [N, K] → [N]."""
    index: IntArray = (rng.random(len(rows))[:, None] >= rows).sum(axis=-1)
    return index


def _episode(mdp: TabularMDP, states: IntArray, actions: IntArray) -> Episode:
    """One row of the joint draw, cut at its first terminal state."""
    ends = np.flatnonzero(mdp.terminal[states])
    length = int(ends[0]) if ends.size else len(actions)
    s, a = states[: length + 1], actions[:length]
    return Episode(s.tolist(), a.tolist(), mdp.R[s[:-1], a].tolist(), terminated=bool(ends.size))


def _uniforms(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(UNIFORM_BLOCK).tolist()
