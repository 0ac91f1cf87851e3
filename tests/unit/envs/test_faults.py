"""Data that do not fit their space are refused, with the environment, the step, what was expected and what came."""

import re
from functools import partial
from itertools import count
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from open_lanes import open_lanes
from toy_envs import Broken, Counting, Faulty

from maxent.envs.faults import EnvironmentFault
from maxent.envs.local import LocalFleet

STILL = np.zeros((2, 1), np.float32)
MIXED = spaces.Dict(gear=spaces.Discrete(3, start=1), pixels=spaces.Box(0, 255, (2,), np.uint8))
FIRST = {"gear": 1, "pixels": np.zeros(2, np.uint8)}

VECTOR_OF_3 = [
    ({"observation": np.float32(0.5)}, "observation: expected shape (3,), got an array of shape ()."),
    ({"observation": np.zeros(1, np.float32)}, "observation: expected shape (3,), got an array of shape (1,)."),
    ({"observation": [0.5]}, "observation: expected shape (3,), got an array of shape (1,)."),
    ({"observation": [[0.5], [1.0, 2.0], []]}, "observation: expected shape (3,), got no array: "),
    ({"observation": np.array(["1", "2", "3"])}, "observation: expected numbers, got text: array(['1', '2', '3'],"),
    ({"observation": ["1", "2", "3"]}, "observation: expected numbers, got text: ['1', '2', '3']."),
    ({"observation": np.array([1, 2, None])}, "observation: expected numbers, got objects: array([1, 2, None],"),
    ({"observation": np.zeros(3, complex)}, "observation: expected numbers, got complex numbers: "),
    ({"observation": None}, "observation: expected numbers, got objects: None."),
]
REWARDS_AND_FLAGS = [
    ({"reward": "1.5"}, "expected the reward to be one number, got str '1.5'."),
    ({"reward": None}, "expected the reward to be one number, got NoneType None."),
    ({"reward": np.zeros(2)}, "expected the reward to be one number, got ndarray array([0., 0.])."),
    ({"terminated": "False"}, "expected terminated to be True or False, got str 'False'."),
    ({"truncated": 2}, "expected truncated to be True or False, got int 2."),
    ({"terminated": None}, "expected terminated to be True or False, got NoneType None."),
    ({"truncated": 0.5}, "expected truncated to be True or False, got float 0.5."),
    ({"terminated": np.array([True, False])}, "expected terminated to be True or False, got ndarray array([ True, "),
]
OF_MIXED = [
    ({"gear": 0}, "observation entry 'gear': expected integers from 1 to 3, got 0."),
    ({"gear": 4}, "observation entry 'gear': expected integers from 1 to 3, got 4."),
    ({"gear": np.int64(4)}, "observation entry 'gear': expected integers from 1 to 3, got 4."),
    ({"gear": 1.5}, "observation entry 'gear': expected integers from 1 to 3, got float64."),
    ({"gear": np.ones(1, int)}, "observation entry 'gear': expected shape (), got an array of shape (1,)."),
    ({"pixels": np.array([0, 256])}, "observation entry 'pixels': expected integers from 0 to 255, got 256."),
    ({"pixels": np.zeros(2)}, "observation entry 'pixels': expected integers from 0 to 255, got float64."),
    ({"pixels": np.uint8(3)}, "observation entry 'pixels': expected shape (2,), got an array of shape ()."),
]


def fails(env: Any, at: int, problem: str, workers: bool = False) -> None:
    """Environment 1 of two, of member 0, is faulty at step `at`; the steps before are taken."""
    turn = count()
    factory = env if workers else lambda: env() if next(turn) == 1 else Faulty(-1, {}, env().observation_space)
    lanes = open_lanes(factory, envs=2, workers=workers)
    place = rf"environment \d of member 0, {f'step {at}' if at else 'reset'} of episode 0: "
    with pytest.raises(EnvironmentFault, match="^" + place + re.escape(problem)) as caught:
        lanes.reset()
        for _ in range(at):
            lanes.step(STILL)
    assert workers or str(caught.value).startswith("environment 1")
    lanes.close()


@pytest.mark.parametrize(("results", "problem"), VECTOR_OF_3)
@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_wrong_observation(results: dict[str, Any], problem: str, at: int) -> None:
    fails(partial(Faulty, at, results), at, problem)


@pytest.mark.parametrize(("results", "problem"), REWARDS_AND_FLAGS)
def test_a_wrong_reward_or_flag(results: dict[str, Any], problem: str) -> None:
    fails(partial(Faulty, 2, results), 2, problem)


@pytest.mark.parametrize(("entry", "problem"), OF_MIXED)
@pytest.mark.parametrize("at", [0, 2])
def test_a_wrong_entry(entry: dict[str, Any], problem: str, at: int) -> None:
    fails(partial(Faulty, at, {"observation": FIRST | entry}, MIXED), at, problem)


