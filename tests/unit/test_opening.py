"""Saving, loading and resuming: agents, runs and policies."""

import itertools
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from disk_faults import Disk, Killed
from odd_envs import Seeing
from short_runs import SMALL, killed_at, pendulum

import maxent
from maxent.agent import Agent
from maxent.errors import UserError
from maxent.opening import load_policy, resume_run
from maxent.training.trainer import Trainer


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def seeing(**settings: Any) -> Agent:
    return maxent.SAC(Seeing, **SMALL | settings)


OBS = np.array([[0.5, -0.5, 1.0], [1.0, 0.0, -8.0], [-1.0, 0.0, 8.0]], np.float32)  # of Pendulum


def assert_equal_agents(agent: Agent, other: Agent) -> None:
    own, others = agent._learner.state, other._learner.state
    assert own.keys() == others.keys()
    for name, tensor in own.items():
        assert torch.equal(tensor, others[name]), name


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
        with pytest.raises(UserError, match="thesis exists and has no file 'saved-agent': it is not replaced"):
            agent.save(tmp_path / "thesis")

    def test_a_run_is_loaded_with_all_it_needs(self, tmp_path: Path) -> None:
        agent = pendulum(seeds=2, eval_every=0).learn(60, run_dir=tmp_path / "run")
        loaded = maxent.load(tmp_path / "run", verbose=False)
        assert_equal_agents(loaded.learn(40), agent.learn(40))

    def test_an_agent_of_a_factory_needs_its_environment(self, tmp_path: Path) -> None:
        agent = seeing(eval_every=0).learn(60)
        agent.save(tmp_path / "agent")
        with pytest.raises(UserError, match=r"trained on Seeing, which a function .* made: name a function"):
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
        np.testing.assert_allclose(best.evaluate(SMALL["eval_episodes"], seed=0).mean, whole._trainer.best.score)

    def test_a_policy_alone_cannot_learn(self, finished: Path, tmp_path: Path) -> None:
        policy = maxent.load(finished / "best")
        assert (policy.members, policy.num_timesteps) == (2, 0)
        for act in (lambda: policy.learn(10), lambda: policy.save(tmp_path / "x")):
            with pytest.raises(UserError, match="loaded as a policy alone: it acts, and cannot learn on or be saved"):
                act()
        policy.close()

    def test_a_policy_of_a_run_plays_in_the_environment_of_the_run(self, finished: Path) -> None:
        """With its arguments: episodes of 25 steps."""
        assert maxent.load(finished / "best").evaluate(1).lengths.tolist() == [[25], [25]]
        assert maxent.load(finished / "best", "Pendulum-v1").evaluate(1).lengths.tolist() == [[200], [200]]

    def test_a_policy_alone_needs_an_environment_to_play_in(self, finished: Path, tmp_path: Path) -> None:
        """As one whose folder was copied, and one whose environment would import a module."""
        shutil.copytree(finished / "best", tmp_path / "alone")
        with pytest.raises(UserError, match=r"no environment that it could make another one of: load it with env="):
            maxent.load(tmp_path / "alone").evaluate(1)
        run = Path(shutil.copytree(finished, tmp_path / "run"))
        config = json.loads((run / "config.json").read_text())
        config["env"]["source"] = {"id": "not_imported_yet:Env-v0", "kwargs": {}}
        (run / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match="no environment that it could make another one of"):
            maxent.load(run / "best").evaluate(1)
        assert "not_imported_yet" not in sys.modules

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
        killed_at(monkeypatch, 70, lambda: pendulum(seeds=2).learn(100, run_dir=tmp_path / "run"))
        return tmp_path / "run"

    def test_the_policies_are_those_of_its_checkpoint(self, run: Path) -> None:
        assert not (run / "last").exists()
        trainer = maxent.load(run, verbose=False)._trainer
        assert trainer is not None
        assert torch.equal(load_policy(run, "last")._learner.state["actor"], trainer.learner.state["actor"])
        assert torch.equal(load_policy(run, "best")._learner.state["actor"], trainer.best.policy()["actor"])
        assert not torch.equal(trainer.best.policy()["actor"], trainer.learner.state["actor"])

    def test_the_best_of_a_member_that_was_never_evaluated_is_its_last(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Trainer, "_finish", lambda trainer, _, folder: trainer.save(folder.checkpoints))
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


def test_a_replay_left_behind_has_to_fill_before_updates_go_on(tmp_path: Path) -> None:
    settings = SMALL | {"learning_starts": 20, "replay_ratio": 1.0, "seeds": 1, "num_envs": 1, "eval_every": 0}
    agent = maxent.SAC("Pendulum-v1", **settings)
    agent.learn(30)
    agent.save(tmp_path / "small", replay=False)
    loaded = maxent.load(tmp_path / "small", verbose=False)
    trainer = loaded._trainer
    assert trainer is not None
    assert trainer.updater.updates == 10
    loaded.learn(20)
    assert trainer.updater.updates == 10
    loaded.learn(5)
    assert trainer.updater.updates == 15


def test_what_was_made_already_cannot_be_asked_for(tmp_path: Path) -> None:
    agent = pendulum()
    agent.learn(20, run_dir=tmp_path / "run")
    with pytest.raises(UserError, match="has made 20 already, got 10"):
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
        with pytest.raises(UserError, match=r"config\.json: expected the entries .*env.*; it is damaged"):
            call()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the dead leave files open
def test_an_agent_survives_a_kill_at_any_moment_of_saving_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent of step 20 is replaced by that of step 30: one of them can be loaded, first the old, then the new."""
    settings = {"learning_starts": 8, "eval_every": 0}
    old, new = pendulum(**settings).learn(20), pendulum(**settings).learn(30)
    saved = tmp_path / "saved"
    old.save(saved)
    found: list[int] = []
    for fatal in itertools.count():
        path, killed = tmp_path / str(fatal) / "agent", False
        shutil.copytree(saved, path)
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            try:
                new.save(path)
            except Killed:
                killed = True
        loaded = maxent.load(path, verbose=False)
        found.append(loaded.num_timesteps)
        assert_equal_agents(loaded, old if loaded.num_timesteps == 20 else new)
        new.save(path)  # over what may be there
        assert maxent.load(path, verbose=False).num_timesteps == 30
        assert [one.name for one in path.parent.iterdir()] == ["agent"]
        if not killed:
            break
    assert len(found) > 12
    assert found == sorted(found)
    assert set(found) == {20, 30}


def test_a_first_save_that_is_killed_leaves_nothing_to_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = pendulum(eval_every=0)
    for fatal in (0, 3, 7):
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            with pytest.raises(Killed):
                agent.save(tmp_path / "agent")
        with pytest.raises(UserError, match="holds no run"):
            maxent.load(tmp_path / "agent", verbose=False)
    agent.save(tmp_path / "agent")
    assert maxent.load(tmp_path / "agent", verbose=False).num_timesteps == 0
    assert [one.name for one in tmp_path.iterdir()] == ["agent"]
