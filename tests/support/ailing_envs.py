"""An environment that is healthy by default, and with arguments has one of the faults that the doctor looks for."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import NormalizeObservation, NormalizeReward, TimeLimit


class Ailing(gym.Env[Any, Any]):
    """A point that is pushed about: x ← 0.9 x + 0.3 a + noise, reward −x².

    Args:
        bound: of the actions.
        low: lower bound of the actions; None for −bound.
        scale: factor of the second number of an observation.
        constant: whether the second number is constant.
        drift: added to the second number in each step.
        outside: whether the observation space is too narrow.
        reward: factor of rewards.
        length: after which an episode ends by itself; None for an endless one.
        report: which flag is set at this length.
        clock: whether the observation has the time left.
        random: whether steps draw numbers that no seed determines.
        goal: distance from 0 at which an episode terminates.
        broken: the step at which an observation has nan.
    """

    def __init__(
        self,
        *,
        bound: float = 1.0,
        low: float | None = None,
        scale: float = 1.0,
        constant: bool = False,
        drift: float = 0.0,
        outside: bool = False,
        reward: float = 1.0,
        length: int | None = 100,
        report: str = "truncated",
        clock: bool = False,
        random: bool = False,
        goal: float = np.inf,
        broken: int = -1,
    ) -> None:
        self.action_space = spaces.Box(-bound if low is None else low, bound, (2,))
        limit = 0.05 if outside else np.inf
        self.observation_space = spaces.Box(-limit, limit, (3,))
        self.scale, self.constant, self.drift, self.reward_factor = scale, constant, drift, reward
        self.length, self.report, self.clock, self.random = length, report, clock, random
        self.goal, self.broken = goal, broken
        self.x, self.time = np.zeros(2), 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.x, self.time = self.np_random.uniform(-0.04, 0.04, 2), 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        noise = np.random.default_rng().normal(size=2) if self.random else self.np_random.normal(size=2)
        self.x = 0.9 * self.x + 0.3 * np.clip(action, -1.0, 1.0) + 0.01 * noise
        self.time += 1
        end = self.time == self.length
        terminated = bool(np.abs(self.x).max() > self.goal) or (end and self.report == "terminated")
        reward = -self.reward_factor * float(self.x @ self.x)
        return self.observe(), reward, terminated, end and self.report == "truncated", {}

    def observe(self) -> np.ndarray:
        second = 0.0 if self.constant else self.scale * self.x[1] + self.drift * self.time
        third = (self.length or 0) - self.time if self.clock else self.np_random.normal()
        obs = np.array([self.x[0], second, 0.01 * third], np.float32)
        return np.full(3, np.nan, np.float32) if self.time == self.broken else obs


def normalised(which: str) -> gym.Env[Any, Any]:
    """Return an environment in a wrapper of Gymnasium that keeps statistics, and a further one."""
    wrap = {"observations": NormalizeObservation, "rewards": NormalizeReward}[which]
    return TimeLimit(wrap(Ailing(length=None)), 50)


gym.register("Ailing-v0", entry_point=Ailing)
gym.register("Normalised-v0", entry_point=normalised)
