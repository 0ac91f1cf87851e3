"""SAC on tiny environments whose soft values are known: each fails for one reason.

With a fixed α, the soft-optimal policy is exp(Q/α)/Z and its value is V = α log Z (Haarnoja et al. 2017, 1702.08165,
theorem 1). On (−1, 1) a reward that does not depend on the action makes it uniform, with the entropy log 2 = 0.6931.
A squashed Gaussian comes within a hundredth of that: at σ = 0.8744 its entropy is 0.6836.
"""

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from envs import OneStep, TwoSteps, log_squashed_gaussian
from torch import Tensor

import maxent
from maxent.algorithms.settings import LearnedAlpha
from maxent.distributions import SquashedGaussian

GAMMA, ALPHA = 0.5, 0.5
ENTROPY = math.log(2.0)
TOLERANCE = 0.03
"""Of values near 1, after a thousand updates of Adam with steps of 0.003."""


class Learned:
    """What SAC learned from a thousand updates on an environment."""

    def __init__(self, env: Callable[[], gym.Env[Any, Any]], **settings: Any) -> None:
        settings = {"alpha": ALPHA, "gamma": GAMMA, **settings}
        agent = maxent.SAC(
            env, verbose=False, eval_every=0, compile="off", hidden=(32, 32), batch_size=64, buffer_size=5_000,
            learning_rate=3e-3, tau=0.05, learning_starts=200, **settings,
        )  # fmt: skip
        agent.learn(1_200)
        agent.close()
        self.learner = agent._learner
        self.sac = self.learner.algorithm

    def policy(self, obs: float) -> SquashedGaussian:
        """π(·|obs), with [A] parameters."""
        policy = self.sac.actor(self.learner.state, torch.tensor([[[obs]]]))
        return SquashedGaussian(policy.mean[0, 0], policy.log_std[0, 0])

    def q(self, obs: float, action: Tensor) -> Tensor:
        """Both critics at actions [B, A] → [E, B]."""
        obs_of_each = torch.full((1, len(action), 1), obs)
        return self.sac.critics(self.learner.state, obs_of_each, action.unsqueeze(0))[0]

    def everywhere(self, obs: float) -> np.ndarray:
        """Both critics at actions from −0.9 to 0.9. [E, 19]"""
        return self.q(obs, torch.linspace(-0.9, 0.9, 19).unsqueeze(-1)).numpy()


def test_a_constant_reward_is_the_value_and_leaves_the_policy_uniform() -> None:
    """Q = 1 for every action, as a terminal state has no entropy to give; and α H alone moves the actor."""
    learned = Learned(lambda: OneStep(lambda obs, action: 1.0))
    for obs in (-1.0, 1.0):
        np.testing.assert_allclose(learned.everywhere(obs), 1.0, atol=TOLERANCE)
        assert ENTROPY - 0.02 < learned.policy(obs).entropy().item() < ENTROPY


def test_values_depend_on_the_observation() -> None:
    """The observation reaches the critic, and rewards meet their own observation in the batch: Q(±1, a) = ±1."""
    learned = Learned(lambda: OneStep(lambda obs, action: float(obs[0])))
    for obs in (-1.0, 1.0):
        np.testing.assert_allclose(learned.everywhere(obs), obs, atol=TOLERANCE)


def test_values_are_discounted_and_contain_the_entropy_to_come() -> None:
    """Q(1, a) = 1 and Q(0, a) = γ (1 + α log 2) = 0.5 (1 + 0.5 · 0.693) = 0.673.

    Without the entropy it would be 0.5, without the discount 1.35, with the entropy at 0 as well 1.02.
    """
    learned = Learned(TwoSteps)
    np.testing.assert_allclose(learned.everywhere(1.0), 1.0, atol=TOLERANCE)
    np.testing.assert_allclose(learned.everywhere(0.0), GAMMA * (1.0 + ALPHA * ENTROPY), atol=TOLERANCE)


def test_truncation_is_not_the_end_of_the_world() -> None:
    """Cut off where it was, with the reward 1 every time: Q = 1 + γ (Q + α log 2), Q = (1 + 0.5 · 0.347)/0.5 = 2.35.

    The same episode, terminated, is worth 1: the first test.
    """
    learned = Learned(lambda: OneStep(lambda obs, action: 1.0, terminates=False))
    for obs in (-1.0, 1.0):
        value = (1.0 + GAMMA * ALPHA * ENTROPY) / (1.0 - GAMMA)
        np.testing.assert_allclose(learned.everywhere(obs), value, atol=2.0 * TOLERANCE)


MEAN, STD = [0.4, -0.6], [0.6, 1.0]


def test_the_policy_becomes_the_exponential_of_the_reward() -> None:
    """r(a) = α log p(a) with p a squashed Gaussian: the optimum exp(r/α)/Z is p itself, Z = 1, and V = α log Z = 0.

    A wrong log-probability, entropy or α ends elsewhere; in two dimensions, so would a mean where a sum belongs.
    """
    learned = Learned(lambda: OneStep(lambda obs, action: ALPHA * log_squashed_gaussian(action, MEAN, STD), actions=2))
    action, log_prob = SquashedGaussian(torch.tensor(MEAN), torch.tensor(STD).log()).sample(
        torch.randn(2_000, 2, generator=torch.Generator().manual_seed(0))
    )
    reward = torch.tensor([ALPHA * log_squashed_gaussian(a, MEAN, STD) for a in action.numpy()])
    for obs in (-1.0, 1.0):
        policy = learned.policy(obs)
        np.testing.assert_allclose(policy.mean.numpy(), MEAN, atol=0.15)
        np.testing.assert_allclose(policy.log_std.exp().numpy(), STD, atol=0.15)
        q = learned.q(obs, action)
        assert (q - reward).abs().mean().item() < 0.15
        # V = E[Q − α log π] under the optimum
        assert abs((q.mean(0) - ALPHA * log_prob).mean().item()) < 0.1


def test_a_learned_alpha_is_the_one_at_which_the_policy_has_the_target_entropy() -> None:
    """With r(a) = ½ log p(a) and the entropy of p as the target, exp(r/α)/Z is p, and has it, at α = ½ alone."""
    mean, std = MEAN[:1], STD[:1]
    target = SquashedGaussian(torch.tensor(mean), torch.tensor(std).log()).entropy().item()
    learned = Learned(
        lambda: OneStep(lambda obs, action: 0.5 * log_squashed_gaussian(action, mean, std)),
        alpha=LearnedAlpha(initial=0.2, target_entropy=target, learning_rate=0.01),
    )  # fmt: skip
    assert learned.learner.state["log_alpha"].exp().item() == pytest.approx(0.5, abs=0.05)
    entropy = [learned.policy(obs).entropy().item() for obs in (-1.0, 1.0)]
    assert sum(entropy) / 2.0 == pytest.approx(target, abs=0.1)
