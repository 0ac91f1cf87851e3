"""The collector: what it stores, random actions, statistics, and a step that failed."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import maxent
from maxent.errors import UserError
from maxent.training.collector import Collector
from maxent.training.trainer import Trainer

FINAL = 3  # the kind of a row that holds an episode's last observation alone


class Logging(gym.Env[Any, Any]):
    """Observes noise, earns noise, truncates after `length` steps; and writes down all of it."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def __init__(self, length: int = 4, discrete: bool = False) -> None:
        self.action_space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        if discrete:
            self.action_space = gym.spaces.Discrete(5, start=10)
        self.length, self.time = length, 0
        self.actions: list[Any] = []
        self.rewards: list[float] = []
        self.ends: list[bool] = []
        self.seen: list[NDArray[np.float32]] = []  # the observations that the policy acts on
        self.failing_at: int | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        self.seen.append(self.np_random.standard_normal(2, np.float32))
        return self.seen[-1], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        self.actions.append(np.array(action).item())
        self.rewards.append(float(self.np_random.standard_normal()))
        obs, over = self.np_random.standard_normal(2, np.float32), self.time == self.length
        self.ends.append(over)
        if not over:
            self.seen.append(obs)
        if len(self.actions) == self.failing_at:
            raise RuntimeError("a cable came loose")
        return obs, self.rewards[-1], False, over, {}


def opened(envs: list[Logging], make: Callable[[], Logging] = Logging, **settings: Any) -> Trainer:
    """Return a trainer that has not begun, with its environments in `envs`."""

    def made() -> Logging:
        envs.append(make())
        return envs[-1]

    small = {"hidden": (4,), "buffer_size": 200, "batch_size": 4, "eval_every": 0, "compile": "off", "verbose": False}
    kind = maxent.SACDiscrete if isinstance(make().action_space, gym.spaces.Discrete) else maxent.SAC
    trainer = kind(made, **small | settings)._trainer
    assert trainer is not None
    return trainer


def collect(collector: Collector, steps: int) -> int:
    """Take steps of all environments as the training loop does; return the transitions."""
    envs = collector.schedule.envs
    return sum(collector.step(number).transitions for number in range(0, steps * envs, envs))


def test_it_counts_transitions_and_reports_episodes() -> None:
    envs: list[Logging] = []
    collector = opened(envs, seeds=2, num_envs=3, learning_starts=1_000).collector
    collector.begin()
    collected = [collector.step(number) for number in range(0, 24, 3)]
    assert [one.transitions for one in collected] == [6] * 8
    assert [len(one.episodes) for one in collected] == [0, 0, 0, 6, 0, 0, 0, 6]
    for episode in collected[3].episodes:
        np.testing.assert_allclose(episode.ret, sum(envs[episode.lane].rewards[:4]))
        assert episode.length == 4


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("hold", [1, 3])
def test_random_actions_are_held_until_learning_starts(discrete: bool, hold: int) -> None:
    """Of each environment: 30 steps in blocks of `hold`, then the policy's actions, new at every step."""
    envs: list[Logging] = []
    trainer = opened(
        envs, lambda: Logging(discrete=discrete), seeds=2, num_envs=2, learning_starts=60, random_hold=hold
    )
    trainer.collector.begin()
    collect(trainer.collector, 40)
    assert len(envs) == 4
    for env in envs:
        blocks = np.array(env.actions[:30]).reshape(-1, hold)  # [blocks, hold]
        assert (blocks == blocks[:, :1]).all()
        if discrete:
            assert set(blocks[:, 0]) <= set(range(10, 15))
            assert len(set(blocks[:, 0])) > 2
        else:
            assert len(np.unique(blocks[:, 0])) == 30 // hold
            assert len(np.unique(env.actions[30:])) == 10
    if not discrete:
        firsts = [env.actions[0] for env in envs]
        assert len(set(firsts)) == 4  # members and environments draw their own


def test_after_learning_starts_the_policy_acts() -> None:
    """On the observation at hand, with noise of the member's own stream."""
    envs: list[Logging] = []
    trainer = opened(envs, seeds=2, learning_starts=0, seed=5)
    collector, learner = trainer.collector, trainer.learner
    collector.begin()
    collect(collector, 3)
    fresh = opened([], seeds=2, learning_starts=0, seed=5)
    for step in range(3):
        obs = {"float": np.stack([env.seen[step] for env in envs])[:, np.newaxis]}  # [P, 1, 2]
        noise = np.stack([stream.standard_normal((1, 1), np.float32) for stream in fresh.streams.acting])
        expected = learner.act(obs, noise, step)
        np.testing.assert_allclose([env.actions[step] for env in envs], expected[:, 0, 0], rtol=1e-6)


