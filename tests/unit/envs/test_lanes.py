"""Seeds for each episode, exact restore, and the faults that are found."""

import json
import multiprocessing
from collections.abc import Callable
from functools import partial
from itertools import count

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from toy_envs import Broken, Counting, Drift, Echo

from maxent.envs.faults import EnvironmentFault
from maxent.envs.lanes import Lanes, LaneState
from maxent.envs.making import EnvSource
from maxent.envs.seeds import training_seed
from maxent.errors import UserError
from maxent.spaces import Packed


def open_lanes(env: object, members: int = 1, envs: int = 1, seed: int = 0, workers: bool = False) -> Lanes:
    seeds = [seed + member for member in range(members)]
    return Lanes.open(EnvSource.of(env), members=members, envs_per_member=envs, seeds=seeds, workers=workers)


def random_actions(lanes: Lanes, steps: int, seed: int = 0) -> np.ndarray:
    """Actions [steps, L, A] of the policy."""
    shape = (steps, lanes.count, lanes.action.size)
    generator = np.random.default_rng(seed)
    if lanes.action.kind == "discrete":
        return generator.integers(lanes.action.count, size=shape).astype(np.float32)
    return generator.uniform(-1, 1, shape).astype(np.float32)


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


def run_then_restore(make: Callable[[], Lanes], steps: int, later: int = 5) -> tuple[Lanes, Lanes, Packed]:
    """Runs `steps` steps, restores into new lanes, and checks that both go on alike for `later` steps."""
    lanes, again = make(), make()
    actions = random_actions(lanes, steps + later)
    obs = lanes.reset()
    for action in actions[:steps]:
        obs = lanes.step(action).obs
    saved = lanes.state()
    through_json = LaneState(json.loads(json.dumps(saved.json)), saved.tensors)
    report = again.restore(through_json, obs)
    assert report.fresh == ()
    for part, rows in obs.items():
        np.testing.assert_array_equal(report.obs[part], rows)
    for action in actions[steps:]:
        one, other = lanes.step(action), again.step(action)
        np.testing.assert_array_equal(one.next_obs["float"], other.next_obs["float"])
        np.testing.assert_array_equal(one.obs["float"], other.obs["float"])
        np.testing.assert_array_equal(one.reward, other.reward)
        assert one.episodes == other.episodes
    one_state, other_state = lanes.state(), again.state()
    assert one_state.json == other_state.json
    np.testing.assert_array_equal(one_state.tensors["actions"], other_state.tensors["actions"])
    return lanes, again, obs


