"""Whole runs: members that train side by side are the runs that they would be alone."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from maxent.algorithms.sac import SoftActorCritic
from maxent.envs.making import EnvSource
from maxent.training.settings import Settings
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer
from maxent.view.console import make_console

STARTS, UPDATES = 40, 50


def trained(env: str | Callable[[], gym.Env[Any, Any]], seed: int, seeds: int, **settings: Any) -> Trainer:
    """Return a run of 90 steps in each environment of each member, with 50 updates."""
    settings = {"steps": STARTS + UPDATES, "learning_starts": STARTS, **settings}
    shared = {"batch_size": 16, "buffer_size": 500, "eval_every": 0, "compile": "off", "hidden": (32, 32)}
    chosen = Settings.of(SoftActorCritic, {**shared, "seed": seed, "seeds": seeds, **settings})
    trainer = Trainer(EnvSource.of(env), chosen, make_console("quiet"))
    try:
        assert trainer.run() is Outcome.FINISHED
    finally:
        trainer.close()
    assert trainer.updater.updates == UPDATES
    return trainer


LEARNED = ("actor", "critic", "target_critic", "log_alpha", "actor.adam_m", "critic.adam_v")


@pytest.mark.parametrize("envs", [1, 2])
def test_three_members_equal_three_runs_of_one(envs: int) -> None:
    """Member k of the run with seed 5 is the run with seed 5 + k: its experience, its batches, its parameters."""
    # with two environments a member makes 2 transitions a step: 40 + 50 in all
    population = trained("Pendulum-v1", seed=5, seeds=3, num_envs=envs)
    for k in range(3):
        alone = trained("Pendulum-v1", seed=5 + k, seeds=1, num_envs=envs)
        # Random actions are drawn alike, so what they led to is equal to the bit; then rounding may enter.
        rows, own = population.replay.columns["row"], alone.replay.columns["row"]
        assert torch.equal(rows[k, : STARTS // envs], own[0, : STARTS // envs])
        torch.testing.assert_close(rows[k], own[0], atol=1e-4, rtol=0.0)
        assert torch.equal(population.replay.columns["kind"][k], alone.replay.columns["kind"][0])
        for name in LEARNED:
            # a tenth of one of Adam's steps of 3e-4 for rounding; fifty such steps have been made
            ours, theirs = population.learner.state[name][k], alone.learner.state[name][0]
            torch.testing.assert_close(ours, theirs, atol=3e-5, rtol=1e-4)
    assert not torch.allclose(population.learner.state["actor"][0], population.learner.state["actor"][1], atol=1e-2)


class Drifting(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A point that drifts and is pushed; `slope` changes how it moves, what it earns and when its episode ends."""

    observation_space = gym.spaces.Box(-10.0, 10.0, (2,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, slope: float) -> None:
        self.slope, self.position, self.age = slope, 0.0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.position, self.age = float(self.np_random.uniform(-1.0, 1.0)), 0
        return self.observation(), {}

    def step(self, action: NDArray[np.float32]) -> Any:
        self.position += 0.1 * self.slope + 0.2 * float(action[0])
        self.age += 1
        reward = self.slope * self.position
        return self.observation(), reward, abs(self.position) > 2.0, self.age >= 15, {}

    def observation(self) -> NDArray[np.float32]:
        return np.array([self.position, self.age / 15.0], np.float32)


def test_member_0_does_not_notice_another_environment_of_member_1() -> None:
    """Bitwise: experience, parameters, optimiser and metrics of member 0 are the same whatever member 1 lives in."""

    def run(slopes: list[float]) -> Trainer:
        remaining = iter(slopes)  # environments are made in the order of the lanes, one for each member
        return trained(lambda: Drifting(next(remaining)), seed=0, seeds=2)

    one, other = run([1.0, 1.0]), run([1.0, -7.0])
    for name in LEARNED:
        first, second = one.learner.state[name], other.learner.state[name]
        assert torch.equal(first[0], second[0])
        assert not torch.equal(first[1], second[1])
    for name, column in one.replay.columns.items():
        assert torch.equal(column[0], other.replay.columns[name][0])
        assert not torch.equal(column[1], other.replay.columns[name][1])
    returns = one.window.returns(), other.window.returns()
    assert returns[0][0] == returns[1][0]
    assert returns[0][1] != returns[1][1]
    metrics = [trainer.engine().read_metrics(trainer.learner.state) for trainer in (one, other)]
    for tag, values in metrics[0].items():
        np.testing.assert_array_equal(values[0], metrics[1][tag][0])
