"""Evaluation: the same episodes for every member, whoever ends first."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from maxent.envs.making import EnvSource
from maxent.envs.seeds import evaluation_seed
from maxent.errors import UserError
from maxent.spaces import Packed
from maxent.training.evaluation import Critic, EvaluationResult, Evaluator


class Countdown(gym.Env[Any, Any]):
    """Observes (n, time) where n = 1 + seed % 5; earns n + action a step and terminates after n steps."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    made = 0
    closed = 0

    def __init__(self, endless: bool = False) -> None:
        type(self).made += 1
        self.endless = endless

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        assert seed is not None
        self.n, self.time = 1 + seed % 5, 0
        return np.array([self.n, 0.0]), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.endless or self.time < self.n, "stepped after the end of an episode"
        self.time += 1
        over = self.time == self.n and not self.endless
        return np.array([self.n, self.time], np.float64), self.n + float(action[0]), over, False, {}

    def close(self) -> None:
        type(self).closed += 1


def lengths_of(base: int, episodes: int) -> np.ndarray:
    """Return the lengths of Countdown's episodes with these seeds."""
    return np.array([1 + evaluation_seed(base, episode) % 5 for episode in range(episodes)])


def act_by_member(obs: Packed) -> np.ndarray:
    """Member 0 does 0, member 1 does 0.5."""
    P, K, _ = obs["float"].shape
    return np.broadcast_to(0.5 * np.arange(P, dtype=np.float32)[:, None, None], (P, K, 1))


@pytest.mark.parametrize("episodes", [1, 7, 10, 23])
def test_returns_and_lengths_follow_from_the_seeds(episodes: int) -> None:
    result = Evaluator(EnvSource.of(Countdown), 2, episodes, base_seed=4).run(act_by_member)
    n = lengths_of(4, episodes)
    np.testing.assert_array_equal(result.lengths, [n, n])
    np.testing.assert_array_equal(result.returns, [n * n, n * (n + 0.5)])
    assert (result.returns.dtype, result.lengths.dtype) == (np.float64, np.int64)


def test_a_run_can_be_repeated_and_another_base_has_other_episodes() -> None:
    evaluator = Evaluator(EnvSource.of("Pendulum-v1"), 1, 3, base_seed=0, max_steps=20)
    first, second = evaluator.run(act_by_member), evaluator.run(act_by_member)
    np.testing.assert_array_equal(first.returns, second.returns)
    other = Evaluator(EnvSource.of("Pendulum-v1"), 1, 3, base_seed=1, max_steps=20).run(act_by_member)
    assert not np.intersect1d(first.returns, other.returns).size
    evaluator.close()


def test_the_batch_keeps_its_shape_and_finished_lanes_their_observation() -> None:
    seen: list[np.ndarray] = []

    def act(obs: Packed) -> np.ndarray:
        seen.append(obs["float"].copy())
        return np.zeros((3, 4, 1), np.float32)

    Evaluator(EnvSource.of(Countdown), 3, 4, base_seed=4).run(act)
    n = lengths_of(4, 4)
    assert len(np.unique(n)) > 1  # episodes of different lengths
    assert len(seen) == n.max()
    for time, obs in enumerate(seen):
        expected = np.stack([n, np.minimum(time, n)], axis=-1)
        np.testing.assert_array_equal(obs, np.broadcast_to(expected, (3, 4, 2)))


def test_a_discrete_policy_hands_in_indices() -> None:
    class Chooser(Countdown):
        action_space = spaces.Discrete(3, start=10)

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            observation, _, *rest = super().step([0.0])
            return observation, float(action), *rest

    result = Evaluator(EnvSource.of(Chooser), 1, 2, base_seed=4).run(lambda obs: np.full((1, 2, 1), 2, np.float32))
    np.testing.assert_array_equal(result.returns[0], 12 * lengths_of(4, 2))


def test_an_endless_episode_is_cut_off() -> None:
    evaluator = Evaluator(EnvSource.of(lambda: Countdown(endless=True)), 1, 3, base_seed=0, max_steps=8)
    result = evaluator.run(lambda obs: np.zeros((1, 3, 1), np.float32))
    np.testing.assert_array_equal(result.lengths, [[8, 8, 8]])


def test_environments_are_made_when_needed_and_at_most_ten_per_member() -> None:
    class Counted(Countdown):
        made = 0
        closed = 0

    evaluator = Evaluator(EnvSource.of(Counted), 2, 25, base_seed=0)
    assert Counted.made == 0
    evaluator.run(act_by_member)
    evaluator.run(act_by_member)
    assert Counted.made == 2 * 10
    evaluator.close()
    evaluator.close()
    assert Counted.closed == 2 * 10


def test_statistics_are_taken_over_episodes() -> None:
    result = EvaluationResult(np.array([[1.0, 3.0], [5.0, 5.0]]), np.array([[2, 4], [6, 7]]), np.full((2, 2), np.nan))
    np.testing.assert_array_equal(result.mean, [2, 5])
    np.testing.assert_array_equal(result.std, [1, 0])


@pytest.mark.parametrize(("members", "episodes", "steps"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_an_evaluation_of_nothing_is_refused(members: int, episodes: int, steps: int) -> None:
    with pytest.raises(UserError, match="expected a whole number of at least 1, got 0"):
        Evaluator(EnvSource.of(Countdown), members, episodes, 0, max_steps=steps)


def test_an_environment_that_cannot_be_made_again() -> None:
    with pytest.raises(UserError, match="factory"):
        Evaluator(EnvSource.of(Countdown()), 1, 1, 0).run(act_by_member)


@pytest.mark.parametrize("episodes", [7, 23])  # 23: lanes begin further episodes while others are under way
def test_a_critic_is_asked_where_episodes_begin_and_returns_are_discounted(episodes: int) -> None:
    def values(obs: Packed, action: np.ndarray) -> np.ndarray:
        """100·n + action, and nonsense wherever time has passed."""
        n, time = obs["float"][..., 0], obs["float"][..., 1]
        return np.asarray(np.where(time == 0, 100.0 * n + action[..., 0], np.nan))

    evaluator = Evaluator(EnvSource.of(Countdown), 2, episodes, base_seed=4)
    result = evaluator.run(act_by_member, Critic(values, gamma=0.5))
    n = lengths_of(4, episodes)
    np.testing.assert_allclose(result.values, [100.0 * n, 100.0 * n + 0.5])
    weights = 2.0 * (1.0 - 0.5**n)  # 1 + 1/2 + 1/4 + …, n terms
    np.testing.assert_allclose(result.discounted, [n * weights, (n + 0.5) * weights])
    plain = evaluator.run(act_by_member)
    assert plain.values is None and plain.discounted is None
    np.testing.assert_array_equal(plain.returns, result.returns)