class TestRestore:
    @pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1", "Hopper-v5", "HalfCheetah-v5"])
    def test_episodes_come_back_bit_for_bit(self, env_id: str) -> None:
        lanes, again, _ = run_then_restore(partial(open_lanes, env_id, members=2), steps=45)
        lengths = [lane["length"] for lane in lanes.state().json["lanes"]]
        assert min(lengths) >= 0 and max(lengths) > 5  # in the middle of episodes
        lanes.close()
        again.close()

    @pytest.mark.parametrize("env_id", ["Pendulum-v1", "Hopper-v5"])
    def test_in_worker_processes_too(self, env_id: str) -> None:
        lanes, again, _ = run_then_restore(partial(open_lanes, env_id, members=2, workers=True), steps=45)
        lanes.close()
        again.close()

    @pytest.mark.parametrize("steps", [0, 1, 12, 13, 40])
    def test_lanes_of_all_lengths(self, steps: int) -> None:
        """Drift ends at random times, so the four lanes are at different ones; 12 steps end the longest episode."""
        run_then_restore(partial(open_lanes, Drift, members=2, envs=2), steps, later=20)

    @pytest.mark.parametrize("steps", [0, 1, 12, 13, 40])
    def test_a_vector_environment_of_the_user(self, steps: int) -> None:
        def make() -> Lanes:
            vector = SyncVectorEnv([partial(Drift, 1.5)] * 4, autoreset_mode=AutoresetMode.DISABLED)
            return open_lanes(vector, members=2)

        assert make().reproducible
        run_then_restore(make, steps, later=20)

    def test_the_state_says_what_it_holds(self) -> None:
        lanes = open_lanes(Drift, members=2, seed=8)
        obs = lanes.reset()
        actions = random_actions(lanes, 3)
        rewards = [lanes.step(action).reward for action in actions]
        state = lanes.state()
        assert state.json["reproducible"] is True
        for lane, entry in enumerate(state.json["lanes"]):
            assert (entry["episode"], entry["length"]) == (0, 3)
            assert entry["seed"] == training_seed(8 + lane, 0, 0)
            # The return sums the rewards in float64, the steps give them in float32.
            assert entry["return"] == pytest.approx(sum(float(reward[lane]) for reward in rewards), rel=1e-6)
        np.testing.assert_array_equal(state.tensors["actions"], np.concatenate([actions[:, 0], actions[:, 1]]))
        assert obs["float"].shape == (2, 2)

    @pytest.mark.parametrize("vector", [False, True])
    def test_an_irreproducible_environment_starts_afresh_alone(self, vector: bool) -> None:
        def make() -> Lanes:
            factories = [Drift, partial(Drift, hidden=True), Drift]
            if vector:
                return open_lanes(SyncVectorEnv(factories, autoreset_mode=AutoresetMode.DISABLED), envs=3)
            turn = iter(factories)
            return open_lanes(lambda: next(turn)(), envs=3)

        lanes, again = make(), make()
        lanes.reset()
        for action in random_actions(lanes, 20):
            obs = lanes.step(action).obs
        before = lanes.state().json["lanes"]
        assert before[1]["length"] > 0
        report = again.restore(lanes.state(), obs)
        assert report.fresh == (1,)
        np.testing.assert_array_equal(report.obs["float"][[0, 2]], obs["float"][[0, 2]])
        after = again.state().json["lanes"]
        assert [after[0], after[2]] == [before[0], before[2]]
        episode = before[1]["episode"] + 1
        assert after[1] == {"episode": episode, "seed": training_seed(0, 1, episode), "return": 0.0, "length": 0}
        start, _ = Drift().reset(seed=after[1]["seed"])
        np.testing.assert_array_equal(report.obs["float"][1], start.astype(np.float32))

    @pytest.mark.parametrize("vector", [False, True])
    def test_an_episode_that_ends_during_the_replay_starts_afresh(self, vector: bool) -> None:
        def make(limits: list[float]) -> Lanes:
            factories = [partial(Drift, limit) for limit in limits]
            if vector:
                return open_lanes(SyncVectorEnv(factories, autoreset_mode=AutoresetMode.DISABLED), envs=2)
            turn = iter(factories)
            return open_lanes(lambda: next(turn)(), envs=2)

        lanes = make([100.0, 100.0])
        lanes.reset()
        for action in random_actions(lanes, 8):
            obs = lanes.step(action).obs
        again = make([0.0, 100.0])  # lane 0 now ends at its first step
        assert again.restore(lanes.state(), obs).fresh == (0,)
        assert [lane["length"] for lane in again.state().json["lanes"]] == [0, 8]

    def test_an_episode_that_has_ended_where_it_should_go_on_starts_afresh(self) -> None:
        """The observation and the return of the fourth step are as recorded, but the replay has ended there."""
        lanes = open_lanes(partial(Counting, 10))
        lanes.reset()
        for action in random_actions(lanes, 4):
            obs = lanes.step(action).obs
        again = open_lanes(partial(Counting, 4))
        assert again.restore(lanes.state(), obs).fresh == (0,)
        again.step(np.zeros((1, 1), np.float32))

    def test_observations_that_do_not_come_back_are_found(self) -> None:
        class NoisyView(Counting):
            def observe(self):
                return super().observe() + np.random.default_rng().normal()

        lanes = open_lanes(partial(NoisyView, 5))
        lanes.reset()
        obs = lanes.step(random_actions(lanes, 1)[0]).obs
        assert open_lanes(partial(NoisyView, 5)).restore(lanes.state(), obs).fresh == (0,)

    def test_rewards_that_do_not_come_back_are_found(self) -> None:
        class NoisyReward(Drift):
            def step(self, action):
                observation, reward, *rest = super().step(action)
                return observation, reward + float(np.random.default_rng().normal()), *rest

        lanes = open_lanes(NoisyReward)
        lanes.reset()
        obs = lanes.step(random_actions(lanes, 1)[0]).obs
        assert open_lanes(NoisyReward).restore(lanes.state(), obs).fresh == (0,)

    @pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
    def test_vector_environments_that_reset_by_themselves_start_afresh(self, mode: AutoresetMode) -> None:
        def make() -> Lanes:
            return open_lanes(SyncVectorEnv([Drift] * 2, autoreset_mode=mode), members=2)

        lanes, again = make(), make()
        assert not lanes.reproducible
        lanes.reset()
        obs = lanes.step(random_actions(lanes, 1)[0]).obs
        state = lanes.state()
        assert state.tensors["actions"].shape == (0, 1)
        report = again.restore(state, obs)
        assert report.fresh == (0, 1)
        assert [lane["episode"] for lane in again.state().json["lanes"]] == [1, 1]
        start, _ = Drift().reset(seed=training_seed(0, 0, 1))
        np.testing.assert_array_equal(report.obs["float"][0], start.astype(np.float32))

    def test_another_number_of_environments(self) -> None:
        lanes = open_lanes(Drift, members=2)
        obs = lanes.reset()
        with pytest.raises(UserError, match="expected 2 as in the saved run, got 3"):
            open_lanes(Drift, members=3).restore(lanes.state(), obs)


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


