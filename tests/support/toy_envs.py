"""Environments so small that the right answer is plain."""

import os
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Counting(gym.Env[Any, Any]):
    """Observes (episode, step) and earns 10 · episode + step; even episodes terminate after `length` steps, odd ones
    are truncated. A reset starts the next episode, whatever the seed.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, length: int) -> None:
        self.length = length
        self.episode = -1
        self.time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode += 1
        self.time = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.time < self.length, "stepped after the end of an episode"
        self.time += 1
        over = self.time == self.length
        even = self.episode % 2 == 0
        return self.observe(), 10.0 * self.episode + self.time, over and even, over and not even, {"time": self.time}

    def observe(self) -> Any:
        return np.array([self.episode, self.time], np.float64)


class CountingDict(Counting):
    """The same with a Dict observation: the episode as a pixel, the step as a float, the end as a category."""

    observation_space = spaces.Dict(
        {
            "ends": spaces.Discrete(2, start=7),
            "pixel": spaces.Box(0, 255, (1, 1), np.uint8),
            "time": spaces.Box(-np.inf, np.inf, (1,), np.float64),
        }
    )

    def observe(self) -> Any:
        return {
            "ends": 7 + int(self.time == self.length),
            "pixel": np.array([[self.episode]], np.uint8),
            "time": np.array([self.time], np.float64),
        }


class Drift(gym.Env[Any, Any]):
    """A random walk pushed by the action: x ← x + action + noise, from a random start. Terminates beyond ±`limit`,
    is truncated after 12 steps, and is a function of seed and actions unless `hidden` noise comes from elsewhere.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Box(-3.0, 1.0, (1,), np.float64)

    def __init__(self, limit: float = 2.0, hidden: bool = False) -> None:
        self.limit = limit
        self.hidden = np.random.default_rng() if hidden else None
        self.x = 0.0
        self.time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.x, self.time = self.np_random.normal(), 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.x += 0.1 * float(action[0]) + 0.1 * self.np_random.normal()
        if self.hidden is not None:
            self.x += 0.1 * self.hidden.normal()
        self.time += 1
        return self.observe(), -(self.x**2), abs(self.x) > self.limit, self.time == 12, {}

    def observe(self) -> Any:
        return np.array([self.x, self.time], np.float64)


class Echo(gym.Env[Any, Any]):
    """Observes the action it was given, after checking that its action space contains it."""

    def __init__(self, action_space: spaces.Space[Any]) -> None:
        self.action_space = action_space
        self.observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        return np.array([action], np.float64).reshape(1), 0.0, False, False, {}


class Broken(gym.Env[Any, Any]):
    """Gives nan as its third reward or, if so asked, inf in its third observation."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, what: str) -> None:
        self.what = what
        self.time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        reward = np.nan if self.time == 3 and self.what == "reward" else 1.0
        return self.observe(), reward, False, False, {}

    def observe(self) -> Any:
        bad = self.time == 3 and self.what == "observation"
        return np.array([np.inf if bad else 1e30], np.float32)  # 1e30² overflows float32: large, but finite


class Homebound(Counting):
    """Ends its process if that is not the one it names."""

    def __init__(self, home: int) -> None:
        super().__init__(length=3)
        if os.getpid() != home:
            os._exit(1)


class Faulty(gym.Env[Any, Any]):
    """Observes `smallest` and earns 1, except that step `at` (0 for the reset) returns the given results instead."""

    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, at: int, results: dict[str, Any], space: spaces.Space[Any] | None = None) -> None:
        self.observation_space = space or spaces.Box(-1.0, 1.0, (3,), np.float32)
        self.at = at
        self.results = results
        self.time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return self.result("observation", self.usual()), {}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self.time += 1
        flags = self.result("terminated", False), self.result("truncated", False)
        return self.result("observation", self.usual()), self.result("reward", 1.0), *flags, {}

    def result(self, name: str, usual: Any) -> Any:
        return self.results.get(name, usual) if self.time == self.at else usual

    def usual(self) -> Any:
        if isinstance(self.observation_space, spaces.Dict):
            return {name: smallest(space) for name, space in self.observation_space.spaces.items()}
        return smallest(self.observation_space)


def smallest(space: spaces.Space[Any]) -> Any:
    """Return the first category of a Discrete, and zeros for a Box."""
    return int(space.start) if isinstance(space, spaces.Discrete) else np.zeros(space.shape, space.dtype)
