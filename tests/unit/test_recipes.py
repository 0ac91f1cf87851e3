from pathlib import Path

import gymnasium as gym
import pytest
import torch

import maxent
from maxent import algorithms, recipes
from maxent.agent import agent_class
from maxent.algorithms.sac_discrete import LearnedDiscreteAlpha
from maxent.algorithms.settings import LearnedAlpha
from maxent.nn.log_std import TanhLogStd
from maxent.recipes import Recipe, all_recipes, find
from maxent.training.schedule import Schedule
from maxent.training.settings import Settings

MUJOCO = [
    "Ant", "HalfCheetah", "Hopper", "Humanoid", "HumanoidStandup", "InvertedDoublePendulum", "InvertedPendulum",
    "Pusher", "Reacher", "Swimmer", "Walker2d",
]  # fmt: skip
OTHERS = [
    "maxent/MultiGoal-v0",
    "BipedalWalker-v3",
    "LunarLanderContinuous-v3",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
]
DM_CONTROL = "dm_control/cheetah-run-v0"
EVERY = pytest.mark.parametrize("recipe", all_recipes(), ids=lambda recipe: recipe.path)


def test_every_promised_environment_has_a_recipe():
    sac = {recipe.env for recipe in all_recipes() if recipe.algo == "sac"}
    assert sac == {f"{name}-v5" for name in MUJOCO} | {*OTHERS, DM_CONTROL}


def test_every_algorithm_has_a_recipe():
    assert {recipe.algo for recipe in all_recipes()} == set(algorithms.built_in())


@EVERY
def test_a_recipe_lies_where_its_names_say(recipe):
    assert recipe.path == f"{recipe.algo}/{recipe.env.rpartition('/')[2]}.toml"
    assert (Path(recipes.__file__).parent / recipe.path).is_file()


@EVERY
def test_a_recipe_is_for_environments_that_exist(recipe):
    if recipe.env == DM_CONTROL:
        gym.register_envs(pytest.importorskip("shimmy", reason='needs pip install "maxent[dmc]"'))
    assert {recipe.env, *recipe.also} <= gym.registry.keys()


@EVERY
def test_a_recipe_says_where_it_comes_from(recipe):
    assert any(
        name in recipe.source
        for name in (
            "rl-baselines3-zoo",
            "softlearning",
            "softqlearning",
            "pytorch_sac",
            "Ours:",
            "As for",
            "authors' code",
            "the paper",
        )
    )
    assert "\n" not in recipe.source


@EVERY
def test_settings_are_accepted_by_the_configurations(recipe):
    settings = Settings.of(algorithms.find(recipe.algo), recipe.settings | {"steps": recipe.steps})
    assert settings.run.steps == recipe.steps


@EVERY
def test_a_recipe_learns_for_most_of_its_steps_and_keeps_what_it_needs(recipe):
    settings = Settings.of(algorithms.find(recipe.algo), recipe.settings)
    replay, schedule = settings.replay, Schedule(settings, settings.run.num_envs)
    assert schedule.learning_starts <= recipe.steps / 10
    assert schedule.batch_size <= schedule.capacity
    assert (replay is None) == algorithms.find(recipe.algo).on_policy
    if recipe.algo == "sac" and "buffer_size" in recipe.settings:
        assert replay.buffer_size <= max(recipe.steps, 50_000)


def test_find_by_environment_and_algorithm():
    found = find("Pendulum-v1", "sac")
    assert found is not None
    assert (found.env, found.steps, found.settings["hidden"]) == ("Pendulum-v1", 20_000, [64, 64])
    assert find("Pendulum-v1", "no-such-algorithm") is None
    assert find("NoSuchEnv-v0", "sac") is None
    assert find("Pendulum-v0", "sac") is None


@pytest.mark.parametrize("name", MUJOCO)
def test_older_versions_take_the_recipe_of_the_newer(name):
    assert find(f"{name}-v4", "sac") is find(f"{name}-v5", "sac")
    assert isinstance(find(f"{name}-v4", "sac"), Recipe)


def test_no_environment_has_two_recipes():
    served = [(recipe.algo, env) for recipe in all_recipes() for env in (recipe.env, *recipe.also)]
    assert len(served) == len(set(served))


# Box2D's extension warns while it is imported, and ends the process where that is an error.
@pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # Shimmy's and dm_control's
@EVERY
def test_a_recipe_builds_and_takes_an_update(recipe):
    """Its networks, replay and schedule, on arrays of the environment's sizes: the small settings stay as they are."""
    if recipe.env == DM_CONTROL:
        pytest.importorskip("shimmy", reason='needs pip install "maxent[dmc]"')
    settings = recipe.settings | {"eval_every": 0}
    if algorithms.find(recipe.algo).on_policy:
        settings |= {"rollout_steps": 2}
        updates, steps = 1, 2 * settings["num_envs"]
    else:
        settings |= {"batch_size": 8, "buffer_size": 1_000, "learning_starts": 3}
        updates = max(1, int(recipe.settings.get("replay_ratio", 1)))
        steps = 3 + max(1, round(1 / recipe.settings.get("replay_ratio", 1)))
    agent = agent_class(algorithms.find(recipe.algo))(recipe.env, compile="off", verbose=False, **settings)
    state = agent._learner.state
    name = "critic" if "critic" in state else "actor"
    before = state[name].clone()
    agent.learn(steps)
    assert agent._trainer.updater.updates == updates
    assert not torch.equal(state[name], before)
    agent.close()


def test_dm_control_tasks_take_the_settings_of_pytorch_sac():
    recipe = find("dm_control/walker-walk-v0", "sac")
    assert recipe is find(DM_CONTROL, "sac")
    settings = Settings.of(algorithms.find("sac"), recipe.settings)
    assert (settings.config.hidden, settings.config.target_delay) == ((1024, 1024), 2)
    assert settings.config.log_std == TanhLogStd(-5.0, 2.0)
    assert settings.config.alpha == LearnedAlpha(initial=0.1)
    assert (settings.replay.batch_size, settings.replay.learning_starts) == (1024, 5_000)


def test_a_fixed_alpha_takes_the_place_of_what_a_recipe_says_of_a_learned_one():
    recipe = find("Acrobot-v1", "sac-discrete")
    learned = Settings.of(algorithms.find("sac-discrete"), recipe.settings).config.alpha
    assert isinstance(learned, LearnedDiscreteAlpha)
    assert learned != LearnedDiscreteAlpha()
    agent = maxent.SACDiscrete.from_recipe("Acrobot-v1", alpha=0.1, verbose=False)
    assert agent._learner.config.alpha == 0.1
    assert agent._learner.config.layer_norm
    agent.close()
