"""Returns of uniformly random actions, the zero of normalised scores: 100 episodes, seeds 0 to 99.

    python benchmarks/random_returns.py Hopper-v4 Ant-v4

Prints a line for each environment: its name, the mean return, and the half-width of its 95 % t-interval.
"""

import sys

import gymnasium as gym
import numpy as np

from maxent.statistics import mean_interval

EPISODES = 100


def random_returns(env_id: str) -> list[float]:
    env = gym.make(env_id)
    returns = []
    for seed in range(EPISODES):
        env.reset(seed=seed)
        env.action_space.seed(seed)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    env.close()
    return returns


if __name__ == "__main__":
    for env_id in sys.argv[1:]:
        found = random_returns(env_id)
        interval = mean_interval(found)
        print(f"{env_id},{np.mean(found):.1f},{float(interval.high) - np.mean(found):.1f}", flush=True)
