"""Each rule of the doctor fires on an environment made to trigger it, and a healthy one triggers none."""

from typing import Any

import ailing_envs
import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import NormalizeObservation, RecordEpisodeStatistics

from maxent.diagnosis import episodes
from maxent.diagnosis import spaces as rules
from maxent.diagnosis.probe import Probe, play, replay_difference
from maxent.envs.faults import EnvironmentFault
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.findings import Finding, by_level
from maxent.spaces import ActionLayout

STEPS = 1_500


def lanes_of(**faults: Any) -> Lanes:
    return Lanes.open(EnvSource.of(lambda: ailing_envs.Ailing(**faults)), 1, 1, [0])


def findings(**faults: Any) -> dict[str, Finding]:
    """Return the findings of all rules on the environment with these faults, by rule."""
    lanes, again = lanes_of(**faults), lanes_of(**faults)
    env = ailing_envs.Ailing(**faults)
    probe, layout, space = play(lanes, STEPS), lanes.observation, env.observation_space
    found = by_level(
        [
            rules.action_bounds(lanes.action),
            rules.action_symmetry(lanes.action),
            rules.observation_scales(layout, probe),
            rules.observation_constant(layout, probe),
            rules.observation_growth(layout, space, probe),
            rules.observation_space(layout, space, probe),
            episodes.reward_scale(probe, 0.99),
            episodes.endless(probe, None),
            episodes.truncation(probe),
            episodes.reproducible(replay_difference(lanes, again)),
            episodes.statistics_wrappers(env),
        ]
    )
    lanes.close()
    again.close()
    return {finding.rule: finding for finding in found}


def test_a_healthy_environment_has_no_findings() -> None:
    assert findings() == {}


@pytest.mark.parametrize(
    ("faults", "rule", "level", "said"),
    [
        ({"bound": 100.0}, "action-bounds", "warning", "from -100 to 100 in dimension 0"),
        ({"low": 0.0}, "action-symmetry", "note", "the middle of the range, 0.5 in dimension 0"),
        ({"low": -0.5}, "action-symmetry", "note", "from -0.5 to 1 in dimension 0"),
        ({"scale": 3_000.0}, "observation-scales", "warning", "large in 1 dimension"),
        ({"scale": 150.0}, "observation-scales", "warning", "wildly different scales"),
        ({"constant": True}, "observation-constant", "note", "constant parts: dimension 1"),
        ({"drift": 0.2}, "observation-growth", "warning", "in 1 dimension"),
        ({"outside": True}, "observation-space", "warning", "observations; the first: observation: expected values"),
        ({"reward": 1_000.0}, "reward-scale", "warning", "rewards are large"),
        ({"reward": 1e-4}, "reward-scale", "warning", "rewards are small"),
        ({"reward": 0.0}, "reward-scale", "note", "random play earns no reward"),
        ({"length": None}, "episodes-endless", "warning", "none ended within 1,500 random steps"),
        ({"report": "terminated"}, "truncation", "fault", "terminated after exactly 100 steps"),
        ({"random": True}, "seed", "fault", "observations or rewards differed within 50 steps"),
    ],
)
def test_a_rule_fires_alone(faults: dict[str, Any], rule: str, level: str, said: str) -> None:
    found = findings(**faults)
    assert list(found) == [rule]
    assert found[rule].level == level
    assert said in "\n".join(" ".join(line.split()) for line in found[rule].lines()).replace("\n", " ")
    assert all(found[rule].to_plain().values())


def test_advice_for_rewards_brings_them_near_one() -> None:
    """Rewards are about 0.3 · 1,000 and 0.3 · 10⁻⁴ in size."""
    assert "--reward-scale 0.001" in findings(reward=1_000.0)["reward-scale"].change
    assert "--reward-scale 10000" in findings(reward=1e-4)["reward-scale"].change


@pytest.mark.parametrize(
    "faults",
    [
        {"report": "terminated", "clock": True},  # the time left is observed, so its end is a terminal state
        {"goal": 0.4},  # ends where it has to, after different times
        {"report": "terminated", "length": 4},
    ],
)
def test_true_terminations_are_no_fault(faults: dict[str, Any]) -> None:
    assert findings(**faults) == {}


def test_an_environment_with_a_limit_beyond_the_probe_is_not_endless() -> None:
    probe = play(lanes_of(length=None), STEPS)
    assert episodes.endless(probe, 5_000) is None
    found = episodes.endless(probe, 1_000)  # it should have ended by then
    assert found is not None
    assert found.measured.endswith("the environment has a limit of 1,000 steps that had no effect")
    assert episodes.endless(play(lanes_of(length=None), 300), None) is None  # too early to say


