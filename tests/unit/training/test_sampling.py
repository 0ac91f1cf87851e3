"""Runs with a prioritised replay and with hindsight: resumed, side by side, compiled, and refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from short_runs import SMALL, assert_equal, contents, killed_at, pendulum, tensors
from torch._dynamo.utils import counters

import maxent
from maxent.algorithms.sac import SoftActorCritic
from maxent.envs.making import EnvSource
from maxent.envs.problems.point_reach import PointReach
from maxent.errors import UserError
from maxent.opening import resume_run
from maxent.replay import Hindsight, Prioritized
from maxent.replay.kinds import HindsightReplay, PrioritizedReplay, ReplayKind
from maxent.training.sampling import goal_rules
from maxent.training.settings import Settings
from maxent.training.trainer import Trainer
from maxent.view.console import make_console

STEPS = 160
WIDE: dict[str, Any] = {"seeds": 2, "num_envs": 2, "n_step": 3, "learning_starts": 40}


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def reach(replay: str, **settings: Any) -> maxent.Agent:
    """An agent that comes to a random place, in episodes of at most 25 steps, some of which end there."""
    env_kwargs = {"max_episode_steps": 25, "terminate": True}
    return maxent.SAC("maxent/PointReach-v0", env_kwargs=env_kwargs, replay=replay, **SMALL | WIDE | settings)


@pytest.mark.parametrize("replay", ["prioritized", "hindsight"])
def test_killed_and_resumed_it_is_the_run_that_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replay: str
) -> None:
    """Killed where no checkpoint is, before learning starts and after, with rings that are written over."""
    whole = tmp_path / "whole"
    reach(replay).learn(STEPS, run_dir=whole)
    expected, state = contents(whole), tensors(whole)
    assert ("checkpoint/sampler/priority" in state) == (replay == "prioritized")
    if replay == "prioritized":
        priority = state["checkpoint/sampler/priority"]  # [P, N, ring]
        assert priority.shape == (2, 2, 60)
        assert len(np.unique(priority)) > 20
    for step in (38, 74, 118, 158):
        run = tmp_path / str(step)
        killed_at(monkeypatch, step, lambda run=run: reach(replay).learn(STEPS, run_dir=run))
        resume_run(run, verbose=False)
        assert_equal(contents(run), expected)


def trained(replay: str | ReplayKind, seed: int, seeds: int, compiled: str = "off", **settings: Any) -> Trainer:
    """Return a run of 90 steps with 50 updates."""
    small = {"steps": 90, "learning_starts": 40, "batch_size": 16, "buffer_size": 500, "n_step": 2, "eval_every": 0}
    chosen = {**small, "hidden": (16, 16), "seed": seed, "seeds": seeds, "compile": compiled, "replay": replay}
    env = EnvSource.of("maxent/PointReach-v0", {"terminate": True, "max_episode_steps": 20})
    trainer = Trainer(env, Settings.of(SoftActorCritic, chosen | settings), make_console("quiet"))
    try:
        trainer.run()
    finally:
        trainer.close()
    assert trainer.updater.updates == 50
    return trainer


@pytest.mark.parametrize("replay", ["prioritized", "hindsight"])
def test_three_members_equal_three_runs_of_one(replay: str) -> None:
    population = trained(replay, seed=5, seeds=3)
    for k in range(3):
        alone = trained(replay, seed=5 + k, seeds=1)
        torch.testing.assert_close(
            population.replay.columns["row"][k], alone.replay.columns["row"][0], atol=1e-4, rtol=0.0
        )
        for name in ("actor", "critic", "log_alpha", "critic.adam_v"):
            # a tenth of one of Adam's steps of 3e-4 for rounding; fifty such steps have been made
            ours, theirs = population.learner.state[name][k], alone.learner.state[name][0]
            torch.testing.assert_close(ours, theirs, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("replay", ["prioritized", "hindsight"])
def test_compiled_it_learns_the_same(replay: str) -> None:
    """With one graph, whatever is drawn."""
    torch._dynamo.reset()
    counters.clear()
    eager, compiled = (trained(replay, seed=0, seeds=2, compiled=mode) for mode in ("off", "on"))
    assert counters["stats"]["unique_graphs"] == 1
    assert compiled.engine().mode.compiled
    for name in ("actor", "critic", "target_critic", "log_alpha"):
        torch.testing.assert_close(compiled.learner.state[name], eager.learner.state[name], atol=3e-5, rtol=1e-4)


def test_the_settings_reach_the_samplers() -> None:
    prioritized = trained(PrioritizedReplay(exponent=0.5, correction=0.3), 0, 1).sampler
    assert isinstance(prioritized, Prioritized)
    assert (prioritized.exponent, prioritized.correction, prioritized.batch_size) == (0.5, 0.3, 16)
    hindsight = trained(HindsightReplay(ratio=0.25), 0, 1).sampler
    assert isinstance(hindsight, Hindsight)
    assert (hindsight.relabelled, hindsight.n_step) == (4, 2)


@pytest.mark.parametrize("replay", ["uniform", "prioritized", "hindsight"])
def test_an_agent_saved_without_its_replay_learns_on(tmp_path: Path, replay: str) -> None:
    agent = reach(replay).learn(80)
    agent.save(tmp_path / "small", replay=False)
    again = maxent.load(tmp_path / "small", verbose=False)
    again.learn(80)
    assert again.num_timesteps == 160


def test_an_environment_without_goals_is_refused() -> None:
    with pytest.raises(UserError, match=r"hindsight expects observations that are a dict .* got a single array"):
        pendulum(replay="hindsight")


class Silent(gym.Env[Any, Any]):
    """Has goals and says nothing of what they are worth."""

    def __init__(self) -> None:
        env = PointReach()
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_an_environment_that_does_not_say_what_a_goal_is_worth_is_refused() -> None:
    made: list[Silent] = []

    def make() -> Silent:
        made.append(Silent())
        return made[-1]

    with pytest.raises(UserError, match=r"with compute_reward\(achieved_goal, desired_goal, info\), .* got make with"):
        maxent.SAC(make, replay="hindsight", **SMALL)
    assert made[-1].closed


class Scaled(gym.RewardWrapper[Any, Any]):
    """Changes what steps earn, and not what `compute_reward` says."""

    def reward(self, reward: Any) -> float:
        return 5.0 * float(reward)


def test_a_wrapper_that_changes_rewards_behind_the_back_of_compute_reward_is_refused() -> None:
    agent = maxent.SAC(lambda: gym.wrappers.TimeLimit(Scaled(PointReach()), 25), replay="hindsight", **SMALL)
    with pytest.raises(UserError, match="got -5 where compute_reward returns -1"):
        agent.learn(60)


def sources() -> dict[str, Callable[[], Any]]:
    make = lambda: gym.make("maxent/PointReach-v0")  # noqa: E731
    return {
        "id": lambda: "maxent/PointReach-v0",
        "factory": lambda: make,
        "instance": make,
        "vector": lambda: gym.vector.SyncVectorEnv([make, make]),
    }


@pytest.mark.parametrize("kind", ["id", "factory", "instance", "vector"])
def test_wherever_environments_come_from_there_is_one_to_ask(kind: str) -> None:
    env = sources()[kind]()
    rules = goal_rules(EnvSource.of(env))
    here, there = np.zeros((3, 2)), np.array([[0.0, 0.0], [0.0, 1.0], [0.01, 0.0]])
    np.testing.assert_array_equal(rules.reward(here, there, {}), [0.0, -1.0, 0.0])
    assert rules.terminated is not None
    assert not rules.terminated(here, there, {}).any()
    agent = maxent.SAC(env, replay="hindsight", **SMALL).learn(40)
    assert agent.num_timesteps == 40
    agent.close()


def test_on_policy_algorithms_take_no_such_replay() -> None:
    with pytest.raises(UserError, match="replay: reinforce learns from the newest steps"):
        maxent.Reinforce("Pendulum-v1", replay="prioritized", verbose=False)


@pytest.mark.parametrize("algorithm", ["TD3", "DDPG", "SACv1", "SoftQ"])
def test_other_algorithms_on_boxes_take_it(algorithm: str) -> None:
    for replay in ("prioritized", "hindsight"):
        agent = getattr(maxent, algorithm)("maxent/PointReach-v0", replay=replay, **SMALL)
        assert agent.learn(60).num_timesteps == 60


@pytest.mark.parametrize("algorithm", ["DQN", "SACDiscrete"])
def test_other_algorithms_on_finite_actions_take_it(algorithm: str) -> None:
    agent = getattr(maxent, algorithm)("CartPole-v1", replay="prioritized", **SMALL)
    assert agent.learn(60).num_timesteps == 60
