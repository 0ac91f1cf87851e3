"""Measure from which step time worker processes pay: the same environments in this process and in others.

    python benchmarks/step_time.py                 milliseconds a step of all environments, both ways

An environment here computes for a given time. Both ways give the same numbers (`tests/unit/envs/test_workers.py`).
"""

import os
import sys
import time
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np

from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource

STEPS, ROUNDS = 100, 5


class Busy(gym.Env[Any, Any]):
    """An environment whose step computes for `seconds`, by the clock of its own process."""

    def __init__(self, seconds: float) -> None:
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (17,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (6,), np.float32)
        self.seconds = seconds

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Return zeros."""
        super().reset(seed=seed)
        return np.zeros(17, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Compute for the time."""
        until = time.process_time() + self.seconds
        while time.process_time() < until:
            pass
        return np.zeros(17, np.float32), 0.0, False, False, {}


def milliseconds(seconds: float, count: int, workers: bool) -> float:
    """Return the median time of a step of all environments."""
    lanes = Lanes.open(EnvSource.of(partial(Busy, seconds)), 1, count, [0], workers=workers)
    actions = np.zeros((count, 6), np.float32)
    lanes.reset()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(STEPS):
            lanes.step(actions)
        times.append((time.perf_counter() - start) / STEPS)
    lanes.close()
    return 1e3 * float(np.median(times))


def main() -> int:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; milliseconds a step of all environments")
    print("| step, ms | environments | in this process | in workers |")
    print("|---|---|---|---|")
    for step in (0.03, 0.1, 0.3, 1.0, 1.3, 3.0, 10.0):
        for count in (2, 4, 8):
            here, apart = (milliseconds(1e-3 * step, count, workers) for workers in (False, True))
            print(f"| {step:g} | {count} | {here:.2f} | {apart:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
