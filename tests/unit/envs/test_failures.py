"""Data that cannot be used, by the rule that the run has for it."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from flawed import Flawed
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from toy_envs import Broken, Faulty

from maxent.envs.failures import MAX_FAILURES, WITHIN, BadData, Failures
from maxent.envs.faults import EnvironmentFault, InvalidData, LaneFault, WorkerFailed
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.envs.seeds import training_seed
from maxent.errors import UserError

STILL = np.zeros((2, 1), np.float32)
PLACE = EnvironmentFault("environment 0 of member 0: expected x.")


SEED = next(
    seed for seed in range(100) if [training_seed(seed, lane, 0) % 3 == 0 for lane in range(2)] == [True, False]
)
"""A seed with which the first episode of lane 0 is a bad one, and that of lane 1 is not."""


def opened(env: Any, bad_data: BadData = "drop", *, workers: bool = False) -> Lanes:
    return Lanes.open(EnvSource.of(env), 1, 2, [SEED], workers=workers, bad_data=bad_data)


class TestFailures:
    @pytest.mark.parametrize(
        ("bad_data", "fault", "stops"),
        [
            ("stop", InvalidData("expected x.", 0), True),
            ("drop", InvalidData("expected x.", 0), False),
            ("drop", InvalidData("expected x."), True),  # of a whole batch
            ("stop", WorkerFailed("expected x.", 0), False),
        ],
    )
    def test_which_stop_the_run(self, bad_data: BadData, fault: LaneFault, stops: bool) -> None:
        failures = Failures(2, bad_data)
        if stops:
            with pytest.raises(EnvironmentFault, match=r"^environment 0 of member 0: expected x.$"):
                failures.survived(fault, PLACE, 1, 3)
        else:
            assert failures.survived(fault, PLACE, 1, 3) == (0, str(PLACE), 3)

    @pytest.mark.parametrize(("last", "stops"), [(WITHIN, True), (WITHIN + 1, False)])
    def test_too_many_within_some_steps_stop_it(self, last: int, stops: bool) -> None:
        """Of one environment: the others have as many failures and do not count."""
        failures = Failures(2, "drop")
        for step in range(1, MAX_FAILURES):
            for lane in range(2):
                failures.survived(WorkerFailed("expected x.", lane), PLACE, step, 0)
        if stops:
            with pytest.raises(EnvironmentFault, match=r"It failed 5 times within 1,000 steps.\nits traceback"):
                failures.survived(WorkerFailed("expected x.", 0, details="its traceback"), PLACE, last, 0)
        else:
            failures.survived(WorkerFailed("expected x.", 0), PLACE, last, 0)


@pytest.mark.parametrize("workers", [False, True])
def test_an_episode_with_bad_data_is_ended_and_another_begins(workers: bool) -> None:
    lanes, clean = opened(Flawed, workers=workers), opened(partial(Flawed, how="nothing"), "stop")
    first = lanes.reset()["float"].copy()
    clean.reset()
    assert first[:, 2].tolist() == [1.0, 0.0]
    for _ in range(6):
        lanes.step(STILL)
        clean.step(STILL)
    step, other = lanes.step(STILL), clean.step(STILL)
    (failure,) = step.failures
    assert failure.lane == 0 and failure.length == 6
    assert failure.text == (
        "environment 0 of member 0, step 7 of episode 0: expected finite float32 numbers, got the reward nan; "
        "bound the rewards and observations. The action was [0.]."
    )
    assert step.live.tolist() == [False, True] and step.reward[0] == 0.0
    assert not step.terminated.any() and not step.truncated.any() and not step.episodes
    np.testing.assert_array_equal(step.next_obs["float"][1], other.next_obs["float"][1])
    assert step.obs["float"][0, 1] == 0.0  # the time in a new episode
    assert lanes.state().json["lanes"][0] | {"seed": 0} == {"episode": 1, "seed": 0, "return": 0.0, "length": 0}
    assert lanes.state().json["lanes"][1]["length"] == 7
    assert len(lanes.state().tensors["actions"]) == 7  # none of the new episode, all of the other lane
    lanes.close()


def test_by_default_it_stops_the_run() -> None:
    lanes = opened(Flawed, "stop")
    lanes.reset()
    with pytest.raises(EnvironmentFault, match="step 7 of episode 0: expected finite"):
        for _ in range(7):
            lanes.step(STILL)


@pytest.mark.parametrize("workers", [False, True])
@pytest.mark.parametrize("results", [{"observation": np.zeros(2)}, {"reward": "1.5"}, {"truncated": 2}])
def test_data_of_a_wrong_kind_end_the_episode_too(results: dict[str, Any], workers: bool) -> None:
    lanes = opened(partial(Faulty, 3, results), workers=workers)
    lanes.reset()
    for step in range(1, 3 * (MAX_FAILURES - 1)):
        failures = lanes.step(STILL).failures
        assert [failure.lane for failure in failures] == ([0, 1] if step % 3 == 0 else [])
        assert all(failure.length == 2 for failure in failures)
    lanes.close()


@pytest.mark.parametrize("workers", [False, True])
def test_a_bad_first_observation_is_tried_again_until_there_are_too_many(workers: bool) -> None:
    lanes = opened(partial(Faulty, 0, {"observation": np.full(3, 2.0)}), workers=workers)
    with pytest.raises(EnvironmentFault, match=r"reset of episode 4: .*expected values.* It failed 5 times"):
        lanes.reset()
    lanes.close()


def test_the_reward_of_a_dropped_step_reaches_no_return() -> None:
    """The third reward of each episode is nan; the first two earn 1 each, and episodes never end."""
    lanes = opened(partial(Broken, "reward"))
    lanes.reset()
    for _ in range(5):
        lanes.step(STILL)
    assert [lane["return"] for lane in lanes.state().json["lanes"]] == [2.0, 2.0]


def test_vector_environments_cannot_drop_an_episode() -> None:
    vector = SyncVectorEnv([Flawed] * 2, autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(UserError, match="bad_data: got 'drop' with a vector environment"):
        opened(vector)
