"""Restoring the current episodes from their seeds and actions."""

import json
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from open_lanes import open_lanes, random_actions
from toy_envs import Counting, Drift

from maxent.envs.lanes import Lanes
from maxent.envs.seeds import training_seed
from maxent.envs.step import LaneState
from maxent.errors import UserError
from maxent.spaces import Packed


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


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1", "Hopper-v5", "HalfCheetah-v5"])
def test_episodes_come_back_bit_for_bit(env_id: str) -> None:
    lanes, again, _ = run_then_restore(partial(open_lanes, env_id, members=2), steps=45)
    lengths = [lane["length"] for lane in lanes.state().json["lanes"]]
    assert min(lengths) >= 0 and max(lengths) > 5  # in the middle of episodes
    lanes.close()
    again.close()


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "Hopper-v5"])
def test_in_worker_processes_too(env_id: str) -> None:
    lanes, again, _ = run_then_restore(partial(open_lanes, env_id, members=2, workers=True), steps=45)
    lanes.close()
    again.close()


@pytest.mark.parametrize("steps", [0, 1, 12, 13, 40])
def test_lanes_of_all_lengths(steps: int) -> None:
    """Drift ends at random times, so the four lanes are at different ones; 12 steps end the longest episode."""
    run_then_restore(partial(open_lanes, Drift, members=2, envs=2), steps, later=20)


@pytest.mark.parametrize("steps", [0, 1, 12, 13, 40])
def test_a_vector_environment_of_the_user(steps: int) -> None:
    def make() -> Lanes:
        vector = SyncVectorEnv([partial(Drift, 1.5)] * 4, autoreset_mode=AutoresetMode.DISABLED)
        return open_lanes(vector, members=2)

    assert make().reproducible
    run_then_restore(make, steps, later=20)


def test_the_state_says_what_it_holds() -> None:
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
def test_an_irreproducible_environment_starts_afresh_alone(vector: bool) -> None:
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
def test_an_episode_that_ends_during_the_replay_starts_afresh(vector: bool) -> None:
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


def test_an_episode_that_has_ended_where_it_should_go_on_starts_afresh() -> None:
    """The observation and the return of the fourth step are as recorded, but the replay has ended there."""
    lanes = open_lanes(partial(Counting, 10))
    lanes.reset()
    for action in random_actions(lanes, 4):
        obs = lanes.step(action).obs
    again = open_lanes(partial(Counting, 4))
    assert again.restore(lanes.state(), obs).fresh == (0,)
    again.step(np.zeros((1, 1), np.float32))


def test_observations_that_do_not_come_back_are_found() -> None:
    class NoisyView(Counting):
        def observe(self):
            return super().observe() + np.random.default_rng().normal()

    lanes = open_lanes(partial(NoisyView, 5))
    lanes.reset()
    obs = lanes.step(random_actions(lanes, 1)[0]).obs
    assert open_lanes(partial(NoisyView, 5)).restore(lanes.state(), obs).fresh == (0,)


def test_rewards_that_do_not_come_back_are_found() -> None:
    class NoisyReward(Drift):
        def step(self, action):
            observation, reward, *rest = super().step(action)
            return observation, reward + float(np.random.default_rng().normal()), *rest

    lanes = open_lanes(NoisyReward)
    lanes.reset()
    obs = lanes.step(random_actions(lanes, 1)[0]).obs
    assert open_lanes(NoisyReward).restore(lanes.state(), obs).fresh == (0,)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_vector_environments_that_reset_by_themselves_start_afresh(mode: AutoresetMode) -> None:
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


def test_another_number_of_environments() -> None:
    lanes = open_lanes(Drift, members=2)
    obs = lanes.reset()
    with pytest.raises(UserError, match="expected 2 as in the saved run, got 3"):
        open_lanes(Drift, members=3).restore(lanes.state(), obs)
