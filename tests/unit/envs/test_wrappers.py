"""Wrappers with running statistics are refused wherever an environment is trained on, evaluated or played."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers import NormalizeObservation, NormalizeReward, TimeLimit
from tiny_world import Tiny

import maxent
from maxent.agent import Agent
from maxent.envs.wrappers import with_statistics
from maxent.errors import UserError

SMALL: dict[str, Any] = {"hidden": (4,), "buffer_size": 200, "compile": "off", "verbose": False}


def observing() -> gym.Env[Any, Any]:
    return TimeLimit(NormalizeObservation(Tiny()), 20)


def standing() -> gym.Env[Any, Any]:
    """An environment normalised by numbers that stand still."""
    env = NormalizeObservation(Tiny())
    env.update_running_mean = False
    return env


@pytest.mark.parametrize(
    "make",
    [
        lambda: observing,
        observing,
        lambda: SyncVectorEnv([observing, observing]),
        lambda: gym.wrappers.vector.NormalizeObservation(SyncVectorEnv([Tiny, Tiny])),
    ],
    ids=["factory", "instance", "vector", "vector wrapper"],
)
def test_no_run_starts_with_them(make: Callable[[], Any]) -> None:
    with pytest.raises(UserError, match=r"NormalizeObservation keeps running statistics.*norm_obs=True \(--norm-obs\)"):
        maxent.SAC(make(), **SMALL)


def test_nor_in_worker_processes() -> None:
    with pytest.raises(UserError, match="NormalizeObservation keeps running statistics"):
        maxent.SAC(observing, workers=True, num_envs=2, **SMALL)


def test_rewards_have_an_option_of_their_own() -> None:
    with pytest.raises(UserError, match=r"NormalizeReward .*norm_reward=True \(--norm-reward\)"):
        maxent.SAC(lambda: NormalizeReward(Tiny()), **SMALL)


def test_nor_is_a_policy_evaluated_or_shown_in_one() -> None:
    agent = maxent.SAC(Tiny, eval_every=0, **SMALL)
    assert agent._source is not None
    object.__setattr__(agent._source, "maker", observing)
    for use in (partial(Agent.evaluate, agent, 1), partial(Agent.make_env, agent)):
        with pytest.raises(UserError, match="NormalizeObservation keeps running statistics"):
            use()


def test_those_of_other_processes_are_found_at_the_first_evaluation() -> None:
    env = AsyncVectorEnv([observing, observing])
    agent = maxent.SAC(env, eval_every=4, eval_episodes=1, **SMALL)
    with pytest.raises(UserError, match="NormalizeObservation keeps running statistics"):
        agent.learn(8)
    env.close()


def test_statistics_that_stand_still_are_part_of_the_environment() -> None:
    assert with_statistics(standing()) == []
    maxent.SAC(standing, eval_every=4, eval_episodes=1, learning_starts=100, **SMALL).learn(4)
