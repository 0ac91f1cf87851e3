"""What the measurements of all libraries share: shapes, timing, and the line of JSON that each prints."""

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np

OBSERVATION, ACTION, BATCH = 17, 6, 256  # HalfCheetah
FILLED = 10_000  # rows of replay to sample from


class Shapes(gym.Env):
    """An environment of noise with the spaces of HalfCheetah."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (OBSERVATION,), np.float64)
    action_space = gym.spaces.Box(-1.0, 1.0, (ACTION,), np.float32)

    def reset(self, *, seed=None, options=None):
        """Return a random observation."""
        super().reset(seed=seed)
        return self.np_random.standard_normal(OBSERVATION), {}

    def step(self, action):
        """Return a random observation, and no reward."""
        return self.np_random.standard_normal(OBSERVATION), 0.0, False, False, {}


def timed(step: Callable[[int], None], *, seconds: float, chunk: int) -> float:
    """Return the repetitions of `step` per second: the median over chunks, after one chunk of warm-up."""
    step(chunk)
    rates = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 3:
        begin = time.perf_counter()
        step(chunk)
        rates.append(chunk / (time.perf_counter() - begin))
    return statistics.median(rates)


def print_result(**figures: float) -> None:
    """Print the figures as the last line, with the memory peak of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures | {"peak_mb": peak}), flush=True)


def since_start() -> float:
    """Return the seconds since this process was started, interpreter and imports included."""
    with open("/proc/self/stat") as file:
        ticks = float(file.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/uptime") as file:
        uptime = float(file.read().split()[0])
    return uptime - ticks / os.sysconf("SC_CLK_TCK")


def processor() -> str:
    """Return the name of the processor."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def instructions() -> str:
    """Return the widest vector instructions of the processor, and whether it multiplies bfloat16 numbers."""
    flags = Path("/proc/cpuinfo").read_text().split() if os.path.exists("/proc/cpuinfo") else []
    widest = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "neither AVX2 nor AVX-512"
    more = [name for flag, name in (("avx512_bf16", "AVX512_BF16"), ("amx_tile", "AMX")) if flag in flags]
    return ", ".join([widest, *more])