def test_a_missing_entry() -> None:
    problem = "observation: expected a dict with the entry 'pixels', got the keys ['gear']."
    fails(partial(Faulty, 1, {"observation": {"gear": 1}}, MIXED), 1, problem)


@pytest.mark.parametrize("observation", [0, 6, 2.0, "3", None, np.array([2])])
@pytest.mark.parametrize("at", [0, 1])
def test_a_wrong_category(observation: Any, at: int) -> None:
    fails(partial(Faulty, at, {"observation": observation}, spaces.Discrete(5, start=1)), at, "observation: expected ")


@pytest.mark.parametrize(
    ("at", "results", "problem"),
    [(0, *VECTOR_OF_3[1]), (2, *VECTOR_OF_3[0]), (2, *VECTOR_OF_3[5]), *((2, *case) for case in REWARDS_AND_FLAGS[:4])],
)
def test_worker_processes_refuse_the_same(at: int, results: dict[str, Any], problem: str) -> None:
    fails(partial(Faulty, at, results), at, problem, workers=True)


@pytest.mark.parametrize(
    ("space", "observation", "problem"),
    [
        (
            spaces.Box(np.array([-1, -2]), np.array([1, np.inf]), dtype=np.float64),
            np.array([0.5, -2.5]),
            "observation: expected values in the observation space, from -2.0 to inf in dimension 1, got -2.5;",
        ),
        (
            spaces.Dict(a=spaces.Box(-1, 1, (1,)), b=spaces.Box(0, 1, (2,), np.uint8)),
            {"a": np.ones(1), "b": np.array([1, 2], np.uint8)},
            "observation entry 'b': expected values in the observation space, from 0 to 1 in dimension 1, got 2;",
        ),
    ],
)
def test_a_first_observation_out_of_bounds(space: spaces.Space, observation: Any, problem: str) -> None:
    fails(partial(Faulty, 0, {"observation": observation}, space), 0, problem)


def test_bounds_are_compared_in_float32() -> None:
    """0.7 is more than its float32, 0.69999999; the bound -1e300 is beyond float32, and so no bound."""
    space = spaces.Box(np.array([-1e300, -1]), np.array([1, 0.7]), dtype=np.float64)
    lanes = open_lanes(partial(Faulty, 0, {"observation": np.array([-1e30, 0.7])}, space))
    np.testing.assert_array_equal(lanes.reset()["float"], np.array([[-1e30, 0.7]], np.float32))


def test_later_observations_may_leave_the_bounds() -> None:
    lanes = open_lanes(partial(Faulty, 1, {"observation": np.full(3, 2.0)}))
    lanes.reset()
    assert lanes.step(STILL[:1]).next_obs["float"].tolist() == [[2.0, 2.0, 2.0]]


@pytest.mark.parametrize("observation", [[1, 2, 3], np.arange(3), np.ones(3, np.float16), (1, 2.0, True)])
def test_numbers_of_every_kind_are_observations(observation: Any) -> None:
    lanes = open_lanes(partial(Faulty, 1, {"observation": observation}))
    lanes.reset()
    expected = np.array(observation, np.float32)
    np.testing.assert_array_equal(lanes.step(STILL[:1]).next_obs["float"], [expected])


@pytest.mark.parametrize("value", [True, np.True_, np.array(True), np.array([1]), 1, np.int64(1)])
@pytest.mark.parametrize("name", ["terminated", "truncated"])
def test_booleans_of_every_kind_are_flags(name: str, value: Any) -> None:
    lanes = open_lanes(partial(Faulty, 1, {name: value}))
    lanes.reset()
    step = lanes.step(STILL[:1])
    assert getattr(step, name).tolist() == [True] and len(step.episodes) == 1
    assert (step.terminated ^ step.truncated).tolist() == [True]


@pytest.mark.parametrize("reward", [1e39, -1e39, np.inf, np.nan])
def test_a_reward_beyond_float32(reward: float) -> None:
    fails(partial(Faulty, 2, {"reward": reward}), 2, f"expected finite float32 numbers, got the reward {reward}")


def test_the_largest_rewards_are_rewards() -> None:
    """Their squares overflow float32, and the sum of two is more than the square of the largest."""
    largest = float(np.finfo(np.float32).max)
    lanes = open_lanes(partial(Faulty, 1, {"reward": -largest}), envs=2)
    lanes.reset()
    assert lanes.step(STILL).reward.tolist() == [-largest, -largest]


