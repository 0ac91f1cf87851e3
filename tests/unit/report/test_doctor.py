"""The examination as a whole: findings, facts, costs, and no fault in the environments of the recipes."""

from typing import Any

import ailing_envs
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from maxent.diagnosis.probe import Probe
from maxent.envs.making import EnvSource
from maxent.recipes import all_recipes
from maxent.report import doctor
from maxent.report.cost import Cost
from maxent.report.doctor import Examination, examine, planned
from maxent.spaces import ActionLayout
from maxent.training.settings import Settings

SMALL: dict[str, Any] = {"hidden": (8, 8), "batch_size": 8, "steps": 1_000, "learning_starts": 100}
EXPLAINED = {
    # What the warnings about the environments of recipes are about: large observations of bodies and contacts.
    "Humanoid-v5": {"observation-scales"},
    "HumanoidStandup-v5": {"observation-scales"},
}


def rules(found: Examination) -> list[str]:
    return [finding.rule for finding in found.findings]


def ailing(steps: int = 1_500, **faults: Any) -> Examination:
    return examine(EnvSource.of("ailing_envs:Ailing-v0", faults), steps=steps, settings=SMALL)


def test_a_healthy_environment() -> None:
    found = ailing()
    assert found.findings == ()
    assert found.healthy
    assert found.facts["actions"] == "2 numbers from -1 to 1"
    assert found.facts["observations"].startswith("3 numbers from -")
    assert found.facts["episodes"].startswith("15 of 100 steps, 0 terminated, 15 truncated; return -")
    assert found.facts["seed"] == "the same seed and actions give the same episode"
    assert list(found.facts) == [
        "observations", "actions", "rewards", "episodes", "speed", "seed", "memory", "time",
    ]  # fmt: skip
    assert all(value > 0 for value in found.numbers.values())


def test_several_faults_come_first() -> None:
    found = ailing(bound=200.0, low=0.0, length=None, random=True)
    assert rules(found) == ["seed", "action-bounds", "episodes-endless", "action-symmetry"]
    assert not found.healthy
    assert found.facts["episodes"] == "none ended within 1,500 steps"


def test_warnings_are_no_fault() -> None:
    found = ailing(scale=1e4, constant=False)
    assert rules(found) == ["observation-scales"]
    assert found.healthy


def test_observations_outside_their_space_where_an_episode_begins_are_a_fault() -> None:
    """The run itself would stop there, so what it says is what is shown."""
    found = ailing(outside=True, drift=0.1)
    assert rules(found) == ["observation-space"]
    gym.register("Outside-v0", entry_point=lambda: Outside())
    found = examine(EnvSource.of("Outside-v0"), settings=SMALL)
    assert rules(found) == ["data"]
    assert "expected values in the observation space, from -0.05" in found.findings[0].measured
    del gym.registry["Outside-v0"]


class Outside(ailing_envs.Ailing):
    """Begins outside its space."""

    def __init__(self) -> None:
        super().__init__(outside=True)

    def reset(self, **options: Any) -> Any:
        return super().reset(**options)[0] + 1.0, {}


def test_unusable_data_end_the_examination() -> None:
    found = ailing(broken=3, bound=100.0)
    assert rules(found) == ["data", "action-bounds"]
    assert (found.facts, found.numbers) == ({}, {})


def test_statistics_are_named_instead_of_what_follows_from_them() -> None:
    """Normalised observations differ in every play, which would be a second fault with the same cause."""
    found = examine(EnvSource.of("ailing_envs:Normalised-v0", {"which": "observations"}), steps=500, settings=SMALL)
    assert rules(found) == ["statistics"]
    assert "seed" not in found.facts


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_vector_environment(mode: AutoresetMode) -> None:
    vector = SyncVectorEnv([ailing_envs.Ailing] * 3, autoreset_mode=mode)
    found = examine(EnvSource.of(vector), steps=900, settings=SMALL)
    assert rules(found) == ([] if mode is AutoresetMode.DISABLED else ["autoreset"])
    vector.reset()  # it is the user's and stays open
    vector.close()


def test_an_instance_of_the_user_stays_open() -> None:
    env = ailing_envs.Ailing()
    assert examine(EnvSource.of(env), steps=300, settings=SMALL).findings == ()
    env.reset()


def test_discrete_actions() -> None:
    found = examine(EnvSource.of("CartPole-v1"), steps=300, settings=SMALL)
    assert found.facts["actions"] == "2 choices"
    assert "1,000 steps of sac-discrete" in found.facts["time"]


@pytest.mark.parametrize("algo", ["reinforce", "dqn"])
def test_the_cost_of_other_algorithms(algo: str) -> None:
    found = examine(EnvSource.of("CartPole-v1"), algo, steps=300, settings={"steps": 5_000})
    assert found.findings == ()
    assert found.numbers["updates"] > 0
    assert f"5,000 steps of {algo}" in found.facts["time"]


