"""Calls of `learn` one after another, and settings by the names of other libraries."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_runs import SMALL

import maxent
from maxent.engine import update
from maxent.errors import UserError
from maxent.training.words import coefficient, in_our_words


def agent(**settings: Any) -> maxent.Agent:
    return maxent.SAC("Pendulum-v1", env_kwargs={"max_episode_steps": 25}, **SMALL | {"eval_every": 0} | settings)


def test_several_calls_print_one_header_and_write_one_event_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)
    one = agent(verbose=True, seeds=2)
    for _ in range(3):
        one.learn(20, run_dir=tmp_path / "run")
    said = capsys.readouterr().out
    for part in ("sac on Pendulum-v1: ", "replay: ", "layers: ", "updates: eager"):
        assert said.count(part) == 1, part
    assert said.count("step ") == 3
    for folder in ("", "member_0", "member_1"):
        (events,) = (tmp_path / "run" / "tensorboard" / folder).glob("events*")
        assert events.stat().st_size > 0


def test_another_folder_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)
    one = agent()
    one.learn(20, run_dir=tmp_path / "a")
    one.learn(20, run_dir=tmp_path / "b")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_updates_are_compiled_once_it_pays_over_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.5 updates a step after 20: 20 of them by step 60, 30 by step 80."""
    monkeypatch.setattr(update, "PAYS_OFF", 25)
    monkeypatch.setattr(update, "obstacle", lambda: "")
    one, compiled = agent(compile="auto"), []
    assert one._trainer is not None
    monkeypatch.setattr(update, "Compiled", lambda function, device, threads: function)
    for _ in range(4):
        one.learn(20)
        compiled.append(one._trainer.engine().mode.compiled)
    assert compiled == [False, False, False, True]


def test_the_reason_for_compiling_counts_the_updates_of_earlier_calls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0.5 updates a step after 20: 10 of them by step 40, and 20 further ones by step 80."""
    monkeypatch.setattr(update, "PAYS_OFF", 25)
    monkeypatch.setattr(update, "obstacle", lambda: "")
    monkeypatch.setattr(update, "Compiled", lambda function, device, threads: function)
    agent(compile="auto", verbose=True).learn(40).learn(40)
    said = capsys.readouterr().out
    assert "updates: eager, because 10 updates do not pay for compiling\n" in said
    assert "updates: compiled, because 20 updates after 10 pay for compiling if you go on like this\n" in said


def test_a_number_of_steps_may_be_written_as_a_float_or_by_another_name() -> None:
    one = agent()
    one.learn(2e1)
    one.learn(total_timesteps=np.float32(1e1))
    assert one.num_timesteps == 30


@pytest.mark.parametrize("kind", [float, np.float32, np.int64])
def test_whole_numbers_of_every_kind_are_settings(kind: type[Any], tmp_path: Path) -> None:
    numbers = {"buffer_size": 200, "batch_size": 16, "seed": 3, "seeds": 2, "threads": 1, "log_every": 40}
    one = agent(hidden=(kind(4), kind(4)), **{name: kind(value) for name, value in numbers.items()})
    assert one._trainer is not None
    plain = one._trainer.settings.to_plain()
    found = {**plain["run"], **plain["replay"], **plain["settings"]}
    assert {name: found[name] for name in numbers} == numbers
    assert found["hidden"] == [4, 4]
    assert {type(found[name]) for name in numbers} == {int}
    one.save(tmp_path / "saved")
    assert maxent.load(tmp_path / "saved", verbose=False).members == 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"buffer_size": 1e4 + 0.5}, "buffer_size: expected a whole number of at least 1, got 10000.5"),
        ({"batch_size": True}, "batch_size: expected a whole number of at least 1, got True"),
        ({"batch_size": float("inf")}, "batch_size: expected a whole number of at least 1, got inf"),
        ({"seed": 0.5}, "seed: expected a whole number of at least 0, got 0.5"),
    ],
)
def test_other_numbers_are_none(given: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=text):
        agent(**given)


@pytest.mark.parametrize("episodes", [2.0, np.int64(2)])
def test_episodes_of_an_evaluation(episodes: Any) -> None:
    assert agent().evaluate(episodes).returns.shape == (1, 2)


@pytest.mark.parametrize("episodes", [0, 2.5, "2"])
def test_what_is_no_number_of_episodes(episodes: Any) -> None:
    with pytest.raises(UserError, match=r"episodes: expected a whole number of at least 1, got"):
        agent().evaluate(episodes)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "learn: expected the number of steps, once"),
        ({"steps": 5, "total_timesteps": 5}, "once"),
        ({"steps": 5, "callback": print}, r"callback: pass learn\(steps, observers="),
        ({"steps": 5, "foo": 1}, "learn takes steps, run_dir and observers, got foo"),
        ({"steps": 1.5}, "steps"),
    ],
)
def test_what_learn_does_not_take(given: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=text):
        agent().learn(**given)


def test_settings_by_other_names() -> None:
    one = agent(lr=1e-4, ent_coef=0.3, n_envs=2)
    assert one._trainer is not None
    settings = one._trainer.settings
    assert settings.config.learning_rate == 1e-4
    assert settings.to_plain()["settings"]["alpha"] == 0.3
    assert settings.run.num_envs == 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"policy_kwargs": {"net_arch": [64]}}, r"policy_kwargs: the networks' layers are hidden=\(64, 64\)"),
        ({"polyak": 0.995}, "polyak: tau is the share of the new networks: tau = 1 − polyak"),
        ({"log_interval": 4}, "log_interval: log_every counts environment steps"),
        ({"target_entropy": -3}, "target_entropy: it is a setting of alpha auto"),
        ({"lr": 0.1, "learning_rate": 0.1}, "learning_rate: given twice, also as lr"),
    ],
)
def test_names_that_need_a_word(given: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=text):
        agent(**given)


def test_an_algorithm_that_has_a_setting_of_that_name_keeps_it() -> None:
    assert in_our_words({"lr": 1.0}, {"lr", "learning_rate"}) == {"lr": 1.0}


@pytest.mark.parametrize(
    ("value", "ours"),
    [("auto", "auto"), (0.2, 0.2), ("auto_0.1", {"kind": "auto", "initial": 0.1}), ("auto_x", "auto_x")],
)
def test_entropy_coefficients(value: Any, ours: Any) -> None:
    assert coefficient(value) == ours
