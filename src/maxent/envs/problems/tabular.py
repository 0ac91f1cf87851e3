"""A finite MDP as an environment, to compare algorithms with networks with its exact solution.

`maxent.tabular` computes the exact values of the same `TabularMDP`.
"""

from typing import Any, SupportsFloat, final

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from maxent.errors import UserError
from maxent.tabular.mdp import TabularMDP, random_mdp
from maxent.tabular.sampling import cumulative


@final
class TabularEnv(gym.Env[NDArray[np.float32], np.int64]):
    """Episodes of a `TabularMDP` with S states and A actions.

    Observation: the state, one-hot float32 [S]. Action: its index. Reward: the expected r(s, a) of the table, not a
    sample. An episode terminates when it enters a terminal state; an absorbing state that is not declared terminal
    does not end it. `info["state"]` is the index of the state.
    The discount belongs to the agent: train with `gamma=env.mdp.gamma` to compare with the exact values.

    Args:
        mdp: the MDP.
        start: the distribution of the first state [S], which must not be terminal; by default `mdp.start`, which is
            uniform over the states that are not terminal unless the MDP was given another.
        max_episode_steps: the number of steps after which an episode is truncated; None for no limit.
    """

    def __init__(
        self, mdp: TabularMDP, *, start: ArrayLike | None = None, max_episode_steps: int | None = None
    ) -> None:
        if max_episode_steps is not None and max_episode_steps < 1:
            raise UserError(f"max_episode_steps: expected at least 1, or None for no limit, got {max_episode_steps}.")
        self.mdp = mdp
        self.max_episode_steps = max_episode_steps
        self.observation_space = gym.spaces.Box(0.0, 1.0, (mdp.n_states,), np.float32)
        self.action_space = gym.spaces.Discrete(mdp.n_actions)
        successors = mdp.P.sparse()
        self._next = successors.next_state  # [S, A, K]
        self._rows = cumulative(successors.probability)  # [S, A, K]
        self._start = cumulative(_checked_start(mdp, start))  # [S]
        self._state = 0
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Sample the first state from the start distribution."""
        super().reset(seed=seed)
        self._state = self._draw(self._start)
        self._steps = 0
        return self._one_hot(), {"state": self._state}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """Sample a transition s' ~ p(·|s, a)."""
        a = int(action)
        if not 0 <= a < self.mdp.n_actions:
            raise UserError(f"action: expected an index in 0..{self.mdp.n_actions - 1}, got {action}.")
        reward = float(self.mdp.R[self._state, a])
        self._state = int(self._next[self._state, a, self._draw(self._rows[self._state, a])])
        self._steps += 1
        truncated = self.max_episode_steps is not None and self._steps >= self.max_episode_steps
        return self._one_hot(), reward, bool(self.mdp.terminal[self._state]), truncated, {"state": self._state}

    def _draw(self, row: NDArray[np.float64]) -> int:
        """Return the index of the first cumulative sum that exceeds a uniform number.   row [K]"""
        return int(row.searchsorted(self.np_random.random(), side="right"))

    def _one_hot(self) -> NDArray[np.float32]:
        observation = np.zeros(self.mdp.n_states, np.float32)
        observation[self._state] = 1.0
        return observation


def random_tabular(
    *, seed: int = 0, states: int = 20, actions: int = 4, successors: int | None = None, gamma: float = 0.9
) -> TabularEnv:
    """Return the environment of `random_mdp`, registered as maxent/Tabular-v0.

    `seed` selects the MDP, not its episodes, and `gamma` is for the exact solution of `env.unwrapped.mdp`.
    """
    return TabularEnv(random_mdp(seed, states, actions, successors=successors, gamma=gamma))


def _checked_start(mdp: TabularMDP, start: ArrayLike | None) -> NDArray[np.float64]:
    """Return the start distribution [S]; raise `UserError` if it has weight on terminal states."""
    weight = mdp.start
    if start is not None:
        weight = TabularMDP(mdp.P, mdp.R, mdp.gamma, terminal=mdp.terminal, start=start).start
    ends = np.flatnonzero(mdp.terminal & (weight > 0.0))
    if ends.size:
        raise UserError(
            f"start: expected no weight on terminal states, got {weight[ends[0]]:g} on state {ends[0]}; an episode "
            "that starts there has no step."
        )
    return weight