def test_data_that_no_run_can_use_stop_the_probe() -> None:
    with pytest.raises(EnvironmentFault, match="step 3 of episode 0: expected finite float32 numbers"):
        play(lanes_of(broken=3), STEPS)


@pytest.mark.parametrize("which", ["observations", "rewards"])
def test_wrappers_with_statistics_are_found_below_others(which: str) -> None:
    found = episodes.statistics_wrappers(ailing_envs.normalised(which))
    assert found is not None
    assert found.level == "fault"
    assert {"observations": "NormalizeObservation", "rewards": "NormalizeReward"}[which] in found.what
    vector = SyncVectorEnv([lambda: ailing_envs.normalised(which)] * 2)
    assert episodes.statistics_wrappers(vector) is not None
    vector.close()


def test_statistics_of_a_vector_wrapper_are_found() -> None:
    vector = gym.wrappers.vector.NormalizeObservation(SyncVectorEnv([ailing_envs.Ailing]))
    assert episodes.statistics_wrappers(vector) is not None
    vector.close()


def test_other_wrappers_are_no_fault() -> None:
    assert episodes.statistics_wrappers(RecordEpisodeStatistics(ailing_envs.Ailing())) is None
    vector = SyncVectorEnv([ailing_envs.Ailing])
    assert episodes.statistics_wrappers(vector) is None
    vector.close()


def test_normalised_observations_are_not_reproducible() -> None:
    """What the fault about statistics says: a second play of a seed has other numbers."""
    source = EnvSource.of(lambda: NormalizeObservation(ailing_envs.Ailing()))
    lanes, others = (Lanes.open(source, 1, 1, [0], statistics=True) for _ in range(2))
    play(lanes, 100)
    assert replay_difference(lanes, others) is not None


@pytest.mark.parametrize("mode", AutoresetMode)
def test_the_autoreset_mode_is_a_note_where_the_environment_resets_itself(mode: AutoresetMode) -> None:
    vector = SyncVectorEnv([ailing_envs.Ailing] * 2, autoreset_mode=mode)
    found = episodes.autoreset(vector)
    assert (found is None) == (mode is AutoresetMode.DISABLED)
    assert found is None or (found.level == "note" and mode.name in found.what)
    vector.close()


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_probe_has_the_same_transitions_in_every_autoreset_mode(mode: AutoresetMode) -> None:
    """Two lanes of 60 transitions have ended two episodes of 25 steps each."""
    vector = SyncVectorEnv([lambda: ailing_envs.Ailing(length=25)] * 2, autoreset_mode=mode)
    probe = play(Lanes.open(EnvSource.of(vector), 1, 1, [0]), 120)
    assert [(one.lane, one.length, one.truncated) for one in probe.episodes] == [
        (lane, 25, True) for _ in range(2) for lane in range(2)
    ]
    assert len(probe.reward) == len(probe.time) == len(probe.ends) == len(probe.floats) == 120
    assert probe.ends.sum() == 4
    assert set(probe.time[probe.ends].tolist()) == {25}
    assert len(probe.first["float"]) == 6
    assert np.abs(probe.first["float"][:, :2]).max() <= 0.04  # where episodes begin
    vector.close()


def test_a_probe_is_a_function_of_its_seed() -> None:
    one, other, third = (play(lanes_of(), 200, seed=seed) for seed in (0, 0, 1))
    assert one.floats.tobytes() == other.floats.tobytes()
    assert one.reward.tobytes() == other.reward.tobytes()
    assert one.floats.tobytes() != third.floats.tobytes()


def test_a_probe_ends_when_the_time_is_up() -> None:
    assert play(lanes_of(), 10**9, seconds=0.01).steps < 10**6


def test_discrete_actions_have_no_bounds() -> None:
    layout = ActionLayout.from_space(spaces.Discrete(3))
    assert rules.action_bounds(layout) is None
    assert rules.action_symmetry(layout) is None


def test_a_blank_picture_is_a_fault() -> None:
    lanes = Lanes.open(EnvSource.of(Blank), 1, 1, [0])
    found = rules.observation_constant(lanes.observation, play(lanes, 100))
    assert found is not None
    assert (found.level, found.what) == ("fault", "observations never change")


class Blank(gym.Env[Any, Any]):
    """An environment whose picture is always black."""

    observation_space = spaces.Box(0, 255, (4, 4, 3), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros((4, 4, 3), np.uint8), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros((4, 4, 3), np.uint8), 0.0, False, False, {}


def test_the_rate_counts_transitions() -> None:
    empty = np.zeros(6)
    probe = Probe({}, {}, empty.astype(np.int64), empty.astype(np.bool_), empty, (), 3, 2.0)
    assert probe.rate == 3.0
