"""The transitions are the same under every autoreset mode."""

from collections.abc import Callable
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from toy_envs import Counting, CountingDict

from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.envs.step import Episode, Step
from maxent.errors import UserError
from maxent.spaces import Packed

LENGTHS = (2, 3)
MODES = [AutoresetMode.DISABLED, AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]
Transition = tuple[tuple[float, ...], float, tuple[float, ...], bool, bool]


def open_vector(mode: AutoresetMode, kind: type[Counting] = Counting) -> Lanes:
    vector = SyncVectorEnv([partial(kind, length) for length in LENGTHS], autoreset_mode=mode)
    return Lanes.open(EnvSource.of(vector), members=1, envs_per_member=2, seeds=[0])


def open_ours(kind: type[Counting] = Counting) -> Lanes:
    lengths = iter(LENGTHS)
    return Lanes.open(EnvSource.of(lambda: kind(next(lengths))), members=1, envs_per_member=2, seeds=[0])


def row(obs: Packed, lane: int) -> tuple[float, ...]:
    return tuple(float(value) for part in sorted(obs) for value in obs[part][lane])


def play(lanes: Lanes, steps: int) -> tuple[list[list[Transition]], list[Step]]:
    """The live transitions of each lane, and all steps."""
    obs = lanes.reset()
    transitions: list[list[Transition]] = [[] for _ in LENGTHS]
    seen = []
    for _ in range(steps):
        step = lanes.step(np.zeros((lanes.count, 1), np.float32))
        seen.append(step)
        for lane in range(lanes.count):
            if step.live[lane]:
                ends = bool(step.terminated[lane]), bool(step.truncated[lane])
                transitions[lane].append((row(obs, lane), float(step.reward[lane]), row(step.next_obs, lane), *ends))
        obs = step.obs
    return transitions, seen


# Episode 0 ends in a terminal state, episode 1 is cut off: (s, r, s', terminated, truncated) with s = (episode, step).
LENGTH_2 = [
    ((0, 0), 1, (0, 1), False, False),
    ((0, 1), 2, (0, 2), True, False),
    ((1, 0), 11, (1, 1), False, False),
    ((1, 1), 12, (1, 2), False, True),
    ((2, 0), 21, (2, 1), False, False),
    ((2, 1), 22, (2, 2), True, False),
]
LENGTH_3 = [
    ((0, 0), 1, (0, 1), False, False),
    ((0, 1), 2, (0, 2), False, False),
    ((0, 2), 3, (0, 3), True, False),
    ((1, 0), 11, (1, 1), False, False),
    ((1, 1), 12, (1, 2), False, False),
    ((1, 2), 13, (1, 3), False, True),
]


@pytest.mark.parametrize(
    ("make", "steps"),
    [
        (open_ours, 6),
        (partial(open_vector, AutoresetMode.DISABLED), 6),
        (partial(open_vector, AutoresetMode.SAME_STEP), 6),
        # Two episodes of three steps and one reset between them; three of two and two resets take one step more.
        (partial(open_vector, AutoresetMode.NEXT_STEP), 8),
    ],
    ids=["ours", "disabled", "same-step", "next-step"],
)
def test_the_transitions_are_those_of_the_episodes(make: Callable[[], Lanes], steps: int) -> None:
    lanes = make()
    transitions, _ = play(lanes, steps)
    assert transitions[0][:6] == LENGTH_2
    assert transitions[1][:6] == LENGTH_3
    lanes.close()


@pytest.mark.parametrize("make", [open_ours, *(partial(open_vector, mode) for mode in MODES)])
def test_dict_observations_keep_their_final_value(make: Callable[..., Lanes]) -> None:
    """Packed: byte (episode), float (ends - 7, step). The category says that the final observation is the true one."""
    transitions, _ = play(make(kind=CountingDict), 5)
    assert transitions[0][1] == ((0, 0, 1), 2.0, (0, 1, 2), True, False)
    assert transitions[0][2] == ((1, 0, 0), 11.0, (1, 0, 1), False, False)
    assert transitions[1][2] == ((0, 0, 2), 3.0, (0, 1, 3), True, False)


@pytest.mark.parametrize("make", [open_ours, *(partial(open_vector, mode) for mode in MODES[:2])])
def test_what_to_act_on_is_the_reset_observation(make: Callable[[], Lanes]) -> None:
    _, steps = play(make(), 2)
    assert steps[0].obs is steps[0].next_obs  # nothing ended
    np.testing.assert_array_equal(steps[1].next_obs["float"], [[0, 2], [0, 2]])
    np.testing.assert_array_equal(steps[1].obs["float"], [[1, 0], [0, 2]])  # lane 0 ended after 2 steps
    assert steps[1].live.all()


def test_the_reset_step_of_next_step_is_no_transition() -> None:
    _, steps = play(open_vector(AutoresetMode.NEXT_STEP), 4)
    # Lane 0 (length 2): steps 1 and 2 live, step 3 only resets, step 4 is the first of episode 1.
    # Lane 1 (length 3): steps 1 to 3 live, step 4 only resets.
    np.testing.assert_array_equal([step.live for step in steps], [[1, 1], [1, 1], [0, 1], [1, 0]])
    ending, resetting = steps[1], steps[2]
    np.testing.assert_array_equal(ending.obs["float"][0], [0, 2])  # the reset has not happened yet
    np.testing.assert_array_equal(resetting.next_obs["float"][0], [1, 0])
    np.testing.assert_array_equal(resetting.obs["float"][0], [1, 0])
    assert resetting.reward[0] == 0.0
    assert not resetting.terminated[0] and not resetting.truncated[0]


