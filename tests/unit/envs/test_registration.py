"""The ids of maxent in Gymnasium's registry: in every order of imports, in worker processes, and made lazily."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from maxent.envs import registration
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource, known_ids, nearest_ids


def run(code: str) -> str:
    """Return the output of a fresh interpreter, with warnings as errors."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


MAKE = "env = gymnasium.make({!r}); print(type(env.unwrapped).__name__)"


@pytest.mark.parametrize(
    ("imports", "env_id"),
    [
        ("import gymnasium", "maxent:maxent/MultiGoal-v0"),
        ("import gymnasium", "maxent.envs:maxent/MultiGoal-v0"),
        ("import maxent, gymnasium", "maxent.envs:maxent/MultiGoal-v0"),
        ("import gymnasium, maxent", "maxent/MultiGoal-v0"),
        ("import maxent.envs, gymnasium", "maxent/MultiGoal-v0"),
        ("import maxent, gymnasium; maxent.SAC", "maxent/MultiGoal-v0"),
        ("import gymnasium, maxent.envs.registration as r; r.register(); r.register()", "maxent/MultiGoal-v0"),
    ],
)
def test_gymnasium_makes_them_after_any_import(imports: str, env_id: str) -> None:
    assert run(f"{imports}\n{MAKE.format(env_id)}") == "MultiGoal"


def test_the_api_registers_them_by_itself() -> None:
    code = "from maxent.envs.making import EnvSource\nprint(EnvSource.of('maxent/PointReach-v0').make().spec.id)"
    assert run(f"import maxent\n{code}") == "maxent/PointReach-v0"


def test_importing_leaves_the_import_system_alone() -> None:
    code = "import sys\nbefore = list(sys.meta_path)\nimport maxent\nprint(sys.meta_path == before)"
    assert run(code) == "True"


def test_registering_imports_no_environment() -> None:
    modules = [entry.split(":")[0] for entry, _ in registration.ENVS.values()]
    assert run(f"import sys, gymnasium, maxent\nprint([m for m in {modules} if m in sys.modules])") == "[]"


def test_the_time_limit_of_an_id_with_its_module() -> None:
    env_id = "maxent:maxent/PointReach-v0"
    assert run(f"import gymnasium\nprint(gymnasium.make('{env_id}').spec.max_episode_steps)") == "50"


def test_they_are_listed_and_suggested() -> None:
    assert known_ids()["maxent"] == sorted(registration.ENVS)
    assert "maxent/MultiGoal-v0" in nearest_ids("maxent/Multigoal-v1")


@pytest.mark.parametrize("env_id", registration.ENVS)
def test_they_are_made_with_their_time_limits(env_id: str) -> None:
    env = EnvSource.of(env_id).make()
    assert env.spec is not None
    assert env.spec.max_episode_steps == registration.ENVS[env_id][1]
    assert env.unwrapped.spec is not None
    env.close()


def test_an_id_that_is_taken_stays_as_it_is() -> None:
    before = gym.registry["maxent/Tabular-v0"]
    registration.register()
    assert gym.registry["maxent/Tabular-v0"] is before


@pytest.mark.parametrize("env_id", registration.ENVS)
def test_an_episode_resumes_exactly(env_id: str) -> None:
    """After 70 steps, in the second or third episode of most: reset with its seed, its actions replayed."""
    lanes, again = (Lanes.open(EnvSource.of(env_id), members=1, envs_per_member=2, seeds=[0]) for _ in range(2))
    actions = np.random.default_rng(0).uniform(-0.5, 0.5, (80, 2, lanes.action.size)).astype(np.float32)
    if lanes.action.kind == "discrete":
        actions = np.rint(np.abs(actions) * 6.0)  # 0..3
    lanes.reset()
    obs = [lanes.step(action) for action in actions[:71]][-1].obs  # what to act on now
    assert again.restore(lanes.state(), obs).fresh == ()
    for action in actions[71:]:
        one, other = lanes.step(action), again.step(action)
        for part, array in one.next_obs.items():
            np.testing.assert_array_equal(array, other.next_obs[part])
        np.testing.assert_array_equal(one.reward, other.reward)


def test_workers_find_them() -> None:
    source = EnvSource.of("maxent/Tabular-v0", {"states": 3})
    lanes = Lanes.open(source, members=1, envs_per_member=2, seeds=[0], workers=True)
    try:
        assert lanes.reset()["float"].sum(axis=1).tolist() == [1.0, 1.0]
        assert lanes.step(np.zeros((2, 1), np.float32)).next_obs["float"].shape == (2, 3)
    finally:
        lanes.close()