class TestFaults:
    def test_a_reward_in_an_array_of_one_is_a_reward(self) -> None:
        class Boxed(Counting):
            def step(self, action):
                observation, reward, *rest = super().step(action)
                return observation, np.array([reward]), *rest

        lanes = open_lanes(partial(Boxed, 2))
        lanes.reset()
        assert lanes.step(np.zeros((1, 1), np.float32)).reward.tolist() == [1.0]

    def test_a_first_observation_that_is_not_finite_is_named(self) -> None:
        class Lost(Counting):
            def observe(self):
                return np.array([np.nan, 0.0]) if self.episode == 1 else super().observe()

        lanes = open_lanes(partial(Lost, 1))
        lanes.reset()
        with pytest.raises(EnvironmentFault, match=r"reset of episode 1: .*nan or inf"):
            lanes.step(np.zeros((1, 1), np.float32))

    def test_a_reward_that_is_no_number_is_named_with_its_place(self) -> None:
        turn = count()
        lanes = open_lanes(lambda: Broken("reward" if next(turn) == 3 else "nothing"), members=2, envs=2)
        lanes.reset()
        for _ in range(2):
            lanes.step(np.zeros((4, 1), np.float32))
        with pytest.raises(EnvironmentFault, match=r"environment 1 of member 1, step 3 of episode 0: .*reward nan"):
            lanes.step(np.zeros((4, 1), np.float32))

    def test_an_observation_that_is_not_finite_is_named(self) -> None:
        lanes = open_lanes(partial(Broken, "observation"))
        lanes.reset()
        for _ in range(2):
            lanes.step(np.zeros((1, 1), np.float32))
        with pytest.raises(EnvironmentFault, match=r"environment 0 of member 0, step 3 of episode 0: .*nan or inf"):
            lanes.step(np.zeros((1, 1), np.float32))

    def test_large_numbers_are_numbers(self) -> None:
        lanes = open_lanes(partial(Broken, "nothing"))
        assert lanes.reset()["float"][0, 0] == np.float32(1e30)


class TestOpening:
    def test_environments_that_were_handed_in_stay_open(self) -> None:
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
