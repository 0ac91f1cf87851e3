"""The four-goal task: rewards by hand, goals, bounds, and the same episode from the same seed."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from maxent.envs.problems.multigoal import GOALS, MultiGoal, goal_reached


def at(env: MultiGoal, x: float, y: float) -> MultiGoal:
    """The environment with its point put somewhere."""
    env.reset(seed=0)
    env._path = [np.array([x, y], np.float32)]
    return env


def move(env: MultiGoal, x: float, y: float):
    return env.step(np.array([x, y], np.float32))


def test_gymnasium_finds_nothing_wrong() -> None:
    check_env(gym.make("maxent/MultiGoal-v0", render_mode="rgb_array").unwrapped)


def test_an_episode_has_thirty_steps() -> None:
    env = gym.make("maxent/MultiGoal-v0")
    env.reset(seed=0)
    ends = [env.step(np.zeros(2, np.float32))[2:4] for _ in range(30)]
    assert ends == [(False, False)] * 29 + [(False, True)]


def test_the_first_position_is_normal_around_the_origin() -> None:
    env = MultiGoal()
    starts = np.stack([env.reset(seed=seed)[0] for seed in range(1000)])
    assert abs(starts.mean()) < 4 * 0.1 / np.sqrt(2000)
    assert starts.std() == pytest.approx(0.1, rel=4 / np.sqrt(4000))  # a standard deviation is known to 1/√(2n)


def test_a_reward_worked_by_hand() -> None:
    # From (2, 1) by (0.5, −0.25) to (2.5, 0.75): effort 30·(0.25 + 0.0625) = 9.375.
    # East is 2.5 and 0.75 away, 6.25 + 0.5625 = 6.8125; north is 2.5 and 4.25 away, further.
    obs, reward, terminated, truncated, info = move(at(MultiGoal(), 2.0, 1.0), 0.5, -0.25)
    np.testing.assert_array_equal(obs, np.array([2.5, 0.75], np.float32))
    assert (reward, terminated, truncated, info) == (-16.1875, False, False, {"goal": -1})


@pytest.mark.parametrize("index", range(4))
def test_a_goal_ends_the_episode_and_is_named(index: int) -> None:
    # 1.5 before the goal, then one unit towards it: 0.5 away. −30·1 − 0.25 + 10 = −20.25
    direction = GOALS[index] / 5.0
    env = at(MultiGoal(), *(3.5 * direction))
    _, reward, terminated, _, info = env.step(direction)
    assert (reward, terminated, info) == (-20.25, True, {"goal": index})


def test_the_edge_of_a_goal_does_not_count() -> None:
    assert goal_reached(np.array([[4.0, 0.0], [4.001, 0.0], [0.0, -5.5], [7.0, 7.0]])).tolist() == [-1, 0, 3, -1]


def test_weights_are_arguments() -> None:
    env = gym.make("maxent/MultiGoal-v0", goal_reward=3.0, action_cost=2.0, distance_cost=0.5).unwrapped
    _, reward, *_ = move(at(env, 3.5, 0.0), 1.0, 0.0)
    assert reward == -2.0 * 1.0 - 0.5 * 0.25 + 3.0


def test_actions_and_positions_are_held_within_bounds() -> None:
    obs, reward, *_ = move(at(MultiGoal(), 6.5, 6.5), 9.0, -0.0)
    np.testing.assert_array_equal(obs, np.array([7.0, 6.5], np.float32))
    # the action counts as (1, 0): 30; east is 2 and 6.5 away: 46.25, north 7 and 1.5: 51.25
    assert reward == -76.25


def test_costs_of_many_moves_at_once() -> None:
    rng = np.random.default_rng(0)
    position, action = rng.uniform(-7, 7, (3, 5, 2)), rng.uniform(-1, 1, (3, 5, 2))
    cost = MultiGoal().cost(position, action)
    assert cost.shape == (3, 5)
    nearest = min(float(((position[2, 4] - goal) ** 2).sum()) for goal in GOALS)
    assert cost[2, 4] == pytest.approx(30.0 * float((action[2, 4] ** 2).sum()) + nearest)


@pytest.mark.parametrize("dynamics_sigma", [0.0, 0.3])
def test_the_same_seed_and_actions_give_the_same_episode(dynamics_sigma: float) -> None:
    actions = np.random.default_rng(1).uniform(-1, 1, (30, 2)).astype(np.float32)

    def play(env: MultiGoal) -> list[np.ndarray]:
        return [env.reset(seed=7)[0], *(env.step(action)[0] for action in actions)]

    first = MultiGoal(dynamics_sigma=dynamics_sigma)
    first.reset(seed=3)
    move(first, 1.0, 1.0)
    np.testing.assert_array_equal(play(first), play(MultiGoal(dynamics_sigma=dynamics_sigma)))


def test_observations_are_copies() -> None:
    env = MultiGoal()
    obs, _ = env.reset(seed=0)
    obs += 5.0
    assert np.abs(move(env, 0.0, 0.0)[0]).max() < 1.0


def test_the_picture_shows_goals_and_the_point() -> None:
    env = at(MultiGoal(render_mode="rgb_array"), 0.0, 2.5)
    picture = env.render()
    assert picture is not None and picture.shape == (280, 280, 3)
    assert picture[90, 140].tolist() == [31, 95, 168]  # (7 − 2.5)/14 of the height: north is up
    assert picture[140, 240].tolist() == [244, 190, 176]  # the eastern goal
    assert MultiGoal().render() is None
