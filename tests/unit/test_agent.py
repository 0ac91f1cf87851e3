"""Agents: environments, settings, interruption, and what stops a run."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from odd_envs import Choosing, Seeing, Unbounded
from short_runs import SMALL, at_step, pendulum

import maxent
from maxent.agent import Agent
from maxent.algorithms.dqn import DeepQNetwork
from maxent.envs.seeds import evaluation_seed, training_seed
from maxent.errors import UserError
from maxent.nn.layers import Linear, ReLU
from maxent.runs.folder import RunFolder
from maxent.training.stop import Outcome


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def seeing(**settings: Any) -> Agent:
    return maxent.SAC(Seeing, **SMALL | settings)


class TestEnvironments:
    def test_a_factory_makes_as_many_as_are_needed(self) -> None:
        assert seeing(seeds=2, num_envs=3, n_step=2).learn(45).num_timesteps == 45

    def test_an_environment_serves_one_member(self) -> None:
        env = gym.make("Pendulum-v1", max_episode_steps=25)
        agent = maxent.SAC(env, **SMALL).learn(60)
        agent.close()
        assert env.reset(seed=0)[0].shape == (3,)  # it stays open: it is the user's
        with pytest.raises(UserError, match="expected an id or a factory, to make 2 environments from"):
            maxent.SAC(env, **SMALL, seeds=2)

    def test_one_that_cannot_be_made_again_is_not_evaluated_on(self, tmp_path: Path) -> None:
        """Gymnasium has no record of how it was made; the run does without evaluations."""
        agent = maxent.SAC(Seeing(), **SMALL).learn(60, run_dir=tmp_path / "run")
        assert agent._trainer is not None
        assert np.isneginf(agent._trainer.best.score).all()
        with pytest.raises(UserError, match="no environment that it could make another one of"):
            agent.evaluate(1)

    @pytest.mark.parametrize("mode", AutoresetMode)
    def test_a_vector_environment_serves_all(self, mode: AutoresetMode) -> None:
        vector = SyncVectorEnv([partial(Seeing, 4 + k) for k in range(4)], autoreset_mode=mode)
        agent = maxent.SAC(vector, **SMALL, seeds=2).learn(60)
        assert agent.num_timesteps == 60
        trainer = agent._trainer
        assert trainer is not None
        # 30 steps of each environment; under NEXT_STEP one more of every L + 1 is a reset: with episodes of 4, 5, 6, 7
        # steps after 30 steps 6, 5, 4, 3 resets.
        assert trainer.progress.transitions == (4 * 30 - 18 if mode is AutoresetMode.NEXT_STEP else 4 * 30)
        with pytest.raises(UserError, match="expected a multiple of 3 environments"):
            maxent.SAC(vector, **SMALL, seeds=3)

    def test_an_agent_evaluates_on_environments_of_its_own(self) -> None:
        agent = pendulum(seeds=2)
        result = agent.evaluate(3)
        assert result.returns.shape == (2, 3)
        assert result.lengths.tolist() == [[25] * 3] * 2
        np.testing.assert_array_equal(agent.evaluate(3).returns, result.returns)
        assert (agent.evaluate(3, seed=1).returns != result.returns).any()

    def test_evaluation_seeds_are_never_training_seeds(self) -> None:
        training = {
            training_seed(member, env, episode) for member in range(9) for env in range(9) for episode in range(9)
        }
        evaluation = {evaluation_seed(base, episode) for base in range(9) for episode in range(9)}
        assert not training & evaluation
        assert max(training) < 2**31 <= min(evaluation)

    @pytest.mark.parametrize(
        ("env", "message"),
        [
            (Choosing, "sac is for continuous actions and this environment's are discrete: algorithms for discrete"),
            (Unbounded, "expected finite bounds, got none in every dimension .*TransformAction"),
            ("Pendulum-v11", r"expected a registered id, got 'Pendulum-v11'; did you mean Pendulum-v1\?"),
            (7, "expected an id such as 'Pendulum-v1', .* got a int"),
        ],
    )
    def test_what_does_not_fit_is_a_sentence(self, env: Any, message: str) -> None:
        with pytest.raises(UserError, match=message):
            maxent.SAC(env, **SMALL)


class TestSettings:
    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"learning_rat": 1e-3}, r"sac has no setting 'learning_rat'; did you mean learning_rate"),
            ({"zzz": 1}, "sac has no setting 'zzz': it has actor_learning_rate, .*, workers"),
            ({"gamma": 2.0}, "gamma: expected a number from 0 to 1, got 2.0"),
            ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0"),
        ],
    )
    def test_a_mistake_is_a_sentence(self, setting: dict[str, Any], message: str) -> None:
        with pytest.raises(UserError, match=message):
            maxent.SAC("Pendulum-v1", **setting)

    def test_the_smallest_buffer_learns(self) -> None:
        assert pendulum(buffer_size=6, num_envs=2).learn(80).num_timesteps == 80

    def test_a_recipe_gives_way_to_what_is_given(self) -> None:
        agent = maxent.SAC.from_recipe("Pendulum-v1", batch_size=17, verbose=False)
        assert agent._trainer is not None
        assert agent._trainer.schedule.batch_size == 17
        assert agent._recipe

    def test_layers_replace_the_hidden_units_of_a_recipe(self) -> None:
        network = (Linear(4), ReLU())
        agent = maxent.DDPG.from_recipe("Pendulum-v1", network=network, verbose=False)
        assert agent._learner.config.actor_network == network
        agent.close()

    def test_without_a_recipe_there_is_a_sentence(self) -> None:
        with pytest.raises(UserError, match="no recipe for sac on Nowhere-v0: `maxent list recipes` shows"):
            maxent.SAC.from_recipe("Nowhere-v0")

    def test_an_environment_has_the_recipe_of_its_id(self) -> None:
        agent = maxent.SAC.from_recipe(gym.make("Pendulum-v1"), verbose=False)
        assert agent._recipe
        agent.close()
        with pytest.raises(UserError, match=r"no recipe for sac on <.*Seeing"):
            maxent.SAC.from_recipe(Seeing())


class TestInterruption:
    @pytest.fixture(autouse=True)
    def interrupted_at_40(self, monkeypatch: pytest.MonkeyPatch) -> None:
        at_step(monkeypatch, 40, lambda: os.kill(os.getpid(), signal.SIGINT))

    def test_with_a_folder_a_checkpoint_is_written_first(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            pendulum().learn(100, run_dir=tmp_path / "run")
        assert RunFolder.open(tmp_path / "run").checkpoints.newest == 41
        assert maxent.load(tmp_path / "run", verbose=False).num_timesteps == 41

    def test_without_a_folder_it_ends_after_the_step_at_hand(self) -> None:
        agent = pendulum()
        with pytest.raises(KeyboardInterrupt):
            agent.learn(100)
        assert agent.num_timesteps == 41


def test_a_policy_before_the_environment_is_explained() -> None:
    with pytest.raises(UserError, match=r"the environment alone before .*'Pendulum-v1' as well; policy: networks are"):
        maxent.SAC("MlpPolicy", "Pendulum-v1")


def test_a_class_of_agents_names_the_function_that_loads() -> None:
    with pytest.raises(UserError, match=r"load: expected a call of maxent.load\('runs/x'\)"):
        maxent.SAC.load("runs/x", env="Pendulum-v1")


@pytest.mark.parametrize("algorithm", ["td3", DeepQNetwork])
def test_an_agent_of_one_algorithm_takes_no_other(algorithm: Any) -> None:
    with pytest.raises(UserError, match=r"algorithm: maxent\.SAC has its own, got (td3|dqn); use maxent\.Agent"):
        maxent.SAC("Pendulum-v1", algorithm=algorithm, **SMALL)
    assert maxent.SAC("Pendulum-v1", algorithm="sac", **SMALL).name == "sac"


def test_a_folder_of_another_run_is_refused_before_training(tmp_path: Path) -> None:
    pendulum().learn(20, run_dir=tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    agent = pendulum()
    with pytest.raises(UserError, match="holds another run"):
        agent.learn(20, run_dir=tmp_path / "run")
    assert agent.num_timesteps == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == config


def test_a_run_that_the_disk_cannot_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    agent = pendulum()
    with pytest.raises(
        UserError, match=r"has 0 MB free and the run needs up to .* --run-dir or a smaller --buffer-size"
    ):
        agent.learn(20, run_dir=tmp_path / "run")
    assert agent.num_timesteps == 0


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"reward_scale": 1e30, "log_every": 1}, "train/critic_loss"),
        ({"learning_rate": 1e38, "log_every": 100}, "actions"),
    ],
)
def test_a_run_that_diverges_is_stopped(settings: dict[str, Any], what: str) -> None:
    """Rewards of 10³⁰ overflow the squared error of float32, whose largest number is 3.4 · 10³⁸; so do huge weights."""
    with pytest.raises(UserError, match=rf"diverged by step \d+ \(.*{what} not finite.*\), 3 times in a row: try"):
        pendulum(**settings).learn(100)


def test_training_ends_with_the_outcome(tmp_path: Path) -> None:
    assert pendulum().train(20, tmp_path / "run") is Outcome.FINISHED


def test_an_agent_whose_step_was_torn_starts_a_fresh_episode() -> None:
    """The environment moves and then fails, so the replay misses a step: what follows belongs to another episode."""

    class Failing(gym.Wrapper[Any, Any, Any, Any]):
        steps = 0

        def step(self, action: Any) -> Any:
            moved = super().step(action)
            Failing.steps += 1
            if Failing.steps == 25:
                raise RuntimeError("a cable came loose")
            return moved

    settings = SMALL | {"seeds": 1, "num_envs": 1, "eval_every": 0}
    agent = maxent.SAC(Failing(gym.make("Pendulum-v1")), **settings)
    with pytest.raises(RuntimeError, match="a cable came loose"):
        agent.learn(40)
    assert agent.num_timesteps == 24
    agent.learn(20)
    trainer = agent._trainer
    assert trainer is not None
    kinds = trainer.replay.columns["kind"][0]
    assert kinds[24] == 3  # rows 0 to 23 are steps, row 24 the last observation before the failure, now a final one
    assert (kinds[:24] == 1).all()
    assert (kinds[25:45] == 1).all()


def test_two_cannot_write_one_folder(tmp_path: Path) -> None:
    agent = pendulum()
    agent.learn(20, run_dir=tmp_path / "run")
    other = RunFolder.open(tmp_path / "run")
    other.lock()
    with pytest.raises(UserError, match="another process"):
        agent.learn(20)
    other.unlock()
    agent.learn(20)


def test_a_replay_beyond_all_memory_is_a_sentence() -> None:
    with pytest.raises(UserError, match="smaller buffer_size"):
        maxent.SAC("Pendulum-v1", buffer_size=10**15, verbose=False)


@pytest.mark.parametrize("module", ["training.collector", "engine.learner", "algorithms.sac", "opening"])
def test_any_module_can_be_imported_first(module: str) -> None:
    """`from maxent import algorithms` looks for the name in the package before it imports the module."""
    subprocess.run([sys.executable, "-c", f"import maxent.{module}; maxent.SAC"], check=True)
