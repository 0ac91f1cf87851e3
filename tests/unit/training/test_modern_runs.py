"""Short runs of REDQ, DroQ, TQC, CrossQ, XQC and FlashSAC: resuming, planned schedules, and settings of the run."""

from pathlib import Path
from typing import Any

import pytest
from short_runs import SMALL, assert_equal, contents, killed_at

import maxent
from maxent.opening import open_trainer, resume_run
from maxent.runs.folder import RunFolder
from maxent.training.stop import Outcome

OWN: dict[str, dict[str, Any]] = {
    "REDQ": {"critics": 3, "policy_delay": 2},
    "DroQ": {"dropout": 0.2, "policy_delay": 2},
    "TQC": {"quantiles": 5},
    "CrossQ": {"critic_hidden": (9,), "policy_delay": 2},
    "XQC": {"critic_hidden": (9,), "policy_delay": 2, "atoms": 11},
    "FlashSAC": {"critic_hidden": (9,), "policy_delay": 2, "atoms": 11, "noise_repeat": 16},
}
STEPS = 100


def agent(name: str, **settings: Any) -> maxent.Agent:
    kwargs: dict[str, Any] = {"env_kwargs": {"max_episode_steps": 25}, **SMALL, **OWN[name], **settings}
    found: maxent.Agent = getattr(maxent, name)("Pendulum-v1", **kwargs)
    return found


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


@pytest.mark.parametrize("name", OWN)
def test_killed_and_resumed_it_is_the_run_that_never_stopped(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two members with two environments each; killed twice, between checkpoints and while noise is held."""
    wide: dict[str, Any] = {"seeds": 2, "num_envs": 2}
    agent(name, **wide).learn(STEPS, run_dir=tmp_path / "whole")
    run = tmp_path / "run"
    killed_at(monkeypatch, 44, lambda: agent(name, **wide).learn(STEPS, run_dir=run))
    killed_at(monkeypatch, 74, lambda: resume_run(run, verbose=False))
    assert resume_run(run, verbose=False) is Outcome.FINISHED
    assert_equal(contents(run), contents(tmp_path / "whole"))


@pytest.mark.parametrize("name", ["XQC", "FlashSAC"])
def test_the_horizon_is_planned_at_the_first_learning_and_kept(name: str, tmp_path: Path) -> None:
    """½ · (100 − 20) = 40 updates are planned; 60 more steps make 30 that have the last step size."""
    run = tmp_path / "run"
    own = agent(name)
    own.learn(STEPS, run_dir=run)
    assert own._trainer.settings.config.horizon == 40
    own.close()
    trainer = open_trainer(RunFolder.open(run), None, None, "quiet")
    trainer.extend(STEPS + 60)
    assert trainer.settings.config.horizon == 40
    assert trainer.settings.config.beyond(40) == ""
    assert "ends after 40 updates; the 30 after" in trainer.settings.config.beyond(70)
    trainer.close()
    resume_run(run, steps=STEPS + 60, verbose=False)
    trainer = open_trainer(RunFolder.open(run), None, None, "quiet")
    assert (trainer.updater.updates, trainer.settings.config.horizon) == (70, 40)
    trainer.close()


def test_a_horizon_that_is_given_stays() -> None:
    config = maxent.algorithms.find("xqc").config_class(horizon=7)  # type: ignore[call-arg]
    assert config.planned(40).horizon == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("redq", {"replay_ratio": 20.0, "learning_starts": 5_000}), ("droq", {"replay_ratio": 20.0}),
        ("crossq", {"learning_starts": 5_000}), ("xqc", {"replay_ratio": 2.0, "learning_starts": 5_000}),
        ("flash-sac", {"batch_size": 512, "learning_starts": 10_000}),
    ],
)  # fmt: skip
def test_the_papers_settings_of_the_run_are_defaults(name: str, expected: dict[str, Any]) -> None:
    defaults = maxent.algorithms.find(name).config_class.run_defaults
    assert {key: defaults[key] for key in expected} == expected
