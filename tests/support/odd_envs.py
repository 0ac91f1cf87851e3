"""Environments with unusual spaces."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Seeing(gym.Env[Any, Any]):
    """A Dict observation with a picture; actions from −1 to 3, and any state is as good as another."""

    observation_space = spaces.Dict(
        {"eye": spaces.Box(0, 255, (2, 2), np.uint8), "speed": spaces.Box(-np.inf, np.inf, (3,), np.float64)}
    )
    action_space = spaces.Box(-1.0, 3.0, (2,), np.float64)
    metadata = {"render_modes": []}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, length: int = 10) -> None:
        self.length, self.time = length, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.time += 1
        return self.observe(), float(action[0]), self.time == self.length, False, {}

    def observe(self) -> dict[str, np.ndarray]:
        return {
            "eye": self.np_random.integers(0, 256, (2, 2), np.uint8),
            "speed": self.np_random.normal(size=3),
        }


class Choosing(gym.Env[Any, Any]):
    """An environment with discrete actions."""

    observation_space = spaces.Box(-1.0, 1.0, (1,))
    action_space = spaces.Discrete(3)


class Unbounded(Choosing):
    """An environment with actions as large as one likes."""

    action_space = spaces.Box(-np.inf, np.inf, (1,))