def test_a_run_too_large_for_the_machine_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000,000 rows of 25 bytes are 25 MB. With 20 MB left, half of it holds 400,000 rows."""
    monkeypatch.setattr("maxent.report.cost.available_memory", lambda: 20_000_000)
    found = examine(EnvSource.of("ailing_envs:Ailing-v0"), steps=1_500, settings=SMALL | {"steps": 10**6})
    assert rules(found) == ["memory"]
    assert "--replay-storage disk, --buffer-size 400000 or less" in found.findings[0].change
    assert cost().too_large() is None  # its 1,000 steps fill 25 kB
    assert cost(replay_storage="disk", steps=10**6).too_large() is None
    assert cost(steps=10**6).too_large() is not None


class Raising(gym.Env[Any, Any]):
    """Raises at the fifth step."""

    observation_space, action_space = gym.spaces.Box(-1.0, 1.0, (1,)), gym.spaces.Box(-1.0, 1.0, (1,))
    time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        if self.time == 5:
            raise ValueError("a cable came loose")
        return np.zeros(1, np.float32), 0.0, False, False, {}


def test_an_environment_that_raises_is_a_fault() -> None:
    found = examine(EnvSource.of(Raising), steps=100)
    assert rules(found) == ["error"] and not found.healthy
    assert "ValueError: a cable came loose" in found.findings[0].measured
    assert "test_doctor.py, line" in found.findings[0].measured


def cost(**others: Any) -> Cost:
    chosen = {name: others.pop(name) for name in ("steps", "replay_storage") if name in others}
    settings = Settings.of(doctor.algorithms.find("sac"), {"steps": 1_000} | chosen)
    numbers: dict[str, Any] = {"replay": (25_000_000, 25), "networks": 10**6, "step": 0.01, "update": 0.5}
    return Cost(settings, **numbers | {"evaluation": 3.0, "updates": 100} | others)


def test_the_time_is_that_of_steps_updates_and_evaluations() -> None:
    assert cost().seconds == pytest.approx(1_000 * 0.01 + 100 * 0.5 + 3.0)
    assert "at most 63 seconds for 1,000 steps of sac" in cost().facts()["time"]
    assert "at most 2.1 minutes" in cost(evaluation=66.0).facts()["time"]
    assert "at most 3.0 hours" in cost(evaluation=10_740.0).facts()["time"]
    assert "at most 2.0 days" in cost(evaluation=172_740.0).facts()["time"]


def test_updates_and_memory_are_those_of_the_planned_run() -> None:
    """HalfCheetah's rows take 97 bytes; a run of 30,000 steps learns from step 10,000 on."""
    found = examine(EnvSource.of("HalfCheetah-v5"), steps=100, settings={"hidden": (8,), "steps": 30_000})
    assert found.numbers["replay_bytes"] == 97_000_000
    assert found.numbers["updates"] == 20_000


def test_the_recipe_is_the_plan() -> None:
    action = ActionLayout.from_space(gym.spaces.Box(-2.0, 2.0, (1,)))
    plan = planned(EnvSource.of("Pendulum-v1"), action, None, {})
    (recipe,) = (one for one in all_recipes() if (one.env, one.algo) == ("Pendulum-v1", "sac"))
    assert plan.run.steps == recipe.steps
    assert plan == Settings.of(plan.algorithm, {**recipe.settings, "steps": recipe.steps})
    assert planned(EnvSource.of("Pendulum-v1"), action, "td3", {"gamma": 0.9}).config.gamma == 0.9


HEALTHY = sorted({recipe.env for recipe in all_recipes()})


@pytest.mark.parametrize("env", HEALTHY)
def test_environments_of_recipes_have_no_fault(env: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three episodes of the longest; the cost of a run is measured above."""
    for package in {"dm_control/": ["shimmy"], "Lunar": ["Box2D"], "Bipedal": ["Box2D"]}.get(
        _start(env), ["gymnasium"]
    ):
        pytest.importorskip(package)
    monkeypatch.setattr(doctor, "cost_of", lambda *_: cost())
    found = examine(EnvSource.of(env), steps=3_000)
    assert found.healthy
    warnings = {finding.rule for finding in found.findings if finding.level == "warning"}
    assert warnings == EXPLAINED.get(env, set())


def _start(env: str) -> str:
    return next((start for start in ("dm_control/", "Lunar", "Bipedal") if env.startswith(start)), "")


def test_the_rate_of_evaluations_is_that_of_random_play(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two evaluations of three episodes of 100 steps at 50 steps a second take 12 s."""
    monkeypatch.setattr(Probe, "rate", property(lambda _: 50.0))
    found = examine(
        EnvSource.of("ailing_envs:Ailing-v0"),
        steps=300,
        settings=SMALL | {"eval_every": 500, "eval_episodes": 3},
    )
    spent = found.numbers["seconds_per_step"] * 1_000 + found.numbers["seconds_per_update"] * found.numbers["updates"]
    assert found.numbers["seconds"] - spent == pytest.approx(12.0)


class Endless(gym.Env[Any, Any]):
    """Never ends."""

    observation_space, action_space = gym.spaces.Box(-1.0, 1.0, (1,)), gym.spaces.Box(-1.0, 1.0, (1,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 1).astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.np_random.uniform(-1, 1, 1).astype(np.float32), float(action[0]), False, False, {}


@pytest.mark.parametrize("limit", [None, 10_000])
def test_a_limit_of_steps_is_found_without_a_spec(limit: int | None) -> None:
    source = EnvSource.of(lambda: Endless() if limit is None else gym.wrappers.TimeLimit(Endless(), limit))
    found = examine(source, steps=1_200, settings=SMALL)
    assert rules(found) == (["episodes-endless"] if limit is None else [])
    assert found.healthy
