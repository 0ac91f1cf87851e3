"""Running statistics are the same in every autoreset mode."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import maxent


class Counting(gym.Env[Any, Any]):
    """Observes the number of steps, earns 10 at each, and terminates after `length`."""

    observation_space = gym.spaces.Box(0.0, 100.0, (1,), np.float32)
    action_space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, length: int = 3) -> None:
        self.length, self.time = length, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        return np.full(1, self.time, np.float32), 10.0, self.time == self.length, False, {}


def counted(env: Any, steps: int, members: int) -> dict[str, list[float]]:
    """Return the running statistics after steps of all environments."""
    agent = maxent.SAC(
        env, seeds=members, hidden=(4,), buffer_size=200, batch_size=4, eval_every=0, compile="off", verbose=False,
        learning_starts=1_000, norm_obs=True, norm_reward=True, gamma=0.99,
    )  # fmt: skip
    assert agent._trainer is not None
    agent._trainer.collector.begin()
    for step in range(steps):
        agent._trainer.collector.step(step)
    state = agent._trainer.learner.state
    return {name: tensor.flatten().tolist() for name, tensor in state.items() if "_norm." in name}


def vector_env(lengths: tuple[int, ...], mode: AutoresetMode) -> SyncVectorEnv:
    return SyncVectorEnv([partial(Counting, length) for length in lengths], autoreset_mode=mode)


@pytest.mark.parametrize("mode", [None, *AutoresetMode])
def test_statistics_are_the_same_in_every_autoreset_mode(mode: AutoresetMode | None) -> None:
    """Four episodes: G = 10, 19.9, 29.701 in each; the observations are 0, 1, 2 in each, and 0 of the fifth."""
    env: Any = Counting if mode is None else vector_env((3, 3), mode)
    # a reset of NEXT_STEP takes a step of its own
    statistics = counted(env, 16 if mode is AutoresetMode.NEXT_STEP else 12, members=1 if mode else 2)
    members, lanes = (1, 2) if mode else (2, 1)
    returns, seen = [10.0, 19.9, 29.701], [0.0, 1.0, 2.0] * 4 + [0.0]
    expected = {
        "reward_norm.count": 12 * lanes, "reward_norm.mean": np.mean(returns), "reward_norm.var": np.var(returns),
        "obs_norm.count": 13 * lanes, "obs_norm.mean": np.mean(seen), "obs_norm.var": np.var(seen),
    }  # fmt: skip
    assert statistics.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(statistics[name], [value] * members, rtol=1e-12, err_msg=name)


def test_a_reset_counts_for_the_other_members_alone() -> None:
    """16 steps under NEXT_STEP: eight episodes of one step for member 0, four of three steps for member 1."""
    statistics = counted(vector_env((1, 3), AutoresetMode.NEXT_STEP), 16, members=2)
    assert statistics["reward_norm.count"] == [8, 12]
    np.testing.assert_allclose(statistics["reward_norm.mean"], [10.0, np.mean([10.0, 19.9, 29.701])], rtol=1e-12)
    assert statistics["obs_norm.count"] == [9, 13]
    np.testing.assert_allclose(statistics["obs_norm.mean"], [0.0, 12.0 / 13.0], rtol=1e-12)