def test_running_statistics_are_those_of_all_observations_and_returns() -> None:
    """Against NumPy: every observation that a policy could act on, and Gₜ = γ Gₜ₋₁ + rₜ, from 0 in every episode."""
    envs: list[Logging] = []
    trainer = opened(envs, seeds=2, num_envs=2, learning_starts=1_000, norm_obs=True, norm_reward=True, gamma=0.5)
    trainer.collector.begin()
    collect(trainer.collector, 21)
    state = trainer.learner.state
    for member in range(2):
        own = envs[2 * member : 2 * member + 2]
        seen = np.concatenate([env.seen for env in own]).astype(np.float64)  # [44, 2]
        assert state["obs_norm.count"][member] == len(seen) == 2 * 22
        np.testing.assert_allclose(state["obs_norm.mean"][member], seen.mean(0), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(state["obs_norm.var"][member], seen.var(0), rtol=1e-6)
        returns = []
        for env in own:
            discounted = 0.0
            for reward, over in zip(env.rewards, env.ends, strict=True):
                discounted = 0.5 * discounted + np.float32(reward)
                returns.append(discounted)
                discounted = 0.0 if over else discounted
        assert state["reward_norm.count"][member] == len(returns) == 2 * 21
        np.testing.assert_allclose(state["reward_norm.var"][member], [np.var(returns)], rtol=1e-5)


def test_without_normalisation_no_statistics_are_kept() -> None:
    trainer = opened([])
    assert not trainer.learner.keeps_statistics
    assert not any("norm" in name for name in trainer.learner.state)


def test_a_failed_step_ends_the_episode_in_the_replay() -> None:
    """The environment moved and the replay has no such step: what follows belongs to another episode."""
    envs: list[Logging] = []
    trainer = opened(envs, lambda: Logging(length=50), learning_starts=1_000, norm_reward=True)
    collector = trainer.collector
    collector.begin()
    collect(collector, 5)
    assert (collector._returns != 0.0).all()
    envs[0].failing_at = 6
    with pytest.raises(RuntimeError, match="a cable came loose"):
        collector.step(5)
    collector.begin()
    assert (collector._returns == 0.0).all()
    assert envs[0].time == 0
    assert collect(collector, 4) == 4
    kinds = trainer.replay.columns["kind"][0, :11].tolist()
    assert kinds == [1] * 5 + [FINAL] + [1] * 4 + [0]  # the last is pending


def test_begin_goes_on_where_nothing_failed() -> None:
    envs: list[Logging] = []
    trainer = opened(envs, lambda: Logging(length=50), learning_starts=1_000)
    for _ in range(3):
        trainer.collector.begin()
        collect(trainer.collector, 2)
    assert envs[0].time == 6
    assert trainer.replay.columns["kind"][0, :7].tolist() == [1] * 6 + [0]


def test_restored_it_goes_on_where_it_was() -> None:
    """With the episode, the random action that is held, and the discounted returns."""
    settings: dict[str, Any] = {"learning_starts": 1_000, "random_hold": 5, "norm_reward": True}
    first: list[Logging] = []
    trainer = opened(first, lambda: Logging(length=50), **settings)
    trainer.collector.begin()
    collect(trainer.collector, 3)
    saved = trainer.collector.state()
    copied = {name: tensor.clone() for name, tensor in saved.tensors.items()}
    second: list[Logging] = []
    other = opened(second, lambda: Logging(length=50), **settings)
    other.collector.restore(type(saved)(saved.plain, copied))
    assert other.collector.fresh == ()
    other.streams.restore(trainer.streams.state())
    for number in range(3, 9):
        one, again = trainer.collector.step(number), other.collector.step(number)
        assert one == again
    assert first[0].actions == second[0].actions
    assert first[0].rewards == second[0].rewards
    np.testing.assert_array_equal(trainer.collector._returns, other.collector._returns)


def test_an_unbegun_collector_is_restored_as_one() -> None:
    trainer, other = opened([]), opened([])
    other.collector.restore(trainer.collector.state())
    other.collector.begin()
    assert collect(other.collector, 2) == 2


def test_actions_that_are_not_finite_are_not_handed_to_the_environment() -> None:
    """The policy goes back to the last good one, and acts with the same noise."""
    envs: list[Logging] = []
    same: list[Logging] = []
    trainer, other = opened(envs, learning_starts=0), opened(same, learning_starts=0)
    told: list[str] = []
    trainer.guard.on_message = told.append
    for one in (trainer, other):
        one.collector.begin()
    trainer.learner.state["actor"].fill_(torch.nan)
    trainer.collector.step(0)
    other.collector.step(0)
    assert envs[0].actions == same[0].actions
    assert told == [
        "member 0 diverged by step 0 (actions not finite): it goes back to its state of step 0, with other random "
        "numbers"
    ]


def test_actions_that_stay_so_end_the_run() -> None:
    """With broken observations, say, no parameters help."""
    envs: list[Logging] = []
    trainer = opened(envs, learning_starts=0)
    trainer.collector.begin()
    for state in (trainer.learner.state, trainer.guard._good):
        state["actor"].fill_(torch.nan)
    with pytest.raises(UserError, match=r"^Actions are not finite at step 0, with the last good parameters too"):
        trainer.collector.step(0)
    assert envs[0].actions == []
