"""Recipes as the start of a run: what is given wins, and ids without a version find theirs."""

from typing import Any

import gymnasium as gym
import pytest
import tiny_world  # noqa: F401 - registers Small-v0 and Small-v3
from gymnasium.wrappers import RecordEpisodeStatistics

import maxent
from maxent import algorithms, recipes
from maxent.errors import UserError
from maxent.nn.layers import Linear, ReLU
from maxent.tuned import complete_id, tuned

SAC = recipes.find("Pendulum-v1", "sac")
assert SAC is not None
RECIPE = SAC.settings


def settings_of(agent: maxent.Agent) -> dict[str, Any]:
    assert agent._trainer is not None
    plain = agent._trainer.settings.to_plain()
    return {**plain["settings"], **plain["run"], **plain["replay"]}


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_an_agent_starts_from_the_recipe() -> None:
    agent = maxent.SAC("Pendulum-v1", verbose=False)
    found = settings_of(agent)
    assert {name: found[name] for name in RECIPE} == {name: plain(value) for name, value in RECIPE.items()}
    assert (
        found["learning_rate"] != settings_of(maxent.SAC("Pendulum-v1", recipe=False, verbose=False))["learning_rate"]
    )


def test_what_is_given_wins_also_where_it_is_the_default_without_a_recipe() -> None:
    default = settings_of(maxent.SAC("Pendulum-v1", recipe=False, verbose=False))
    given = {name: default[name] for name in ("learning_rate", "buffer_size", "eval_every")}
    found = settings_of(maxent.SAC("Pendulum-v1", verbose=False, **given))
    assert {name: found[name] for name in given} == given
    assert found["hidden"] == list(RECIPE["hidden"])


def test_without_the_recipe_defaults_are_those_of_an_environment_that_has_none() -> None:
    bare = settings_of(maxent.SAC("Pendulum-v1", recipe=False, verbose=False))
    unknown = settings_of(maxent.SAC("tiny_world:Tiny-v0", verbose=False))
    assert bare == unknown


def test_an_environment_as_gymnasium_makes_it_has_the_recipe_of_its_id_and_a_wrapped_one_has_none() -> None:
    made = maxent.SAC(gym.make("Pendulum-v1"), verbose=False)
    wrapped = maxent.SAC(RecordEpisodeStatistics(gym.make("Pendulum-v1")), verbose=False)
    assert settings_of(made)["hidden"] == list(RECIPE["hidden"])
    assert settings_of(wrapped)["hidden"] == [256, 256]


def test_what_does_not_fit_is_left_out_and_said() -> None:
    """sac-v1's recipe scales rewards, which a normaliser of rewards divides out again."""
    start = tuned(algorithms.find("sac-v1"), "Pendulum-v1", {"norm_reward": True})
    assert start.left_out == ("reward_scale",)
    assert start.settings["norm_reward"] is True
    assert start.settings["hidden"] == (64, 64) or start.settings["hidden"] == [64, 64]
    assert "without its reward_scale, which does not fit what you gave" in start.sentence({"norm_reward": True})


def test_layers_of_ones_own_replace_those_of_the_recipe() -> None:
    agent = maxent.SAC("Pendulum-v1", network=(Linear(8), ReLU()), verbose=False)
    assert settings_of(agent)["learning_rate"] == RECIPE["learning_rate"]


def test_a_mistake_in_what_is_given_is_no_matter_of_the_recipe() -> None:
    with pytest.raises(UserError, match="gamma"):
        maxent.SAC("Pendulum-v1", gamma=2.0)


def test_the_run_says_which_recipe_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    maxent.SAC("Pendulum-v1", learning_rate=1e-4, eval_every=0).learn(5)
    said = capsys.readouterr().out
    assert "recipe for sac on Pendulum-v1 (recipe=False leaves it): " in said
    assert "instead of its learning_rate, eval_every: what you gave" in said


def test_an_id_without_a_version_is_the_newest_with_a_recipe() -> None:
    assert complete_id("Pendulum", "sac")[0] == "Pendulum-v1"
    assert complete_id("HalfCheetah", "sac")[0] == "HalfCheetah-v5"
    assert complete_id("dm_control/cheetah-run", "sac")[0] == "dm_control/cheetah-run-v0"
    full, said = complete_id("Small", "sac")
    assert (full, said) == ("Small-v3", "Small is taken as Small-v3, the newest version")


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "Pendulum-v0", "tiny_world:Tiny", "NoSuchThing"])
def test_other_ids_stay_as_they_are(env_id: str) -> None:
    assert complete_id(env_id, "sac") == (env_id, "")


def test_an_agent_takes_an_id_without_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    agent = maxent.SAC("Pendulum", eval_every=0)
    assert settings_of(agent)["hidden"] == list(RECIPE["hidden"])
    agent.learn(2)
    assert "Pendulum is taken as Pendulum-v1, the newest version with a recipe for sac" in capsys.readouterr().out
