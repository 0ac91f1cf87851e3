"""An algorithm in a user's module works without an edit anywhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mixed_sac
import numpy as np
import pytest
import torch
from mixed_sac import MySAC, MySACConfig
from short_runs import SMALL, assert_equal, contents, killed_at, metrics, tensors

import maxent
from maxent import algorithms
from maxent.agent import agent_class
from maxent.batch import Batch
from maxent.errors import UserError
from maxent.opening import load_policy, resume_run

HERE = Path(__file__).parent
OBS = np.array([[0.5, -0.5, 1.0], [1.0, 0.0, -8.0]], np.float32)  # of Pendulum
WIDE: dict[str, Any] = {"seeds": 2, "num_envs": 2, "n_step": 3, "learning_starts": 40}


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def own(**settings: Any) -> maxent.Agent:
    """Return an agent of the user's algorithm on Pendulum with episodes of 25 steps."""
    chosen = {"algorithm": MySAC, **SMALL, **settings}
    return maxent.Agent("Pendulum-v1", env_kwargs={"max_episode_steps": 25}, **chosen)


@pytest.mark.parametrize("algorithm", [MySAC, "mixed_sac:MySAC"])
def test_it_is_named_by_its_class_or_by_its_module(algorithm: Any) -> None:
    agent = own(algorithm=algorithm, optimism=0.5).learn(60)
    learner = agent._learner
    assert isinstance(learner.algorithm, MySAC)
    assert isinstance(learner.config, MySACConfig)
    assert (agent.name, learner.config.optimism, learner.algorithm.optimism) == ("my-sac", 0.5, 0.5)
    assert agent.predict(OBS, deterministic=True)[0].shape == (2, 1)
    assert agent.q(OBS, np.zeros((2, 1), np.float32)).shape == (2,)


def test_a_module_that_was_not_imported_is_imported_by_its_name() -> None:
    """The user names it, so it may be: in a process of its own."""
    done = run("agent = maxent.Agent('Pendulum-v1', algorithm='mixed_sac:MySAC', verbose=False); print(agent.name)")
    assert done.stdout.strip() == "my-sac"


def test_it_has_a_python_class_of_its_own() -> None:
    kind = agent_class(MySAC)
    assert kind.__name__ == "MySAC"
    assert agent_class(algorithms.find("sac")).__name__ == "SAC"
    agent = kind("Pendulum-v1", optimism=0.1, **SMALL)
    assert agent.name == "my-sac"
    assert "my-sac" not in algorithms.built_in()
    assert not hasattr(maxent, "MySAC")


def test_its_setting_is_checked_by_its_own_record() -> None:
    with pytest.raises(UserError, match=r"optimism: expected a number from 0 to 1, got 2\.0"):
        own(optimism=2.0)
    with pytest.raises(UserError, match="my-sac has no setting 'optimismus'; did you mean optimism"):
        own(optimismus=0.5)
    with pytest.raises(UserError, match="sac has no setting 'optimism'"):
        maxent.SAC("Pendulum-v1", optimism=0.5, verbose=False)


def test_its_target_is_its_own() -> None:
    """The targets exceed SAC's by γ o (mean Q − min Q), and without o they are SAC's."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(2, *shape, generator=generator)  # noqa: E731
    batch = Batch(draw(8, 3), draw(8, 1).tanh(), draw(8), torch.full((2, 8), 0.9), draw(8, 3))
    noise = {"next_action": draw(8, 1)}
    agents = {share: own(seeds=2, optimism=share)._learner for share in (0.0, 0.5, 1.0)}
    targets = {
        share: learner.algorithm.td_target(learner.state, batch, noise)  # type: ignore[attr-defined]
        for share, learner in agents.items()
    }
    sac = maxent.SAC("Pendulum-v1", seeds=2, **SMALL)._learner
    algorithm: Any = sac.algorithm
    torch.testing.assert_close(targets[0.0], algorithm.td_target(sac.state, batch, noise))
    action, _ = algorithm.actor(sac.state, batch.next_obs).sample(noise["next_action"])
    q = algorithm.critics(sac.state, batch.next_obs, action, target=True)  # [P, E, B]
    gap = q.mean(1) - q.amin(1)
    assert (gap > 1e-3).all()
    torch.testing.assert_close(targets[1.0] - targets[0.0], 0.9 * gap, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(targets[0.5] - targets[0.0], 0.45 * gap, atol=1e-5, rtol=1e-4)


def test_three_members_equal_three_alone() -> None:
    """A tenth of one of Adam's steps of 3e-4 is left for rounding."""
    population = own(seed=5, seeds=3).learn(80)
    assert population._trainer is not None
    assert population._trainer.updater.updates == 30
    for member in range(3):
        alone = own(seed=5 + member).learn(80)
        for name in ("actor", "critic", "target_critic", "log_alpha", "critic.adam_v"):
            ours, theirs = population._learner.state[name][member], alone._learner.state[name][0]
            torch.testing.assert_close(ours, theirs, atol=3e-5, rtol=1e-4)
    actor = population._learner.state["actor"]
    assert not torch.allclose(actor[0], actor[1], atol=1e-2)


