"""Values and policies learned from samples, without the model: Monte Carlo, TD(0), SARSA, Q-learning.

Seed 003's updates, with a discount γ. Its α is the `step_size` here; `alpha` is the weight of entropy everywhere else.
Erratum: seed 003 displays its updates 7, 8 and 9 with expectations over s_{t+1} (and a_{t+1}), where the methods that
it names, and its own numbers, use the one sample that was seen.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from maxent.tabular.mdp import TabularMDP
from maxent.tabular.sampling import Episode, Walk
from maxent.tabular.transitions import FloatArray, IntArray

StepSize: TypeAlias = float | Callable[[int], float]
"""A constant, or a function of how often this entry has now been updated (1, 2, ...)."""


@final
@dataclass(frozen=True, eq=False)
class StateEstimate:
    """v [S], and visits [S]: how many samples each entry has had. A state never visited has v = 0 and no visits."""

    v: FloatArray
    visits: IntArray


@final
@dataclass(frozen=True, eq=False)
class ActionEstimate:
    """q [S, A], and visits [S, A]: how many samples each entry has had."""

    q: FloatArray
    visits: IntArray


# Equations


def td_update(v: float, target: float, step_size: float) -> float:
    """V(s_t) ← V(s_t) + step_size · (target − V(s_t)): the form of seed 003 eq. 7, 8, 9 and the line before eq. 7."""
    return v + step_size * (target - v)


def td_target(reward: float, gamma: float, next_v: float) -> float:
    """r(s_t) + γ V(s_{t+1}) from one sample.   Seed 003 eq. 7, with γ."""
    return reward + gamma * next_v


def sarsa_target(reward: float, gamma: float, next_q: float) -> float:
    """r(s_t, a_t) + γ Q(s_{t+1}, a_{t+1}) from one sample.   Seed 003 eq. 8, with γ.   next_q is that of a_{t+1}."""
    return reward + gamma * next_q


def q_learning_target(reward: float, gamma: float, next_q: Sequence[float]) -> float:
    """r(s_t, a_t) + γ max_a Q(s_{t+1}, a) from one sample.   Seed 003 eq. 9, with γ.   next_q [A]."""
    return reward + gamma * max(next_q)


def epsilon_greedy_policy(q: FloatArray, epsilon: float) -> FloatArray:
    """1 − ε + ε/A on argmax_a Q(s, a), ε/A elsewhere.   Seed 003, DQN details 3.   [S, A] → [S, A]."""
    n_actions = q.shape[-1]
    policy: FloatArray = (1.0 - epsilon) * np.eye(n_actions)[q.argmax(axis=-1)] + epsilon / n_actions
    return policy


# Prediction from recorded episodes


def first_visit_monte_carlo(episodes: Iterable[Episode], n_states: int, gamma: float) -> StateEstimate:
    """V(s) = the mean return after the first visit to s in each episode.   Seed 003, TD Learning; eq. 3 sampled."""
    return _mean_returns(episodes, n_states, gamma, _first_visits)


def every_visit_monte_carlo(episodes: Iterable[Episode], n_states: int, gamma: float) -> StateEstimate:
    """V(s) = the mean return after every visit to s: more samples, biased while they are few (Sutton & Barto, 5.1)."""
    return _mean_returns(episodes, n_states, gamma, lambda states: range(len(states)))


def td0(
    episodes: Iterable[Episode],
    n_states: int,
    gamma: float,
    *,
    step_size: StepSize,
    v: FloatArray | None = None,
) -> StateEstimate:
    """V(s_t) ← V(s_t) + step_size · (r(s_t) + γ V(s_{t+1}) − V(s_t)) at each step, in the order seen.   Seed 003 eq. 7.

    Starts from v [S], or 0. Only a terminated episode's last state counts 0; after a cut, its value is bootstrapped.
    """
    values: list[float] = np.zeros(n_states).tolist() if v is None else v.tolist()
    visits = [0] * n_states
    rate = _rate(step_size)
    for episode in episodes:
        states, last = episode.states, len(episode.rewards) - 1
        for t, reward in enumerate(episode.rewards):
            s = states[t]
            next_v = 0.0 if t == last and episode.terminated else values[states[t + 1]]
            visits[s] += 1
            values[s] = td_update(values[s], td_target(reward, gamma, next_v), rate(visits[s]))
    return StateEstimate(np.array(values), np.array(visits))


# Control while acting


@final
@dataclass(frozen=True)
class _Control:
    """How to learn while acting: the target from (r, γ, Q(s', ·), a'), the exploration ε and the step size."""

    target: Callable[[float, float, Sequence[float], int], float]
    epsilon: float
    step_size: StepSize

    def __post_init__(self) -> None:
        if not 0.0 <= self.epsilon <= 1.0:
            raise ValueError(f"epsilon: expected a probability in [0, 1], got {self.epsilon!r}; 0.1 is common.")


def sarsa(
    mdp: TabularMDP, n_steps: int, rng: np.random.Generator, *, epsilon: float, step_size: StepSize
) -> ActionEstimate:
    """On-policy: the ε-greedy walker learns the value of its own choices.   Seed 003 eq. 8.

    With ε held fixed and steps that shrink as they should, Q settles at the value of the best policy that explores so.
    """
    follow = _Control(lambda r, gamma, next_q, a: sarsa_target(r, gamma, next_q[a]), epsilon, step_size)
    return _learn(mdp, n_steps, rng, follow)


def q_learning(
    mdp: TabularMDP, n_steps: int, rng: np.random.Generator, *, epsilon: float, step_size: StepSize
) -> ActionEstimate:
    """Off-policy: the ε-greedy walker learns the value of the best choices.   Seed 003 eq. 9.

    Q settles at Q* for any ε > 0, if the steps shrink as they should (Watkins & Dayan 1992).
    """
    follow = _Control(lambda r, gamma, next_q, _: q_learning_target(r, gamma, next_q), epsilon, step_size)
    return _learn(mdp, n_steps, rng, follow)


def _learn(mdp: TabularMDP, n_steps: int, rng: np.random.Generator, control: _Control) -> ActionEstimate:
    """One walker, an update after every step; a terminal state starts it anew."""
    if mdp.terminal[mdp.start > 0.0].any():
        raise ValueError("start: expected no terminal state among the first states; there is nothing to do in one.")
    walk, rate, target, epsilon = Walk(mdp, rng), _rate(control.step_size), control.target, control.epsilon
    reward: list[list[float]] = mdp.R.tolist()
    terminal: list[bool] = mdp.terminal.tolist()
    q: list[list[float]] = np.zeros_like(mdp.R).tolist()
    visits = [[0] * mdp.n_actions for _ in range(mdp.n_states)]
    s = walk.start()
    a = walk.epsilon_greedy(q[s], epsilon)
    for _ in range(n_steps):
        next_s = walk.step(s, a)
        next_a = walk.epsilon_greedy(q[next_s], epsilon)
        visits[s][a] += 1  # q[next_s] of a terminal state stays 0: it is never left, so never updated
        q[s][a] = td_update(q[s][a], target(reward[s][a], mdp.gamma, q[next_s], next_a), rate(visits[s][a]))
        s, a = next_s, next_a
        if terminal[s]:
            s = walk.start()
            a = walk.epsilon_greedy(q[s], epsilon)
    return ActionEstimate(np.array(q), np.array(visits))


def _mean_returns(
    episodes: Iterable[Episode], n_states: int, gamma: float, visits_of: Callable[[Sequence[int]], Iterable[int]]
) -> StateEstimate:
    total, count = np.zeros(n_states), np.zeros(n_states, dtype=np.intp)
    for episode in episodes:
        if not episode.terminated:
            raise ValueError(
                "Monte Carlo: expected episodes that reach a terminal state, got one that was cut short; raise "
                "max_steps, or learn by td0, which does not wait for the end."
            )
        returns = episode.returns(gamma)
        for t in visits_of(episode.states[:-1]):
            total[episode.states[t]] += returns[t]
            count[episode.states[t]] += 1
    return StateEstimate(total / np.maximum(count, 1), count)


def _first_visits(states: Sequence[int]) -> Iterable[int]:
    """The times t at which s_t is seen for the first time."""
    return {s: t for t, s in reversed(list(enumerate(states)))}.values()


def _rate(step_size: StepSize) -> Callable[[int], float]:
    return step_size if callable(step_size) else lambda _: step_size
