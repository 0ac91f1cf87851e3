"""Environments of one or two steps whose soft values are known in closed form."""

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Reward = Callable[[Array, Any], float]
"""Reward from observation and action."""


def action_space(actions: int, choices: int) -> gym.spaces.Space[Any]:
    """A box of this many dimensions, or so many choices."""
    return gym.spaces.Discrete(choices) if choices else gym.spaces.Box(-1.0, 1.0, (actions,), np.float32)


class OneStep(gym.Env[Array, Any]):
    """An episode of one step: it starts at −1 or +1 at random and ends where it is, terminated or truncated."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, reward: Reward, *, actions: int = 1, choices: int = 0, terminates: bool = True) -> None:
        self.reward, self.terminates = reward, terminates
        self.action_space = action_space(actions, choices)
        self.obs = np.zeros(1, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.obs = np.array([self.np_random.choice([-1.0, 1.0])], np.float32)
        return self.obs, {}

    def step(self, action: Any) -> Any:
        return self.obs, self.reward(self.obs, action), self.terminates, not self.terminates, {}


class TwoSteps(gym.Env[Array, Any]):
    """From 0 to 1 for nothing, then a reward of 1 and the end."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, *, choices: int = 0) -> None:
        self.place, self.action_space = 0.0, action_space(1, choices)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place = 0.0
        return np.array([0.0], np.float32), {}

    def step(self, action: Any) -> Any:
        reward, terminated = self.place, self.place == 1.0
        self.place = 1.0
        return np.array([1.0], np.float32), reward, terminated, False, {}


def log_squashed_gaussian(action: Array, mean: list[float], std: list[float]) -> float:
    """log of the density of tanh(u), u ~ N(mean, std), at an action.

    At the very ends it is that of ±0.9999 (u = ±4.95), because it has no lower bound.
    """
    total = 0.0
    for a, m, s in zip(action, mean, std, strict=True):
        a = min(max(float(a), -0.9999), 0.9999)
        z = (math.atanh(a) - m) / s
        total += -0.5 * z * z - math.log(s) - 0.5 * math.log(2.0 * math.pi) - math.log(1.0 - a * a)
    return total