def test_compiled_it_learns_the_same() -> None:
    eager, compiled = (own(seeds=2, compile=mode).learn(60) for mode in ("off", "on"))
    assert compiled._trainer is not None
    assert compiled._trainer.engine().mode.compiled
    for name, tensor in eager._learner.state.items():
        if not name.startswith("metric"):
            torch.testing.assert_close(compiled._learner.state[name], tensor, atol=3e-5, rtol=1e-4)


def test_killed_and_resumed_it_is_the_run_that_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    own(**WIDE, optimism=0.6).learn(160, run_dir=whole)
    killed_at(monkeypatch, 74, lambda: own(**WIDE, optimism=0.6).learn(160, run_dir=folder))
    killed_at(monkeypatch, 118, lambda: resume_run(folder, verbose=False))
    resume_run(folder, algorithm="mixed_sac:MySAC", verbose=False)
    assert_equal(contents(folder), contents(whole))
    assert np.abs(tensors(whole)["checkpoint/learner/critic.adam_v/layer_0.weight"]).sum() > 0.0


def test_its_metric_is_in_the_files(tmp_path: Path) -> None:
    own().learn(80, run_dir=tmp_path / "run")
    rows = metrics(tmp_path / "run")
    spread = {int(row["step"]): float(row["train/critic_spread"] or "nan") for row in rows}
    assert {step for step, value in spread.items() if value > 0.0} == {40, 60, 80}  # rows after updates
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["learner"]["algorithm"] == "mixed_sac:MySAC"
    assert config["learner"]["settings"]["optimism"] == 0.25


def test_saved_and_loaded_it_learns_on(tmp_path: Path) -> None:
    agent = own(optimism=0.6, eval_every=0).learn(60)
    agent.save(tmp_path / "agent")
    loaded = maxent.load(tmp_path / "agent", verbose=False)
    assert isinstance(loaded._learner.algorithm, MySAC)
    assert type(loaded) is agent_class(MySAC)
    for one in (agent, loaded):
        one.learn(40)
    for name, tensor in agent._learner.state.items():
        assert torch.equal(tensor, loaded._learner.state[name]), name


def run(script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, which has not imported the user's module but can."""
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", f"import maxent\n{script}"],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=check,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    own(optimism=0.6).learn(60, run_dir=folder)
    return folder


@pytest.mark.parametrize("part", ["", "best"])
def test_a_file_alone_imports_nothing(finished: Path, part: str) -> None:
    done = run(
        "import sys\n"
        f"try: maxent.load({str(finished / part)!r}, verbose=False)\n"
        "except maxent.UserError as error: print(error)\n"
        "print('mixed_sac' in sys.modules)"
    )
    message, imported = done.stdout.strip().splitlines()
    assert imported == "False"
    assert "The algorithm mixed_sac:MySAC is not part of maxent" in message
    assert "`--algo mixed_sac:MySAC`, or `import mixed_sac` in Python" in message


@pytest.mark.parametrize("name", ["algorithm='mixed_sac:MySAC'", "algorithm=__import__('mixed_sac').MySAC"])
def test_named_by_its_user_it_is_loaded_and_learns_on(finished: Path, name: str) -> None:
    done = run(
        f"agent = maxent.load({str(finished)!r}, {name}, verbose=False)\n"
        f"policy = maxent.load({str(finished / 'best')!r}, {name}, verbose=False)\n"
        "print(agent.name, policy.name, agent.learn(20).num_timesteps)"
    )
    assert done.stdout.split() == ["my-sac", "my-sac", "80"]


def test_another_algorithm_than_the_file_has_is_refused(finished: Path) -> None:
    for given in ("sac", "mixed_sac:Other", algorithms.find("sac")):
        with pytest.raises(
            UserError, match=r"algorithm: this agent was trained with mixed_sac:MySAC, got (sac|mixed_sac)"
        ):
            maxent.load(finished, algorithm=given, verbose=False)
        with pytest.raises(UserError, match="this agent was trained with mixed_sac:MySAC"):
            load_policy(finished, "last", algorithm=given)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mixed_sac:Missing", r"mixed_sac:Missing: expected a class derived from .* got None"),
        ("mixed_sac:MySACConfig", "mixed_sac:MySACConfig: expected a class derived from"),
        ("mixed_sac:Nameless", "mixed_sac:Nameless: expected a class .* with a `name` of its own"),
        ("no_such_module:MySAC", "no_such_module:MySAC: the module 'no_such_module' cannot be imported"),
        ("my-sac", "Unknown algorithm 'my-sac': choose one of .*, or name your own as module:Class"),
    ],
)
def test_what_is_no_algorithm_is_a_sentence(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        maxent.Agent("Pendulum-v1", algorithm=name, verbose=False)


def test_a_class_without_a_name_of_its_own_is_refused() -> None:
    """Its files could not say which algorithm they are of."""
    with pytest.raises(UserError, match=r"Nameless.*`name` of its own"):
        maxent.Agent("Pendulum-v1", algorithm=mixed_sac.Nameless, verbose=False)


@pytest.mark.parametrize("name", ["os:system", "subprocess:Popen", "json:loads"])
def test_a_file_cannot_name_other_objects(tmp_path: Path, name: str) -> None:
    own().learn(20, run_dir=tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    config["learner"]["algorithm"] = name
    path.write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"{name}: expected a class derived from"):
        maxent.load(tmp_path / "run", verbose=False)
