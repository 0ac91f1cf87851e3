"""A user's module that registers an environment: a point that is pushed about, and a picture of it."""

from typing import Any

import gymnasium as gym
import numpy as np


class Tiny(gym.Env[Any, Any]):
    """x ← x + action/10 from a random start, for a reward of −(x − goal)²; truncated after `length` steps."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, length: int = 12, goal: float = 0.0, render_mode: str | None = None) -> None:
        self.length, self.goal, self.render_mode = length, goal, render_mode
        self.x, self.time = 0.0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.x, self.time = self.np_random.normal(), 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.x += 0.1 * float(action[0])
        self.time += 1
        return self.observe(), -((self.x - self.goal) ** 2), False, self.time == self.length, {}

    def render(self) -> np.ndarray:
        picture = np.zeros((32, 48, 3), np.uint8)
        picture[:, int(np.clip(24 + 8 * self.x, 0, 47))] = 255
        return picture

    def observe(self) -> Any:
        return np.array([self.x, self.time / self.length])


class Blind(Tiny):
    """The same without a picture."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as Gymnasium has it

    def render(self) -> Any:
        return None


class Reaching(Tiny):
    """The same with a success at the end of each episode: whether x is positive."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, _ = super().step(action)
        return observation, reward, terminated, truncated, {"is_success": np.float64(self.x > 0.0)}


def make_tiny(length: int = 12) -> gym.Env[Any, Any]:
    """Make one without an id."""
    return Reaching(length)


gym.register("Tiny-v0", Tiny)
gym.register("Small-v0", Tiny)
gym.register("Small-v3", Tiny)
gym.register("Blind-v0", Blind)
