"""Command lines as people write them."""

import re

import pytest

from maxent import algorithms
from maxent.cli.train import ResumeCommand, _command
from maxent.cli.words import named, understood
from maxent.errors import UserError
from maxent.training.settings import records_of

TRAIN = _command(records_of(algorithms.find("sac")))


def words(text: str) -> list[str]:
    return understood(text.split(), TRAIN)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1000", "1000"), ("1e3", "1000"), ("1E3", "1000"), ("1.5e3", "1500"), ("20k", "20000"), ("1.5M", "1500000"),
        ("20,000", "20000"), ("1,000,000", "1000000"), ("2_000", "2000"), ("0.5k", "500"),
    ],
)  # fmt: skip
def test_forms_of_whole_numbers(text: str, number: str) -> None:
    assert words(f"--steps {text}") == ["--steps", number]
    assert words(f"--steps={text}") == ["--steps", number]


@pytest.mark.parametrize(
    "text",
    ["1.5", "1e-2", "1e-3", "1.0001k", "20,000.5", "0x10", "", "inf", "many", "1,2,3.5x", "1e3k", "1e3M", "None"],
)
def test_no_whole_number(text: str) -> None:
    with pytest.raises(UserError, match=rf"^--steps: expected .*whole number.*, got .*{text or 'none'}"):
        words(f"--steps={text}")


def test_a_negative_number_is_left_to_the_setting() -> None:
    assert words("--seed -1") == ["--seed", "-1"]


def test_none_where_it_is_allowed() -> None:
    assert words("--threads None") == ["--threads", "None"]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--batch-size", "64,128"), ("--batch-size", "64,128,256"), ("--batch-size", "64, 128"), ("--seed", "1,2"),
        ("--seed", "100,200"), ("--num-envs", "[1,2]"), ("--steps", "1000,2000"), ("--eval-every", "0,000"),
        ("--buffer_size", "10,20"),
    ],
)  # fmt: skip
def test_a_list_where_one_number_is_expected(option: str, text: str) -> None:
    with pytest.raises(UserError, match=f"^{option}: expected one whole number, got the list {re.escape(text)}"):
        words(f"{option} {text}")


@pytest.mark.parametrize(
    ("option", "text", "number"),
    [
        ("--buffer-size", "12,345", "12345"),
        ("--buffer_size", "1,250,000", "1250000"),
        ("--eval-every", "10,000", "10000"),
    ],
)
def test_commas_that_separate_thousands(option: str, text: str, number: str) -> None:
    assert words(f"{option} {text}") == [option, number]


@pytest.mark.parametrize("text", ["--lr 0.1 --learning-rate 0.2", "--steps 10 --total-timesteps 20"])
def test_a_setting_by_two_names_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"given twice, as .* and as .*; leave one of them out"):
        words(text)


@pytest.mark.parametrize("text", ["--env Tiny-v0 --seed 3", "--env-id Tiny-v0 --seed 3", "--seed 3 --env_id=Tiny-v0"])
def test_the_environment_by_its_name(text: str) -> None:
    assert words(text) == ["Tiny-v0", "--seed", "3"]
    assert understood(["--env-id", "mine:make"], ResumeCommand) == ["--env", "mine:make"]


@pytest.mark.parametrize(
    ("text", "got"), [("A-v0 --env B-v0", "A-v0 as well"), ("--env A-v0 --env-id B-v0", "twice"), ("--env", "got none")]
)
def test_two_environments_or_none(text: str, got: str) -> None:
    with pytest.raises(UserError, match=got):
        words(text)


def test_a_number_that_no_run_reaches_is_refused_before_it_is_written_out() -> None:
    with pytest.raises(UserError, match=r"below 10\^18"):
        words("--steps 1e999999999")


def test_numbers_with_fractions_are_left_alone() -> None:
    assert words("--learning-rate 1e-3 --gamma .99") == ["--learning-rate", "1e-3", "--gamma", ".99"]


@pytest.mark.parametrize("text", ["64 64", "64,64", "64, 64", "[64,64]", "(64, 64)", "64x64"])
def test_forms_of_lists(text: str) -> None:
    assert words(f"--hidden {text} --seed 1") == ["--hidden", "64", "64", "--seed", "1"]


@pytest.mark.parametrize("text", ["--hidden", "--hidden --seed 1", "--hidden big"])
def test_layers_without_units_are_no_policy(text: str) -> None:
    with pytest.raises(UserError, match=r"--hidden: expected whole numbers, such as --hidden 64 64, got (none|big)"):
        words(text)


@pytest.mark.parametrize("text", ["1,2,3", "1, 2, 3", "1 2 3", "[1,2,3]", "1,000,000"])
def test_a_list_of_seeds_is_explained(text: str) -> None:
    with pytest.raises(UserError, match=r"--seed 1 --seeds 3 trains the 3 seeds from 1 on"):
        words(f"Pendulum-v1 --seeds {text}")


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("--lr 0.1", ["--learning-rate", "0.1"]),
        ("--total-timesteps 1e4", ["--steps", "10000"]),
        ("--total_timesteps 5", ["--steps", "5"]),
        ("--ent-coef 0.2", ["--alpha", "0.2"]),
        ("--ent-coef auto_0.1", ["--alpha", "auto", "initial=0.1"]),
        ("--n-envs 4", ["--num-envs", "4"]),
    ],
)
def test_names_of_others(text: str, ours: list[str]) -> None:
    assert words(text) == ours


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("--policy-kwargs", "--hidden 64 64"),
        ("--gradient-steps", "--replay-ratio"),
        ("--tensorboard-log", "--run-dir"),
        ("--polyak", "tau = 1 − polyak"),
        ("--log-interval", "log_every counts environment steps"),
    ],
)
def test_names_without_the_same_meaning_are_answered_with_ours(option: str, instead: str) -> None:
    with pytest.raises(UserError, match=f"^{option}: .*{instead}"):
        words(f"Pendulum-v1 {option} 3")


@pytest.mark.parametrize(
    "text",
    [
        "--env-arg g=3 Pendulum-v1",
        "--hidden 64 64 Pendulum-v1",
        "--steps 20 Pendulum-v1",
        "--alpha auto target_entropy=-3 Pendulum-v1",
    ],
)
def test_the_environment_may_come_after_an_option_that_takes_several_words(text: str) -> None:
    assert words(text) == ["Pendulum-v1", *text.removesuffix(" Pendulum-v1").split()]


def test_another_command() -> None:
    assert understood(["--steps", "2k", "runs/x"], ResumeCommand) == ["runs/x", "--steps", "2000"]


def test_it_is_the_same_when_understood_twice() -> None:
    once = words("--env-arg g=3 Pendulum-v1 --steps 20k --hidden 64,64 --lr 1e-3 --quiet --no-recipe")
    assert understood(once, TRAIN) == once


def test_the_names_that_are_given() -> None:
    assert {"steps", "layer_norm"} <= named(["Pendulum-v1", "--steps", "3", "--no-layer-norm"])
    assert "hidden" not in named(["--steps", "3"])
