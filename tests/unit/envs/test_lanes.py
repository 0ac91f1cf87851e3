"""Seeds for each episode, actions, and opening lanes."""

import multiprocessing
from functools import partial
from itertools import count
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from open_lanes import open_lanes, random_actions
from toy_envs import Counting, Drift, Echo

from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.envs.seeds import training_seed
from maxent.errors import UserError


def trace(lanes: Lanes, actions: np.ndarray) -> np.ndarray:
    """All observations to act on, [steps + 1, L, F]."""
    observations = [lanes.reset()["float"]]
    observations += [lanes.step(action).obs["float"] for action in actions]
    return np.stack(observations)


class TestSeeds:
    def test_the_same_run_twice_gives_the_same_observations(self) -> None:
        lanes = open_lanes(Drift, members=2, envs=2)
        actions = random_actions(lanes, 30)
        first, second = trace(lanes, actions), trace(open_lanes(Drift, members=2, envs=2), actions)
        np.testing.assert_array_equal(first, second)
        assert len(np.unique(first[0, :, 0])) == 4  # every lane starts somewhere else
        assert len(np.unique(first[first[:, 0, 1] == 0, 0, 0])) >= 3  # and so does every episode of a lane

    def test_member_k_of_seed_s_is_member_0_of_seed_s_plus_k(self) -> None:
        three = open_lanes(Drift, members=3, envs=2, seed=5)
        actions = random_actions(three, 30)
        together = trace(three, actions)
        for member in range(3):
            own = slice(2 * member, 2 * member + 2)
            alone = trace(open_lanes(Drift, members=1, envs=2, seed=5 + member), actions[:, own])
            np.testing.assert_array_equal(together[:, own], alone)

    def test_a_lane_does_not_change_when_another_environment_does(self) -> None:
        def mixed(limits: list[float]) -> Lanes:
            limit = iter(limits)
            return open_lanes(lambda: Drift(next(limit)), members=2)

        same = mixed([2.0, 2.0])
        actions = random_actions(same, 30)
        one, other = trace(same, actions), trace(mixed([2.0, 0.3]), actions)
        np.testing.assert_array_equal(one[:, 0], other[:, 0])
        assert not np.array_equal(one[:, 1], other[:, 1])

    def test_each_episode_starts_from_its_own_seed(self) -> None:
        lanes = open_lanes(Drift, envs=2, seed=3)
        lanes.reset()
        env = Drift()
        for action in random_actions(lanes, 40):
            step = lanes.step(action)
            for episode in step.episodes:
                number = lanes.state().json["lanes"][episode.lane]["episode"]
                start, _ = env.reset(seed=training_seed(3, episode.lane, number))
                np.testing.assert_array_equal(step.obs["float"][episode.lane], start.astype(np.float32))
        assert number >= 3

    def test_a_vector_environment_that_leaves_resets_to_us_has_the_same_episodes(self) -> None:
        vector = SyncVectorEnv([Drift] * 2, autoreset_mode=AutoresetMode.DISABLED)
        ours, theirs = open_lanes(Drift, members=2), open_lanes(vector, members=2)
        actions = random_actions(ours, 30)
        np.testing.assert_array_equal(trace(ours, actions), trace(theirs, actions))

    def test_a_second_reset_starts_the_next_episode(self) -> None:
        lanes = open_lanes(Drift)
        first, second = lanes.reset(), lanes.reset()
        assert not np.array_equal(first["float"], second["float"])
        assert lanes.state().json["lanes"][0]["episode"] == 1


class TestActions:
    @pytest.mark.parametrize("workers", [False, True])
    def test_discrete_actions_count_from_the_start_of_the_space(self, workers: bool) -> None:
        space = spaces.Discrete(3, start=5)
        lanes = open_lanes(partial(Echo, space), members=2, workers=workers)
        lanes.reset()
        step = lanes.step(np.array([[0.0], [2.0]], np.float32))
        np.testing.assert_array_equal(step.obs["float"], [[5], [7]])
        lanes.close()

    def test_continuous_actions_reach_the_bounds_of_the_environment(self) -> None:
        lanes = open_lanes(partial(Echo, spaces.Box(-3.0, 1.0, (1,), np.float64)), members=3)
        lanes.reset()
        step = lanes.step(np.array([[-1.0], [0.0], [1.0]], np.float32))
        np.testing.assert_array_equal(step.obs["float"], [[-3], [-1], [1]])


class TestOpening:
    def test_environments_of_the_user_stay_open(self) -> None:
        closed = []

        class Closing(Counting):
            def close(self) -> None:
                closed.append(self)

        env = Closing(3)
        open_lanes(env).close()
        vector = SyncVectorEnv([lambda: env], autoreset_mode=AutoresetMode.DISABLED)
        open_lanes(vector).close()
        assert closed == []
        open_lanes(lambda: env).close()
        assert closed == [env]

    def test_a_single_environment_serves_one_member(self) -> None:
        env = gym.make("Pendulum-v1")
        lanes = open_lanes(env)
        assert lanes.count == 1
        assert lanes.reset()["float"].shape == (1, 3)
        with pytest.raises(UserError, match="id or a factory, to make 2"):
            open_lanes(env, members=2)

    def test_members_share_a_vector_environment_equally(self) -> None:
        vector = SyncVectorEnv([Drift] * 4, autoreset_mode=AutoresetMode.DISABLED)
        assert open_lanes(vector, members=2).envs_per_member == 2
        with pytest.raises(UserError, match=r"multiple of 3 environments.*got 4"):
            open_lanes(vector, members=3)

    def test_different_spaces_do_not_go_together(self) -> None:
        turn = count()
        with pytest.raises(UserError, match="equal spaces"):
            open_lanes(lambda: Echo(spaces.Discrete(2 + next(turn))), members=2)

    def test_wrong_counts(self) -> None:
        with pytest.raises(UserError, match="one for each of 2 members"):
            Lanes.open(EnvSource.of(Drift), members=2, envs_per_member=1, seeds=[0])
        with pytest.raises(UserError, match="at least 1, got 0"):
            open_lanes(Drift, envs=0)

    @pytest.mark.parametrize("workers", [False, True])
    def test_unsupported_spaces_are_refused_and_leave_nothing_behind(self, workers: bool) -> None:
        unbounded = spaces.Box(-np.inf, np.inf, (1,))
        with pytest.raises(UserError, match="finite bounds") as caught:
            open_lanes(partial(Echo, unbounded), workers=workers)
        assert multiprocessing.active_children() == [], caught  # `caught` keeps alive what nobody closed


class FailingReset(Counting):
    """Raises in its third reset."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if self.episode == 1:
            raise RuntimeError("a cable came loose")
        return super().reset(seed=seed, options=options)


def test_a_reset_that_raises_leaves_the_state_as_before_the_step() -> None:
    """So a checkpoint of that moment is one from which the run can go on."""
    turn = count()
    lanes = open_lanes(lambda: FailingReset(2) if next(turn) == 1 else Counting(3), envs=2)
    lanes.reset()
    still = np.zeros((2, 1), np.float32)
    for _ in range(3):
        lanes.step(still)
    before = lanes.state()
    with pytest.raises(RuntimeError, match="a cable came loose"):
        lanes.step(still)
    after = lanes.state()
    assert after.json == before.json
    np.testing.assert_array_equal(after.tensors["actions"], before.tensors["actions"])
