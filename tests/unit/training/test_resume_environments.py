"""Resumed runs with other environments and settings equal those that were never interrupted."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from short_runs import SMALL, WIDE, assert_equal, assert_equal_states, contents, killed_at, pendulum, tensors

import maxent
from maxent.opening import resume_run

STEPS = 160


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def test_episodes_that_terminate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo's pendulum falls over after a few random actions: dozens of episodes, the latest brought back."""
    make = lambda: maxent.SAC("InvertedPendulum-v5", **SMALL | WIDE | {"learning_starts": 100})  # noqa: E731
    whole, run = tmp_path / "whole", tmp_path / "run"
    make().learn(STEPS, run_dir=whole)
    assert (tensors(whole)["replay/kind"] == 2).sum() > 8
    killed_at(monkeypatch, 118, lambda: make().learn(STEPS, run_dir=run))
    resume_run(run, verbose=False)
    assert_equal(contents(run), contents(whole))


@pytest.mark.parametrize(
    "settings", [{"norm_obs": True}, {"norm_reward": True}, {"norm_obs": True, "norm_reward": True}]
)
def test_with_running_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    """Killed between checkpoints, before learning starts and after; the statistics are those of all steps."""
    make = lambda: pendulum(**WIDE, **settings)  # noqa: E731
    whole, run = tmp_path / "whole", tmp_path / "run"
    make().learn(STEPS, run_dir=whole)
    state = tensors(whole)
    for name in settings:
        count = state[f"checkpoint/learner/{'obs' if name == 'norm_obs' else 'reward'}_norm.count"]
        # 160 steps of a member; observations before the first of two environments count as well
        assert count.tolist() == [162.0 if name == "norm_obs" else 160.0] * 2
    killed_at(monkeypatch, 38, lambda: make().learn(STEPS, run_dir=run))
    killed_at(monkeypatch, 110, lambda: resume_run(run, verbose=False))
    resume_run(run, verbose=False)
    assert_equal(contents(run), contents(whole))


def vector() -> SyncVectorEnv:
    """Return four environments for two members of two."""
    make = lambda: gym.make("Pendulum-v1", max_episode_steps=25)  # noqa: E731
    return SyncVectorEnv([make] * 4, autoreset_mode=AutoresetMode.DISABLED)


def test_with_a_vector_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded with another one like it: its episodes are brought back, and it goes on as if never stopped."""
    settings = {**SMALL, **WIDE, "eval_every": 0, "num_envs": 1}
    whole = maxent.SAC(vector(), **settings).learn(STEPS)
    run = tmp_path / "run"
    killed_at(monkeypatch, 74, lambda: maxent.SAC(vector(), **settings).learn(STEPS, run_dir=run))
    again = maxent.load(run, vector(), verbose=False)
    assert again.num_timesteps == 60
    assert again.learn(STEPS - 60).num_timesteps == STEPS
    assert_equal_states(again, whole)


class Restless(gym.Env[Any, Any]):
    """Observes noise that no seed determines, so no episode can be brought back."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self) -> None:
        self.noise = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return self.noise.standard_normal(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.noise.standard_normal(1, np.float32), 0.0, False, False, {}


@pytest.fixture
def restless() -> Any:
    gym.register("Restless-v0", Restless, max_episode_steps=50)
    yield "Restless-v0"
    del gym.registry["Restless-v0"]


def test_an_environment_that_does_not_come_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], restless: str
) -> None:
    """The run says so, the episode is cut off where it was, and the run goes on; again and again."""
    run = tmp_path / "run"
    maxent.SAC(restless, **SMALL | {"num_envs": 2}).learn(40, run_dir=run)
    for steps in (40, 40, 80):  # twice without a step
        resume_run(run, steps=steps, verbose=True)
        assert "2 of 2 environments did not come back to where they were" in capsys.readouterr().out
    agent = maxent.load(run, verbose=False)
    assert agent.num_timesteps == 80
    trainer = agent._trainer
    assert trainer is not None
    kinds = trainer.replay.columns["kind"][0].reshape(2, 60).tolist()  # [lanes, ring]
    # 20 steps, three resumes that end the episode (20 + 1 + 1 + 1 rows), 20 steps, and loading, which ends it as well.
    assert kinds == [[1] * 20 + [3] * 3 + [1] * 20 + [3] + [0] * 16] * 2
