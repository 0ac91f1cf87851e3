"""Model-free estimates from samples: Monte Carlo, TD(0), SARSA and Q-learning (Sutton & Barto 2018, chapters 5 and 6).

The learning rate is `step_size`; `alpha` is the weight of the entropy everywhere in this library.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from maxent.tabular.mdp import TabularMDP
from maxent.tabular.sampling import Episode, Walk
from maxent.tabular.transitions import FloatArray, IntArray

StepSize: TypeAlias = float | Callable[[int], float]
"""A constant, or a function of the number of updates of the entry, counting this one (1, 2, ...)."""


@final
@dataclass(frozen=True, eq=False)
class StateEstimate:
    """Estimated values v [S] and the number of samples of each, visits [S]. Without samples, v is its initial value."""

    v: FloatArray
    visits: IntArray


@final
@dataclass(frozen=True, eq=False)
class ActionEstimate:
    """Estimated values q [S, A] and the number of samples of each, visits [S, A]."""

    q: FloatArray
    visits: IntArray


# Equations


def td_update(v: float, target: float, step_size: float) -> float:
    """V(s_t) ← V(s_t) + step_size · (target − V(s_t)).   Sutton & Barto 2018, section 6.1."""
    return v + step_size * (target - v)


def td_target(reward: float, gamma: float, next_v: float) -> float:
    """r(s_t) + γ V(s_{t+1}) from one sample.   Sutton & Barto 2018, eq. 6.2."""
    return reward + gamma * next_v


def sarsa_target(reward: float, gamma: float, next_q: float) -> float:
    """r(s_t, a_t) + γ Q(s_{t+1}, a_{t+1}) from one sample.   Sutton & Barto 2018, eq. 6.7."""
    return reward + gamma * next_q


def q_learning_target(reward: float, gamma: float, next_q: Sequence[float]) -> float:
    """r(s_t, a_t) + γ max_a Q(s_{t+1}, a) from one sample.   Sutton & Barto 2018, eq. 6.8.   next_q [A]."""
    return reward + gamma * max(next_q)


def epsilon_greedy_policy(q: FloatArray, epsilon: float) -> FloatArray:
    """1 − ε + ε/A on argmax_a Q(s, a), ε/A elsewhere.   Sutton & Barto 2018, section 5.4.   [S, A] → [S, A]."""
    n_actions = q.shape[-1]
    policy: FloatArray = (1.0 - epsilon) * np.eye(n_actions)[q.argmax(axis=-1)] + epsilon / n_actions
    return policy


# Prediction from recorded episodes


def first_visit_monte_carlo(episodes: Iterable[Episode], n_states: int, gamma: float) -> StateEstimate:
    """V(s) = the mean return after the first visit to s in each episode.   Sutton & Barto 2018, section 5.1."""
    total, visits = np.zeros(n_states), np.zeros(n_states, dtype=np.intp)
    for episode in episodes:
        if not episode.terminated:
            raise ValueError(
                "first_visit_monte_carlo: expected episodes that end in a terminal state, got a truncated one; raise "
                "max_steps, or use td0, which needs no complete episodes."
            )
        returns = episode.returns(gamma)
        first_visits = {s: t for t, s in reversed(list(enumerate(episode.states[:-1])))}
        for s, t in first_visits.items():
            total[s] += returns[t]
            visits[s] += 1
    return StateEstimate(total / np.maximum(visits, 1), visits)


def td0(
    episodes: Iterable[Episode],
    n_states: int,
    gamma: float,
    *,
    step_size: StepSize,
    v: FloatArray | None = None,
) -> StateEstimate:
    """Apply V(s_t) ← V(s_t) + step_size · (r(s_t) + γ V(s_{t+1}) − V(s_t)) at each step.

    Sutton & Barto 2018, eq. 6.2.
    Starts from v [S], or 0. The last state of a terminated episode has value 0; that of a truncated one bootstraps.
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
    """Settings of `_learn`: the target as a function of (r, γ, Q(s', ·), a'), the exploration ε and the step size."""

    target: Callable[[float, float, Sequence[float], int], float]
    epsilon: float
    step_size: StepSize

    def __post_init__(self) -> None:
        if not 0.0 <= self.epsilon <= 1.0:
            raise ValueError(f"epsilon: expected a probability in [0, 1], got {self.epsilon!r}; 0.1 is common.")


def sarsa(
    mdp: TabularMDP, n_steps: int, rng: np.random.Generator, *, epsilon: float, step_size: StepSize
) -> ActionEstimate:
    """Learn Q of the ε-greedy policy while following it (on-policy).   Sutton & Barto 2018, eq. 6.7.

    For fixed ε and step sizes with Σ η = ∞, Σ η² < ∞, Q converges to that of the best ε-greedy policy.
    """
    control = _Control(lambda r, gamma, next_q, a: sarsa_target(r, gamma, next_q[a]), epsilon, step_size)
    return _learn(mdp, n_steps, rng, control)


def q_learning(
    mdp: TabularMDP, n_steps: int, rng: np.random.Generator, *, epsilon: float, step_size: StepSize
) -> ActionEstimate:
    """Learn Q* while following the ε-greedy policy (off-policy).   Sutton & Barto 2018, eq. 6.8.

    Q converges to Q* for any ε > 0 if the step sizes satisfy Σ η = ∞, Σ η² < ∞ (Watkins & Dayan 1992).
    """
    control = _Control(lambda r, gamma, next_q, _: q_learning_target(r, gamma, next_q), epsilon, step_size)
    return _learn(mdp, n_steps, rng, control)


def _learn(mdp: TabularMDP, n_steps: int, rng: np.random.Generator, control: _Control) -> ActionEstimate:
    """Update Q after every step of one walk, which restarts after each terminal state."""
    if mdp.terminal[mdp.start > 0.0].any():
        raise ValueError(
            "start: expected probability 0 of starting in a terminal state, got more; no action can be learned there."
        )
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
        visits[s][a] += 1  # q of a terminal state is never updated and stays 0
        q[s][a] = td_update(q[s][a], target(reward[s][a], mdp.gamma, q[next_s], next_a), rate(visits[s][a]))
        s, a = next_s, next_a
        if terminal[s]:
            s = walk.start()
            a = walk.epsilon_greedy(q[s], epsilon)
    return ActionEstimate(np.array(q), np.array(visits))


def _rate(step_size: StepSize) -> Callable[[int], float]:
    return step_size if callable(step_size) else lambda _: step_size
