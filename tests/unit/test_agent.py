"""The Python API."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from faults import Killed
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from short_runs import SMALL, pendulum

import maxent
from maxent.agent import Agent, load_policy, resume_run
from maxent.envs.seeds import evaluation_seed, training_seed
from maxent.errors import UserError
from maxent.runs.folder import RunFolder
from maxent.runs.tensors import read_tensors
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


class Seeing(gym.Env[Any, Any]):
    """A Dict observation with a picture; actions from −1 to 3, and any state is as good as another."""

    observation_space = spaces.Dict(
        {"eye": spaces.Box(0, 255, (2, 2), np.uint8), "speed": spaces.Box(-np.inf, np.inf, (3,), np.float64)}
    )
    action_space = spaces.Box(-1.0, 3.0, (2,), np.float64)
    metadata = {"render_modes": []}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, length: int = 10) -> None:
        self.length, self.time = length, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.time += 1
        return self.observe(), float(action[0]), self.time == self.length, False, {}

    def observe(self) -> dict[str, np.ndarray]:
        return {
            "eye": self.np_random.integers(0, 256, (2, 2), np.uint8),
            "speed": self.np_random.normal(size=3),
        }


class Choosing(gym.Env[Any, Any]):
    """An environment with discrete actions."""

    observation_space = spaces.Box(-1.0, 1.0, (1,))
    action_space = spaces.Discrete(3)


class Unbounded(Choosing):
    """An environment with actions as large as one likes."""

    action_space = spaces.Box(-np.inf, np.inf, (1,))


def seeing(**settings: Any) -> Agent:
    return maxent.SAC(Seeing, **SMALL | settings)


OBS = np.array([[0.5, -0.5, 1.0], [1.0, 0.0, -8.0], [-1.0, 0.0, 8.0]], np.float32)  # of Pendulum


def assert_equal_agents(agent: Agent, other: Agent) -> None:
    own, others = agent._learner.state, other._learner.state
    assert own.keys() == others.keys()
    for name, tensor in own.items():
        assert torch.equal(tensor, others[name]), name


class TestPredict:
    def test_the_best_action_of_one_observation_and_of_several(self) -> None:
        agent = pendulum(seeds=2)
        several, state = agent.predict(OBS, deterministic=True, member=1)
        assert state is None
        assert (several.shape, several.dtype) == ((3, 1), np.float32)
        for obs, action in zip(OBS, several, strict=True):
            one, _ = agent.predict(obs, deterministic=True, member=1)
            assert one.shape == (1,)
            np.testing.assert_allclose(one, action, rtol=1e-6)

    def test_the_best_action_is_that_of_the_network(self, tmp_path: Path) -> None:
        """2 tanh(μ(s)), with μ computed by hand from the policy's file."""
        pendulum(seeds=2).learn(30, run_dir=tmp_path / "run")
        file = {
            name: tensor.numpy()[1] for name, tensor in read_tensors(tmp_path / "run/last/policy.safetensors").items()
        }
        hidden = OBS
        for layer in ("layer_0", "layer_1"):
            hidden = np.maximum(hidden @ file[f"actor/{layer}.weight"] + file[f"actor/{layer}.bias"], 0.0)
        mean = (hidden @ file["actor/layer_2.weight"] + file["actor/layer_2.bias"])[:, :1]
        actions, _ = maxent.load(tmp_path / "run" / "last").predict(OBS, deterministic=True, member=1)
        np.testing.assert_allclose(actions, 2.0 * np.tanh(mean), rtol=1e-5)

    def test_exploring_actions_vary_and_follow_the_seed(self) -> None:
        obs = np.tile(OBS[:1], (2000, 1))
        one, again, other = (pendulum(seed=seed).predict(obs)[0] for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()
        assert one.std() > 0.1
        assert np.abs(one).max() <= 2.0

    def test_the_positions_of_the_arguments_are_those_of_stable_baselines3(self) -> None:
        agent = pendulum()
        actions, state = agent.predict(OBS, "state", np.ones(3, np.bool_), True)
        np.testing.assert_array_equal(actions, agent.predict(OBS, deterministic=True)[0])
        assert state == "state"

    def test_a_dict_with_a_picture(self) -> None:
        agent, env = seeing(), Seeing()
        one = env.reset(seed=0)[0]
        several = {name: np.stack([array, array]) for name, array in one.items()}
        action, actions = (agent.predict(obs, deterministic=True)[0] for obs in (one, several))
        assert env.action_space.contains(action)
        assert actions.shape == (2, 2)
        np.testing.assert_allclose(actions, [action, action], rtol=1e-6)

    @pytest.mark.parametrize(
        ("agent", "obs", "message"),
        [
            (pendulum, np.zeros(4), r"expected 1 of shape \(3,\), got an array of shape \(4,\)"),
            (pendulum, np.zeros((2, 4)), r"expected 2 of shape \(3,\), got an array of shape \(2, 4\)"),
            (seeing, np.zeros(7), "expected a dict with the entry 'eye', got ndarray"),
            (seeing, {"speed": np.zeros(3)}, r"expected a dict with the entry 'eye', got the keys \['speed'\]"),
            (seeing, {"eye": np.zeros((2, 2))}, r"expected a dict with the entry 'speed', got the keys \['eye'\]"),
        ],
    )
    def test_another_observation_is_refused(self, agent: Callable[[], Agent], obs: Any, message: str) -> None:
        with pytest.raises(UserError, match=message):
            agent().predict(obs)

    @pytest.mark.parametrize("member", [-1, 2])
    def test_there_are_only_so_many_members(self, member: int) -> None:
        with pytest.raises(UserError, match=f"member: expected 0 to 1, got {member}"):
            pendulum(seeds=2).predict(OBS, member=member)

    def test_it_follows_the_agent_as_it_learns(self) -> None:
        agent = pendulum()
        before, _ = agent.predict(OBS, deterministic=True)
        agent.learn(60)
        after, _ = agent.predict(OBS, deterministic=True)
        assert (before != after).all()


class TestBestMember:
    def test_by_evaluation_then_by_training_then_the_first(self) -> None:
        agent = pendulum(seeds=3)
        trainer = agent._trainer
        assert trainer is not None
        assert agent.best_member() == 0
        for member, ret in ((0, -3.0), (1, -1.0), (2, -2.0)):
            trainer.window.add_episode(member, ret, 1)
        assert agent.best_member() == 1
        trainer.best_score[:] = -30.0, -20.0, -10.0
        assert agent.best_member() == 2
        np.testing.assert_array_equal(
            agent.predict(OBS, deterministic=True)[0], agent.predict(OBS, deterministic=True, member=2)[0]
        )

    def test_a_member_without_an_episode_is_not_the_best(self) -> None:
        agent = pendulum(seeds=2)
        assert agent._trainer is not None
        agent._trainer.window.add_episode(1, -100.0, 1)
        assert agent.best_member() == 1

    @pytest.mark.parametrize("eval_every", [0, 50])
    def test_every_file_knows_it(self, tmp_path: Path, eval_every: int) -> None:
        """By training returns where nothing was evaluated, for the agent, its run, its policies and its checkpoint."""
        agent = pendulum(seeds=3, eval_every=eval_every).learn(100, run_dir=tmp_path / "run")
        trainer = agent._trainer
        assert trainer is not None
        best = agent.best_member()
        scores = trainer.best_score if eval_every else trainer.window.returns()
        assert best == np.argmax(scores)
        assert len(set(scores)) == 3
        loaded = [maxent.load(tmp_path / "run" / name, verbose=False) for name in ("", "best", "last")]
        shutil.rmtree(tmp_path / "run" / "last")
        loaded.append(load_policy(tmp_path / "run", "last"))
        assert [other.best_member() for other in loaded] == [best] * 4


class TestSaving:
    def test_learning_on_equals_never_having_saved(self, tmp_path: Path) -> None:
        settings = {"seeds": 2, "num_envs": 2, "n_step": 3, "eval_every": 0}
        agent = pendulum(**settings).learn(84)
        agent.save(tmp_path / "agent")
        loaded = maxent.load(tmp_path / "agent", verbose=False)
        assert loaded.num_timesteps == 84
        assert_equal_agents(loaded, agent)
        for again in (agent, loaded):
            again.learn(60)
            assert again.num_timesteps == 144
        assert_equal_agents(loaded, agent)

    def test_an_agent_that_has_learned_nothing(self, tmp_path: Path) -> None:
        agent = pendulum(eval_every=0)
        agent.save(tmp_path / "agent")
        loaded = maxent.load(tmp_path / "agent", verbose=False)
        assert_equal_agents(loaded, agent)
        assert_equal_agents(loaded.learn(50), agent.learn(50))

    def test_without_replay(self, tmp_path: Path) -> None:
        """Small, with all that was learned; and it learns on."""
        agent = pendulum().learn(60)
        agent.save(tmp_path / "agent", replay=False)
        assert not (tmp_path / "agent" / "replay").exists()
        loaded = maxent.load(tmp_path / "agent", verbose=False)
        assert_equal_agents(loaded, agent)
        before = loaded._learner.state["actor"].clone()
        loaded.learn(40)
        assert loaded.num_timesteps == 100
        assert torch.isfinite(loaded._learner.state["actor"]).all()
        assert (loaded._learner.state["actor"] != before).any()

    def test_it_replaces_a_saved_agent_and_nothing_else(self, tmp_path: Path) -> None:
        agent = pendulum()
        agent.save(tmp_path / "deep" / "agent")
        agent.learn(40)
        agent.save(tmp_path / "deep" / "agent")
        assert maxent.load(tmp_path / "deep" / "agent", verbose=False).num_timesteps == 40
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["agent"]
        (tmp_path / "thesis").mkdir()
        with pytest.raises(UserError, match="thesis holds something else than a saved agent: choose another folder"):
            agent.save(tmp_path / "thesis")

    def test_a_run_is_loaded_with_all_it_needs(self, tmp_path: Path) -> None:
        agent = pendulum(seeds=2, eval_every=0).learn(60, run_dir=tmp_path / "run")
        loaded = maxent.load(tmp_path / "run", verbose=False)
        assert_equal_agents(loaded.learn(40), agent.learn(40))

    def test_an_agent_of_a_factory_needs_its_environment(self, tmp_path: Path) -> None:
        agent = seeing(eval_every=0).learn(60)
        agent.save(tmp_path / "agent")
        with pytest.raises(
            UserError, match=r"trained on Seeing, which only its own program can make: load it there with"
        ):
            maxent.load(tmp_path / "agent")
        loaded = maxent.load(tmp_path / "agent", Seeing, verbose=False)
        assert_equal_agents(loaded.learn(30), agent.learn(30))

    def test_another_environment_is_refused(self, tmp_path: Path) -> None:
        pendulum().save(tmp_path / "agent")
        with pytest.raises(UserError, match="Seeing has other observations or actions than the run in"):
            maxent.load(tmp_path / "agent", Seeing)

    def test_there_must_be_something(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="holds no run"):
            maxent.load(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished") / "run"
    pendulum(seeds=2).learn(100, run_dir=run)
    return run


class TestPolicies:
    def test_the_last_policy_acts_as_the_agent_did(self, finished: Path) -> None:
        whole, last = maxent.load(finished, verbose=False), maxent.load(finished / "last")
        for member in range(2):
            actions = [agent.predict(OBS, deterministic=True, member=member)[0] for agent in (whole, last)]
            np.testing.assert_array_equal(*actions)

    def test_the_best_policy_has_the_best_score(self, finished: Path) -> None:
        """Evaluated as the run did it, on the same episodes, it returns what the run noted as its best."""
        whole, best = maxent.load(finished, verbose=False), load_policy(finished, "best")
        assert whole._trainer is not None
        np.testing.assert_allclose(best.evaluate(SMALL["eval_episodes"], seed=0).mean, whole._trainer.best_score)

    def test_a_policy_alone_cannot_learn(self, finished: Path, tmp_path: Path) -> None:
        policy = maxent.load(finished / "best")
        assert (policy.members, policy.num_timesteps) == (2, 0)
        for act in (lambda: policy.learn(10), lambda: policy.save(tmp_path / "x")):
            with pytest.raises(UserError, match="loaded as a policy alone: it acts, and cannot learn on or be saved"):
                act()
        policy.close()

    def test_a_policy_alone_needs_an_environment_to_play_in(self, finished: Path) -> None:
        with pytest.raises(UserError, match=r"no environment that it could make another one of: load it with env="):
            maxent.load(finished / "best").evaluate(1)
        result = maxent.load(finished / "best", "Pendulum-v1").evaluate(1)
        assert result.lengths.tolist() == [[200], [200]]

    def test_in_another_environment_it_does_not_play(self, finished: Path) -> None:
        with pytest.raises(UserError, match="Seeing has other observations or actions than this agent knows"):
            maxent.load(finished / "best", Seeing).evaluate(1)

    def test_reading_a_policy_changes_nothing(self, finished: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
        for which in ("best", "last"):
            load_policy(finished, which).evaluate(1)
        assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


class TestCutOffRuns:
    """What `eval` and `play` take from a run that was killed, or is still under way."""

    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Killed at step 70 with checkpoints of steps 30 and 60, and with an evaluation at 50."""
        advance = Trainer._advance

        def deadly(trainer: Trainer) -> None:
            if trainer.step == 70:
                raise Killed
            advance(trainer)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_advance", deadly)
            with pytest.raises(Killed):
                pendulum(seeds=2).learn(100, run_dir=tmp_path / "run")
        return tmp_path / "run"

    def test_the_policies_are_those_of_its_checkpoint(self, run: Path) -> None:
        assert not (run / "last").exists()
        trainer = maxent.load(run, verbose=False)._trainer
        assert trainer is not None
        assert torch.equal(load_policy(run, "last")._learner.state["actor"], trainer.learner.state["actor"])
        assert torch.equal(load_policy(run, "best")._learner.state["actor"], trainer.best["actor"])
        assert not torch.equal(trainer.best["actor"], trainer.learner.state["actor"])

    def test_the_best_of_a_member_that_was_never_evaluated_is_its_last(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Trainer, "_finish", lambda trainer, folder: trainer.save(folder.checkpoints))
        agent = pendulum(eval_every=0).learn(60, run_dir=tmp_path / "run")
        best = load_policy(tmp_path / "run", "best")
        assert torch.equal(best._learner.state["actor"], agent._learner.state["actor"])

    def test_older_policies_are_not_taken_for_newer_ones(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The run goes on to its end, then further, and is killed there: its policies are those of the end before."""
        resume_run(run, verbose=False)
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_finish", lambda *_: None)
            resume_run(run, steps=130, verbose=False)
        old, whole = maxent.load(run / "last"), maxent.load(run, verbose=False)
        assert whole.num_timesteps == 120
        assert not torch.equal(old._learner.state["actor"], whole._learner.state["actor"])
        assert torch.equal(load_policy(run, "last")._learner.state["actor"], whole._learner.state["actor"])

    def test_before_the_first_checkpoint_there_is_none(self, run: Path) -> None:
        shutil.rmtree(run / "checkpoints")
        with pytest.raises(UserError, match="has no policy yet: the run was cut off before its first checkpoint"):
            load_policy(run, "last")

    def test_a_policy_folder_is_its_own_run(self, run: Path) -> None:
        resume_run(run, verbose=False)
        assert load_policy(run / "best", "last", "Pendulum-v1").evaluate(1).returns.shape == (2, 1)


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
        assert np.isneginf(agent._trainer.best_score).all()
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
        assert trainer.transitions == (4 * 30 - 18 if mode is AutoresetMode.NEXT_STEP else 4 * 30)
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
            ({"zzz": 1}, r"sac has no setting 'zzz'\."),
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
        assert agent._trainer.config.batch_size == 17
        assert agent._recipe

    def test_without_a_recipe_there_is_a_sentence(self) -> None:
        with pytest.raises(UserError, match="no recipe for sac on Nowhere-v0: `maxent list recipes` shows"):
            maxent.SAC.from_recipe("Nowhere-v0")


class TestInterruption:
    @pytest.fixture(autouse=True)
    def interrupted_at_40(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        advance = Trainer._advance

        def interrupted(trainer: Trainer) -> None:
            if trainer.step == 40:
                os.kill(os.getpid(), signal.SIGINT)
            advance(trainer)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_advance", interrupted)
            yield

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
    with pytest.raises(UserError, match=rf"Training diverged by step \d+ \({what}.* not finite\): try a smaller"):
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


def test_a_replay_left_behind_has_to_fill_before_updates_go_on(tmp_path: Path) -> None:
    settings = SMALL | {"learning_starts": 20, "replay_ratio": 1.0, "seeds": 1, "num_envs": 1, "eval_every": 0}
    agent = maxent.SAC("Pendulum-v1", **settings)
    agent.learn(30)
    agent.save(tmp_path / "small", replay=False)
    loaded = maxent.load(tmp_path / "small", verbose=False)
    trainer = loaded._trainer
    assert trainer is not None
    assert trainer.updates == 10
    loaded.learn(20)
    assert trainer.updates == 10
    loaded.learn(5)
    assert trainer.updates == 15


def test_two_cannot_write_one_folder(tmp_path: Path) -> None:
    agent = pendulum()
    agent.learn(20, run_dir=tmp_path / "run")
    other = RunFolder.open(tmp_path / "run")
    other.lock()
    with pytest.raises(UserError, match="another process"):
        agent.learn(20)
    other.unlock()
    agent.learn(20)


def test_what_was_made_already_cannot_be_asked_for(tmp_path: Path) -> None:
    agent = pendulum()
    agent.learn(20, run_dir=tmp_path / "run")
    with pytest.raises(UserError, match="has made 20 already"):
        resume_run(tmp_path / "run", steps=10, verbose=False)
    with pytest.raises(UserError, match="steps: expected"):
        agent.learn(0)


def test_a_run_without_its_checkpoints_is_not_begun_anew(tmp_path: Path) -> None:
    pendulum().learn(20, run_dir=tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(UserError, match="no checkpoint left"):
        resume_run(tmp_path / "run", verbose=False)


def test_a_damaged_config_is_a_sentence(tmp_path: Path) -> None:
    pendulum().learn(20, run_dir=tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    data = json.loads(path.read_text())
    del data["env"]
    path.write_text(json.dumps(data))
    for call in (lambda: maxent.load(tmp_path / "run"), lambda: load_policy(tmp_path / "run", "last")):
        if call is not None and (tmp_path / "run" / "last").exists():
            with pytest.raises(UserError, match="damaged or from another version"):
                call()


def test_a_replay_beyond_all_memory_is_a_sentence() -> None:
    with pytest.raises(UserError, match="smaller buffer_size"):
        maxent.SAC("Pendulum-v1", buffer_size=10**15, verbose=False)
