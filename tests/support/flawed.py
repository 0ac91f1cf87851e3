"""Environments that fail now and then, as a function of their seed: what they did before is not to be learned from."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Flawed(gym.Env[Any, Any]):
    """A walk whose episodes last 20 steps; every third seed returns a bad reward at its seventh step.

    It observes a number of its episode that shows whether it is a bad one, so that a replay can be searched for it.
    """

    observation_space: spaces.Space[Any] = spaces.Box(-np.inf, np.inf, (3,), np.float32)

    def __init__(self, discrete: bool = False, how: str = "nan") -> None:
        self.action_space = spaces.Discrete(2) if discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.how, self.bad, self.time, self.at = how, False, 0, 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        assert seed is not None
        self.bad, self.time, self.at = seed % 3 == 0, 0, float(self.np_random.normal())
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        self.at += float(np.sum(action)) / 10.0
        reward = -abs(self.at)
        if self.bad and self.time == 7:
            if self.how == "raises":
                raise RuntimeError("a cable came loose")
            reward = np.nan if self.how == "nan" else reward
        return self.observe(), reward, False, self.time == 20, {}

    def observe(self) -> Any:
        return np.array([self.at, self.time, self.bad], np.float32)


class FlawedReach(Flawed):
    """The same as an environment of goals."""

    def __init__(self) -> None:
        super().__init__()
        goal = spaces.Box(-np.inf, np.inf, (1,), np.float32)
        inner = spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.observation_space = spaces.Dict(achieved_goal=goal, desired_goal=goal, observation=inner)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        if np.isfinite(reward):
            reward = float(self.compute_reward(observation["achieved_goal"], observation["desired_goal"], {})[()])
        return observation, reward, terminated, truncated, info

    def observe(self) -> Any:
        at = np.array([self.at], np.float32)
        return {"achieved_goal": at, "desired_goal": np.ones(1, np.float32), "observation": super().observe()}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        """Return minus the distance."""
        return -np.abs(np.asarray(achieved, np.float64) - desired)[..., 0]


for name, made in {"Flawed-v0": Flawed, "FlawedReach-v0": FlawedReach}.items():
    if name not in gym.registry:
        gym.register(name, entry_point=made)