class Shifted(gym.vector.VectorWrapper):
    """Replaces one of the results of a step."""

    def __init__(self, env: Any, place: int, value: Any) -> None:
        super().__init__(env)
        self.place, self.value = place, value

    def step(self, actions: Any) -> Any:
        results = list(self.env.step(actions))
        results[self.place] = self.value
        return tuple(results)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (0, np.zeros((3, 2)), "observation: expected 2 of shape (3,), got an array of shape (3, 2)."),
        (0, np.zeros(6), "observation: expected 2 of shape (3,), got an array of shape (6,)."),
        (0, np.full((2, 3), "1"), "observation: expected numbers, got text: "),
        (1, np.zeros((2, 1)), "expected 2 numbers as rewards, got float64 of shape (2, 1)."),
        (1, np.array(["1", "2"]), "expected 2 numbers as rewards, got <U1 of shape (2,)."),
        (2, ["False", "False"], "expected 2 booleans as terminations, got <U5 of shape (2,)."),
        (3, np.array([0, 2]), "expected 2 booleans as truncations, got int64 of shape (2,)."),
        (3, False, "expected 2 booleans as truncations, got bool of shape ()."),
    ],
)
def test_a_vector_environment(mode: AutoresetMode, place: int, value: Any, problem: str) -> None:
    vector = SyncVectorEnv([partial(Faulty, -1, {})] * 2, autoreset_mode=mode)
    lanes = open_lanes(Shifted(vector, place, value), envs=2)
    lanes.reset()
    where = "vector environment (environment 0 of member 0, step 1 of episode 0): "
    with pytest.raises(EnvironmentFault, match="^" + re.escape(where + problem)):
        lanes.step(STILL)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_first_observation_of_a_vector_environment_out_of_bounds(mode: AutoresetMode) -> None:
    """Lane 1 ends at its first step; its second episode starts outside the space."""

    class Second(Counting):
        observation_space = spaces.Box(np.array([0.0, 0.0]), np.array([0.0, 9.0]), dtype=np.float64)

    vector = SyncVectorEnv([partial(Second, 9), partial(Second, 1)], autoreset_mode=mode)
    lanes = open_lanes(vector, envs=2)
    lanes.reset()
    place = "^environment 1 of member 0, reset of episode 1: observation: expected values in the observation space"
    with pytest.raises(EnvironmentFault, match=place):
        for _ in range(2):  # NEXT_STEP resets in the second step
            lanes.step(STILL)


def test_an_evaluation_names_lane_and_step() -> None:
    fleet = LocalFleet([Faulty(2, {"reward": "1"})], owned=True)
    fleet.begin(0, seed=0)
    fleet.advance(0, np.zeros(1))
    with pytest.raises(EnvironmentFault, match=r"^environment 0, step 2: expected the reward to be one number"):
        fleet.advance(0, np.zeros(1))
    with pytest.raises(EnvironmentFault, match=r"^environment 0, reset: observation: expected numbers"):
        LocalFleet([Faulty(0, {"observation": "1"})], owned=True).begin(0, seed=0)


def test_a_reward_in_an_array_of_one_is_a_reward() -> None:
    class Boxed(Counting):
        def step(self, action):
            observation, reward, *rest = super().step(action)
            return observation, np.array([reward]), *rest

    lanes = open_lanes(partial(Boxed, 2))
    lanes.reset()
    assert lanes.step(np.zeros((1, 1), np.float32)).reward.tolist() == [1.0]


def test_a_first_observation_that_is_not_finite_is_named() -> None:
    class Lost(Counting):
        def observe(self):
            return np.array([np.nan, 0.0]) if self.episode == 1 else super().observe()

    lanes = open_lanes(partial(Lost, 1))
    lanes.reset()
    with pytest.raises(EnvironmentFault, match=r"reset of episode 1: .*nan or inf"):
        lanes.step(np.zeros((1, 1), np.float32))


def test_a_reward_that_is_no_number_is_named_with_its_place() -> None:
    turn = count()
    lanes = open_lanes(lambda: Broken("reward" if next(turn) == 3 else "nothing"), members=2, envs=2)
    lanes.reset()
    for _ in range(2):
        lanes.step(np.zeros((4, 1), np.float32))
    with pytest.raises(EnvironmentFault, match=r"environment 1 of member 1, step 3 of episode 0: .*reward nan"):
        lanes.step(np.zeros((4, 1), np.float32))


def test_an_observation_that_is_not_finite_is_named() -> None:
    lanes = open_lanes(partial(Broken, "observation"))
    lanes.reset()
    for _ in range(2):
        lanes.step(np.zeros((1, 1), np.float32))
    with pytest.raises(EnvironmentFault, match=r"environment 0 of member 0, step 3 of episode 0: .*nan or inf"):
        lanes.step(np.zeros((1, 1), np.float32))


def test_large_numbers_are_numbers() -> None:
    lanes = open_lanes(partial(Broken, "nothing"))
    assert lanes.reset()["float"][0, 0] == np.float32(1e30)