def test_a_reset_step_earns_nothing_whatever_a_wrapper_adds() -> None:
    class Shaped(gym.vector.VectorWrapper):
        def step(self, actions):
            observations, rewards, *rest = self.env.step(actions)
            return observations, rewards + 5.0, *rest

    vector = Shaped(SyncVectorEnv([partial(Counting, 1)]))  # NEXT_STEP is Gymnasium's default
    lanes = Lanes.open(EnvSource.of(vector), members=1, envs_per_member=1, seeds=[0])
    lanes.reset()
    ending, resetting, following = (lanes.step(np.zeros((1, 1), np.float32)) for _ in range(3))
    assert [step.reward[0] for step in (ending, resetting, following)] == [6.0, 0.0, 16.0]
    assert following.episodes == (Episode(0, 16.0, 1),)


@pytest.mark.parametrize("make", [open_ours, *(partial(open_vector, mode) for mode in MODES)])
def test_ended_episodes_are_reported_once(make: Callable[[], Lanes]) -> None:
    _, steps = play(make(), 7)
    episodes = [episode for step in steps for episode in step.episodes]
    # 1 + 2 = 3 and 11 + 12 = 23; 1 + 2 + 3 = 6 and 11 + 12 + 13 = 36
    assert [episode for episode in episodes if episode.lane == 0][:2] == [Episode(0, 3.0, 2), Episode(0, 23.0, 2)]
    assert [episode for episode in episodes if episode.lane == 1][:2] == [Episode(1, 6.0, 3), Episode(1, 36.0, 3)]


def test_a_reset_forgets_that_a_lane_waited_for_one() -> None:
    lanes = open_vector(AutoresetMode.NEXT_STEP)
    play(lanes, 2)  # lane 0 has just ended
    lanes.reset()
    assert lanes.step(np.zeros((2, 1), np.float32)).live.all()


def test_earlier_steps_keep_their_values() -> None:
    for make in (open_ours, *(partial(open_vector, mode) for mode in MODES)):
        lanes = make()
        first = lanes.reset()
        step = lanes.step(np.zeros((2, 1), np.float32))
        lanes.step(np.zeros((2, 1), np.float32))
        np.testing.assert_array_equal(first["float"], [[0, 0], [0, 0]])
        np.testing.assert_array_equal(step.next_obs["float"], [[0, 1], [0, 1]])
        np.testing.assert_array_equal(step.reward, [1, 1])


def test_batched_final_observations_are_read_too() -> None:
    """Vector environments that are not Gymnasium's own may give the final observations as one batch."""

    class Batched(gym.vector.VectorWrapper):
        def step(self, actions):
            observations, rewards, terminated, truncated, info = self.env.step(actions)
            if "final_obs" in info:
                blank = {key: np.zeros_like(rows) for key, rows in observations.items()}
                for lane in np.flatnonzero(info["_final_obs"]):
                    for key in blank:
                        blank[key][lane] = info["final_obs"][lane][key]
                info["final_obs"] = blank
            return observations, rewards, terminated, truncated, info

    inner = SyncVectorEnv([partial(CountingDict, n) for n in LENGTHS], autoreset_mode=AutoresetMode.SAME_STEP)
    transitions, _ = play(Lanes.open(EnvSource.of(Batched(inner)), members=1, envs_per_member=2, seeds=[0]), 3)
    assert transitions[0][1] == ((0, 0, 1), 2.0, (0, 1, 2), True, False)


def test_a_vector_environment_that_does_not_say_how_it_resets() -> None:
    vector = SyncVectorEnv([partial(Counting, 2)])
    del vector.metadata["autoreset_mode"]
    with pytest.raises(UserError, match="autoreset_mode"):
        Lanes.open(EnvSource.of(vector), members=1, envs_per_member=1, seeds=[0])


def test_a_same_step_environment_without_final_observations() -> None:
    class Forgetful(gym.vector.VectorWrapper):
        def step(self, actions):
            *rest, info = self.env.step(actions)
            info.pop("final_obs", None)
            return *rest, info

    vector = Forgetful(SyncVectorEnv([partial(Counting, 1)], autoreset_mode=AutoresetMode.SAME_STEP))
    lanes = Lanes.open(EnvSource.of(vector), members=1, envs_per_member=1, seeds=[0])
    lanes.reset()
    with pytest.raises(UserError, match="final_obs"):
        lanes.step(np.zeros((1, 1), np.float32))


def test_a_vector_environment_with_one_random_stream() -> None:
    """Gymnasium's CartPole of its own vector kind takes one seed; it runs, and is not called reproducible."""
    vector = gym.make_vec("CartPole-v1", num_envs=4, vectorization_mode="vector_entry_point")
    lanes = Lanes.open(EnvSource.of(vector), members=2, envs_per_member=1, seeds=[0, 1])
    assert (lanes.count, lanes.members, lanes.envs_per_member) == (4, 2, 2)
    assert not lanes.reproducible
    lanes.reset()
    for _ in range(60):
        step = lanes.step(np.ones((4, 1), np.float32))
        if step.episodes:
            break
    else:
        pytest.fail("pushing to one side alone ends a CartPole episode within 60 steps")
    vector.close()
