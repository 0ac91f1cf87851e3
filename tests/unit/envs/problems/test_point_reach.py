"""The goal task: rewards over arrays, the rules of a goal environment, and that chance reaches few goals."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from maxent.envs.problems.point_reach import RADIUS, SPEED, PointReach
from maxent.spaces import ObservationLayout


@pytest.mark.parametrize("terminate", [False, True])
def test_gymnasium_finds_nothing_wrong(terminate: bool) -> None:
    check_env(gym.make("maxent/PointReach-v0", terminate=terminate).unwrapped)


def test_a_reward_for_each_pair_of_places() -> None:
    env = PointReach()
    achieved = np.array([[[0.0, 0.0], [0.03, 0.04]], [[0.5, 0.5], [0.0, 0.0501]]])
    reward = env.compute_reward(achieved, np.zeros((2, 2, 2)), {})
    assert reward.tolist() == [[0.0, 0.0], [-1.0, -1.0]]  # 0.03 and 0.04 are 0.05 away: reached
    assert float(env.compute_reward(achieved[0, 0], np.zeros(2), {})) == 0.0
    assert env.compute_reward(achieved, np.zeros(2), [{}, {}]).tolist() == reward.tolist()


def test_termination_is_asked_for() -> None:
    places = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert PointReach().compute_terminated(places, np.zeros(2), {}).tolist() == [False, False]
    assert PointReach(terminate=True).compute_terminated(places, np.zeros(2), {}).tolist() == [True, False]


def towards(obs: dict[str, np.ndarray]) -> np.ndarray:
    """The action of one who knows where to go."""
    return np.clip((obs["desired_goal"] - obs["observation"]) / SPEED, -1.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_every_goal_can_be_reached_and_kept(seed: int) -> None:
    """Straight there takes as many steps as the longer side, and then the reward is 0 for ever."""
    env = gym.make("maxent/PointReach-v0")
    obs, info = env.reset(seed=seed)
    distance = float(np.abs(obs["desired_goal"] - obs["observation"]).max())
    rewards, ends = [], []
    for _ in range(50):
        assert info["is_success"] == (np.linalg.norm(obs["desired_goal"] - obs["achieved_goal"]) <= RADIUS)
        obs, reward, terminated, truncated, info = env.step(towards(obs))
        assert reward == env.unwrapped.compute_reward(obs["achieved_goal"], obs["desired_goal"], info)
        rewards.append(reward)
        ends.append((terminated, truncated))
    assert sum(rewards) >= -np.ceil(distance / SPEED)
    assert rewards[-1] == 0.0
    assert ends == [(False, False)] * 49 + [(False, True)]


def test_with_termination_the_goal_is_the_end() -> None:
    env = gym.make("maxent/PointReach-v0", terminate=True)
    obs, _ = env.reset(seed=0)
    for _ in range(50):
        obs, reward, terminated, truncated, info = env.step(towards(obs))
        assert terminated == (reward == 0.0) == info["is_success"]
        if terminated:
            break
    assert terminated and not truncated


def test_chance_reaches_few_goals() -> None:
    env = PointReach()
    env.action_space.seed(0)
    hits = 0
    for episode in range(200):
        env.reset(seed=episode)
        hits += any(env.step(env.action_space.sample())[1] == 0.0 for _ in range(50))
    assert 0 < hits <= 12


def test_the_point_stays_in_the_square() -> None:
    env = PointReach()
    obs, _ = env.reset(seed=0)
    for _ in range(80):
        obs, *_ = env.step(np.array([-7.0, 1.0], np.float32))
    assert obs["observation"].tolist() == obs["achieved_goal"].tolist() == [-1.0, 1.0]


def test_the_same_seed_and_actions_give_the_same_episode() -> None:
    actions = np.random.default_rng(1).uniform(-1, 1, (50, 2)).astype(np.float32)

    def play(env: PointReach) -> list[np.ndarray]:
        seen = [env.reset(seed=7)[0], *(env.step(action)[0] for action in actions)]
        return [np.concatenate(list(obs.values())) for obs in seen]

    first = PointReach()
    first.reset(seed=3)
    first.step(actions[0])
    np.testing.assert_array_equal(play(first), play(PointReach()))


def test_the_observation_can_be_laid_out() -> None:
    assert ObservationLayout.from_space(PointReach().observation_space).features == 6
