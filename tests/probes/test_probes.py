"""Every other algorithm on tiny environments whose values are known: each test fails for one reason.

With a fixed α the soft-optimal policy is π = exp(Q/α)/Z with the value V = α log Z (1702.08165, theorem 1). Where the
reward does not depend on the action π is uniform and V = r + α H, H = log 2 on (−1, 1) and log K of K choices. A
squashed Gaussian comes within a hundredth of log 2. TD3, DDPG, DQN, REINFORCE and actor-critic have no α.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from envs import OneStep, Reward, TwoSteps, log_squashed_gaussian
from torch import Tensor

import maxent

GAMMA, ALPHA, CHOICES = 0.5, 0.5, 3
TOLERANCE = 0.04
"""Of values near 1, after some hundred updates of Adam with steps of 0.005."""

REPLAY: dict[str, Any] = {
    "batch_size": 64, "buffer_size": 5_000, "learning_starts": 100, "tau": 0.05, "learning_rate": 5e-3,
}  # fmt: skip
ROLLOUT: dict[str, Any] = {"num_envs": 8, "rollout_steps": 8, "learning_rate": 5e-3}
# the actor waits for what the critic says
ACTOR_CRITIC = ROLLOUT | {"learning_rate": 1e-3, "critic_learning_rate": 5e-3}


@dataclass(frozen=True)
class Probe:
    """How an algorithm is probed."""

    agent: type[maxent.Agent]
    choices: int = 0
    """Actions of a finite set; 0 for a box."""
    alpha: float = 0.0
    """The α by which its values contain entropy."""
    steps: int = 500
    settings: dict[str, Any] = field(default_factory=lambda: REPLAY)
    tolerance: float = TOLERANCE

    @property
    def entropy(self) -> float:
        """Of the uniform policy."""
        return math.log(self.choices or 2)

    def one_step(self, reward: Reward, **kwargs: Any) -> Callable[[], gym.Env[Any, Any]]:
        return lambda: OneStep(reward, choices=self.choices, **kwargs)

    def learn(self, env: Callable[[], gym.Env[Any, Any]], **settings: Any) -> "Learned":
        settings = {"gamma": GAMMA, "hidden": (32, 32), **self.settings, **settings}
        agent = self.agent(env, verbose=False, eval_every=0, compile="off", **settings)
        agent.learn(self.steps)
        agent.close()
        return Learned(agent)


class Learned:
    """What an algorithm learned."""

    def __init__(self, agent: maxent.Agent) -> None:
        self.agent, self.learner = agent, agent._learner
        self.algorithm, self.state = self.learner.algorithm, self.learner.state

    def values(self, obs: float) -> np.ndarray:
        """Q at every choice or at actions from −0.9 to 0.9; of REINFORCE, V.

        On a box an algorithm that learns from its own actions alone is evaluated at those.
        """
        if self.algorithm.name == "reinforce":
            return self.algorithm.value(self.state, torch.full((1, 1, 1), obs))[0].numpy()
        action = torch.linspace(-0.9, 0.9, 19)
        if self.algorithm.action.kind == "discrete":
            action = torch.arange(float(self.algorithm.action.count))
        elif self.algorithm.on_policy:
            action = self.draws(obs, 19)
        observations = torch.full((1, len(action), 1), obs)
        return self.algorithm.q(self.state, observations, action.reshape(1, -1, 1))[0].numpy()

    def draws(self, obs: float, count: int = 4_000) -> Tensor:
        """Exploring actions as after all of the training. [count]"""
        noise = torch.randn(1, count, self.algorithm.act_noise, generator=torch.Generator().manual_seed(0))
        return self.algorithm.act(self.state, torch.full((1, count, 1), obs), noise, math.inf)[0, :, 0]

    def mode(self, obs: float) -> float:
        return self.algorithm.mode(self.state, torch.full((1, 1, 1), obs)).item()


PROBES = {
    "redq": Probe(
        maxent.REDQ,
        alpha=ALPHA,
        settings=REPLAY
        | {
            "alpha": ALPHA,
            "critics": 4,
            "policy_delay": 1,
            "replay_ratio": 1.0,
        },
    ),
    "droq": Probe(maxent.DroQ, alpha=ALPHA, settings=REPLAY | {"alpha": ALPHA, "policy_delay": 1, "replay_ratio": 1.0}),
    "tqc": Probe(maxent.TQC, alpha=ALPHA, settings=REPLAY | {"alpha": ALPHA, "quantiles": 5, "drop": 0}),
    "sac-v1": Probe(maxent.SACv1, alpha=ALPHA, settings=REPLAY | {"alpha": ALPHA}),
    "sac-discrete": Probe(maxent.SACDiscrete, CHOICES, ALPHA, settings=REPLAY | {"alpha": ALPHA}),
    "soft-q": Probe(maxent.SoftQ, alpha=ALPHA, settings=REPLAY | {"alpha": ALPHA, "policy_particles": 8}),
    "soft-q, discrete": Probe(maxent.SoftQ, CHOICES, ALPHA, settings=REPLAY | {"alpha": ALPHA}),
    "td3": Probe(maxent.TD3),
    "ddpg": Probe(maxent.DDPG),
    "dqn": Probe(maxent.DQN, CHOICES, settings=REPLAY | {"tau": 1.0, "target_delay": 20, "exploration_steps": 300}),
    "reinforce": Probe(maxent.Reinforce, steps=5_000, settings=ROLLOUT),
    "reinforce, discrete": Probe(maxent.Reinforce, CHOICES, steps=5_000, settings=ROLLOUT),
    "actor-critic": Probe(maxent.ActorCritic, steps=8_000, settings=ACTOR_CRITIC),
    "actor-critic, discrete": Probe(maxent.ActorCritic, CHOICES, steps=5_000, settings=ACTOR_CRITIC),
}
# batch normalisation and categorical critics take more updates; rewards are as they are, so that values are known
NORMALISED = {name: value for name, value in REPLAY.items() if name not in ("tau", "learning_rate")} | {
    "alpha": ALPHA, "critic_hidden": None, "policy_delay": 1, "replay_ratio": 1.0,
}  # fmt: skip
LONG_PROBES = {
    "crossq": Probe(  # its targets are of one batch's statistics, and their noise fades slowly
        maxent.CrossQ, alpha=ALPHA, steps=3_000, settings=NORMALISED | {"learning_rate": 5e-3}, tolerance=0.08
    ),
    "xqc": Probe(
        maxent.XQC, alpha=ALPHA, steps=1_500,
        settings=NORMALISED | {"learning_rate": 3e-3, "tau": 0.05, "norm_reward": False},
    ),
    "flash-sac": Probe(
        maxent.FlashSAC, alpha=ALPHA, steps=1_500,
        settings=NORMALISED
        | {"learning_rate": 3e-3, "tau": 0.05, "norm_reward": False, "return_bound": None},
    ),
}  # fmt: skip
every_probe = pytest.mark.parametrize(
    "probe",
    [
        *(pytest.param(probe, id=name) for name, probe in PROBES.items()),
        *(pytest.param(probe, id=name, marks=pytest.mark.slow) for name, probe in LONG_PROBES.items()),
    ],
)


@every_probe
def test_a_constant_reward_is_the_value(probe: Probe) -> None:
    """Q = 1 for every action, as a terminal state has no entropy to give."""
    learned = probe.learn(probe.one_step(lambda obs, action: 1.0))
    for obs in (-1.0, 1.0):
        np.testing.assert_allclose(learned.values(obs), 1.0, atol=probe.tolerance)


@every_probe
def test_values_depend_on_the_observation(probe: Probe) -> None:
    """The observation reaches the critic, and rewards meet their own observation in the batch: Q(±1, a) = ±1."""
    learned = probe.learn(probe.one_step(lambda obs, action: float(obs[0])))
    for obs in (-1.0, 1.0):
        np.testing.assert_allclose(learned.values(obs), obs, atol=probe.tolerance)


@every_probe
def test_values_are_discounted_and_contain_the_entropy_to_come(probe: Probe) -> None:
    """Q(1, a) = 1 and Q(0, a) = γ (1 + α H)."""
    learned = probe.learn(lambda: TwoSteps(choices=probe.choices))
    np.testing.assert_allclose(learned.values(1.0), 1.0, atol=probe.tolerance)
    np.testing.assert_allclose(learned.values(0.0), GAMMA * (1.0 + probe.alpha * probe.entropy), atol=probe.tolerance)


@pytest.mark.parametrize("probe", LONG_PROBES.values(), ids=LONG_PROBES.keys())
def test_the_mode_of_the_normalised_ones_is_the_best_action(probe: Probe) -> None:
    """The short form of their probes: the best action is half the observation."""
    learned = replace(probe, steps=600).learn(
        probe.one_step(lambda obs, action: -((float(action[0]) - 0.5 * float(obs[0])) ** 2) * 4.0)
    )
    for obs in (-1.0, 1.0):
        assert learned.mode(obs) == pytest.approx(0.5 * obs, abs=0.2)


@every_probe
def test_truncation_is_not_the_end_of_the_world(probe: Probe) -> None:
    """Cut off where it was, with the reward 1 every time: Q = 1 + γ (Q + α H), so Q = (1 + γ α H)/(1 − γ)."""
    learned = probe.learn(probe.one_step(lambda obs, action: 1.0, terminates=False))
    for obs in (-1.0, 1.0):
        value = (1.0 + GAMMA * probe.alpha * probe.entropy) / (1.0 - GAMMA)
        np.testing.assert_allclose(learned.values(obs), value, atol=2.5 * probe.tolerance)


@every_probe
def test_the_mode_is_the_best_action(probe: Probe) -> None:
    """Of three choices the first pays at −1 and the last at +1; on a box, the best action is half the observation."""

    def reward(obs: Any, action: Any) -> float:
        if probe.choices:
            return float(action == (0 if obs[0] < 0 else CHOICES - 1))
        return -((float(action[0]) - 0.5 * float(obs[0])) ** 2) * 4.0

    learned = probe.learn(probe.one_step(reward))
    for obs in (-1.0, 1.0):
        best = (0.0 if obs < 0 else CHOICES - 1.0) if probe.choices else 0.5 * obs
        assert learned.mode(obs) == pytest.approx(best, abs=0.15)


SOFT_CHOICES = [name for name, probe in PROBES.items() if probe.alpha and probe.choices]


@pytest.mark.parametrize("name", SOFT_CHOICES)
def test_choices_follow_the_exponential_of_their_reward(name: str) -> None:
    """π = softmax(r/α): with r = 0, ½ log 2, ½ log 5 and α = ½, that is (1, 2, 5)/8 at −1 and reversed at +1."""
    rewards = [0.0, ALPHA * math.log(2.0), ALPHA * math.log(5.0)]

    def reward(obs: Any, action: Any) -> float:
        return rewards[int(action) if obs[0] < 0 else CHOICES - 1 - int(action)]

    learned = PROBES[name].learn(PROBES[name].one_step(reward))
    for obs in (-1.0, 1.0):
        expected = np.array([1.0, 2.0, 5.0][:: 1 if obs < 0 else -1]) / 8.0
        share = torch.bincount(learned.draws(obs, 20_000).long(), minlength=CHOICES).numpy() / 20_000
        # values within the tolerance, over α, and 20,000 draws
        np.testing.assert_allclose(share, expected, atol=0.05)


def test_draws_on_a_box_follow_the_exponential_of_the_reward() -> None:
    """π = exp(r/α)/Z with r = −(a − 0.4 s)² and α = ½ is N(0.4 s, ½²) inside [−1, 1]: soft Q's draws."""
    probe = PROBES["soft-q"]
    learned = probe.learn(probe.one_step(lambda obs, action: -float((action[0] - 0.4 * obs[0]) ** 2)))
    a = np.linspace(-1.0, 1.0, 2_001)
    for obs in (-1.0, 1.0):
        density = np.exp(-((a - 0.4 * obs) ** 2) / ALPHA)
        density /= density.sum()
        mean = (density * a).sum()
        std = math.sqrt((density * (a - mean) ** 2).sum())
        draws = learned.draws(obs)
        assert draws.mean().item() == pytest.approx(mean, abs=0.1)
        assert draws.std().item() == pytest.approx(std, abs=0.1)


def test_a_squashed_gaussian_becomes_the_exponential_of_the_reward() -> None:
    """r(a) = α log p(a), p a squashed Gaussian: sac-v1's optimum is p itself, and its state value α log Z = 0."""
    probe, mean, std = PROBES["sac-v1"], 0.4, 0.6
    learned = replace(probe, steps=1_000).learn(
        probe.one_step(lambda obs, action: ALPHA * log_squashed_gaussian(action, [mean], [std]))
    )
    for obs in (-1.0, 1.0):
        u = torch.atanh(learned.draws(obs))
        assert u.mean().item() == pytest.approx(mean, abs=0.15)
        assert u.std().item() == pytest.approx(std, abs=0.15)
        assert learned.algorithm.value(learned.state, torch.full((1, 1, 1), obs)).item() == pytest.approx(0.0, abs=0.1)
