"""Equations that need several functions: gradients in closed form, and the policy gradient theorem."""

import math
from itertools import product
from typing import NamedTuple

import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor

from maxent import objectives
from maxent.algorithms.ddpg import DDPG, DDPGConfig
from maxent.distributions import SquashedGaussian
from maxent.spaces import ActionLayout, ObservationLayout

EXACT = {"atol": 1e-12, "rtol": 0.0}  # float64, sums of a few terms in another order


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


START = torch.tensor([0.3, 0.7], dtype=torch.float64)  # [S]
TRANSITION = torch.tensor([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.25, 0.75]]], dtype=torch.float64)  # [S, A, S']
REWARD = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)  # [S, A]
STEPS = 3


class Trajectories(NamedTuple):
    """All trajectories of three steps: 2 · 4³ = 128."""

    states: Tensor  # [N, T + 1]
    actions: Tensor  # [N, T]

    @property
    def rewards(self) -> Tensor:
        """[N, T]"""
        return REWARD[self.states[:, :-1], self.actions]

    def log_policy(self, logits: Tensor) -> Tensor:
        """log π(a_t|s_t; θ) of softmax policies θ [S, A] → [N, T]"""
        return logits.log_softmax(-1)[self.states[:, :-1], self.actions]

    def log_prob(self, logits: Tensor) -> Tensor:
        """log p(τ) [N]"""
        following = TRANSITION[self.states[:, :-1], self.actions, self.states[:, 1:]].log()
        return objectives.trajectory_log_prob(START[self.states[:, 0]].log(), self.log_policy(logits), following)


@pytest.fixture(scope="module")
def every() -> Trajectories:
    paths = list(product(range(2), repeat=2 * STEPS + 1))
    table = torch.tensor(paths)
    return Trajectories(table[:, : STEPS + 1], table[:, STEPS + 1 :])


def test_a_trajectorys_probability_by_hand(every: Trajectories) -> None:
    """s = (0, 1, 1, 0), a = (1, 0, 0) under even odds: 0.3 · (½ · 0.8) · (½ · 0.5) · (½ · 0.5) = 0.0075."""
    even = every.log_prob(torch.zeros(2, 2, dtype=torch.float64)).exp()
    here = (every.states == torch.tensor([0, 1, 1, 0])).all(1) & (every.actions == torch.tensor([1, 0, 0])).all(1)
    assert even[here].tolist() == [pytest.approx(0.0075)]
    assert even.sum().item() == pytest.approx(1.0)


def test_theorem_1_by_every_trajectory(every: Trajectories) -> None:
    """∇ Σ_τ p(τ) R(τ) = E[Σ_t R(τ) ∇ log π(a_t|s_t)], also with the reward to go; not with r_t alone.

    The left side by autograd through p(τ). On the right p(τ) is a weight, and the model is not differentiated.
    """
    logits = normal(2, 2).requires_grad_()
    total = every.rewards.sum(1, keepdim=True)  # [N, 1]
    value = (every.log_prob(logits).exp() * total.squeeze(1)).sum()
    (exact,) = torch.autograd.grad(value, logits)
    weight = every.log_prob(logits).exp().unsqueeze(1)  # [N, 1]; the loss lets no gradient through it
    following = torch.zeros(2, dtype=torch.float64)  # V of the states, from the last step back
    for _ in range(STEPS):
        following = (logits.softmax(-1) * (REWARD + TRANSITION @ following)).sum(-1)
    torch.testing.assert_close(value, START @ following, **EXACT)

    def gradient(signal: Tensor) -> Tensor:
        """E[Σ_t signal_t ∇ log π(a_t|s_t)], from a loss that is a mean over the 128 · 3 steps, with a minus."""
        log_policy = every.log_policy(logits)
        scaled = -(weight * signal).expand_as(log_policy) * log_policy.numel()
        loss = objectives.policy_gradient_loss(log_policy.reshape(1, -1), scaled.reshape(1, -1))
        return torch.autograd.grad(loss.sum(), logits, retain_graph=True)[0]

    ended = torch.tensor([[False] * (STEPS - 1) + [True]]).expand_as(every.rewards)
    ones, zeros = torch.ones_like(every.rewards), torch.zeros_like(every.rewards)
    to_go = objectives.reward_to_go(every.rewards, ones * ~ended, ended, zeros)
    torch.testing.assert_close(objectives.episode_return(to_go, ended), total.expand_as(to_go), **EXACT)
    torch.testing.assert_close(gradient(total), exact, **EXACT)
    torch.testing.assert_close(gradient(to_go), exact, **EXACT)
    # With the reward of the same step alone it is another vector.
    assert (gradient(every.rewards) - exact).abs().max() > 0.1
    # The score has mean zero, so its product with E[R] would be no gradient.
    torch.testing.assert_close(gradient(ones), torch.zeros_like(exact), **EXACT)


def test_the_score_of_a_trajectory_is_that_of_its_actions(every: Trajectories) -> None:
    """∇ log p(τ) = Σ_t ∇ log π(a_t|s_t) for each τ: start and dynamics have no θ. And ∇ p(τ) = p(τ) ∇ log p(τ)."""
    logits = normal(2, 2).requires_grad_()
    for n in range(0, 128, 17):
        (whole,) = torch.autograd.grad(every.log_prob(logits)[n], logits)
        (actions,) = torch.autograd.grad(every.log_policy(logits)[n].sum(), logits)
        torch.testing.assert_close(whole, actions, **EXACT)
        states, chosen = every.states[n].tolist(), every.actions[n].tolist()
        probability = START[states[0]].item()
        for s, a, following in zip(states[:-1], chosen, states[1:], strict=True):
            probability *= logits.softmax(-1)[s, a].item() * TRANSITION[s, a, following].item()
        (of_probability,) = torch.autograd.grad(every.log_prob(logits)[n].exp(), logits)
        torch.testing.assert_close(of_probability, probability * actions, **EXACT)


def random_policy() -> tuple[Tensor, Tensor, Tensor]:
    """Return Q [1, 1, B, K], logits [1, B, K] that require a gradient, and α [1, 1]."""
    return normal(1, 1, 4, 5), normal(1, 4, 5, seed=1).requires_grad_(), torch.tensor([[0.7]], dtype=torch.float64)


def score_gradient(logits: Tensor, signal: Tensor) -> Tensor:
    """E_s[Σ_a π(a|s) signal(s, a) ∇ log π(a|s)], the expectation over a as a sum. signal [1, B, K]"""
    total = torch.zeros_like(logits)
    for k in range(logits.shape[-1]):
        log_prob = logits.log_softmax(-1)[..., k]  # [1, B]
        loss = objectives.policy_gradient_loss(log_prob, -log_prob.exp() * signal[..., k])
        total += torch.autograd.grad(loss.sum(), logits)[0]
    return total


def test_the_log_derivative_identity() -> None:
    """∇ log π = ∇π / π and ∇π = π ∇ log π, for every action.

    The loss −E[log π · signal] has the gradient −E[∇ log π] with signal 1 and −E[∇π] with signal π, which is not
    differentiated itself. ∇π is by autograd through the softmax; E is the mean over the states of the batch.
    """
    _, logits, _ = random_policy()
    for k in range(5):
        probs = logits.softmax(-1)[..., k]  # [1, B]
        jacobian = torch.stack([torch.autograd.grad(p, logits, retain_graph=True)[0] for p in probs[0]])  # [B, 1, B, K]
        ratio = jacobian / probs[0].detach().reshape(-1, 1, 1, 1)
        for signal, expected in ((torch.ones_like(probs), ratio), (probs, jacobian)):
            loss = objectives.policy_gradient_loss(logits.log_softmax(-1)[..., k], signal)
            (found,) = torch.autograd.grad(loss.sum(), logits, retain_graph=True)
            torch.testing.assert_close(-found, expected.mean(0), **EXACT)


def test_the_score_function_gradient_of_the_soft_loss() -> None:
    """∇ E_{a~π}[α log π − Q] = E_{a~π}[(α log π − Q) ∇ log π]: what α ∇ log π itself adds has mean zero."""
    q, logits, alpha = random_policy()
    loss = objectives.expected_actor_loss(q, logits.log_softmax(-1), alpha)
    (exact,) = torch.autograd.grad(loss.sum(), logits)
    signal = alpha * logits.log_softmax(-1).detach() - q[:, 0]
    torch.testing.assert_close(score_gradient(logits, signal), exact, **EXACT)


def test_the_actor_critics_gradient_is_that_of_the_expected_q() -> None:
    """∇ E_{a~π}[Q(s, a)] = E_{a~π}[Q(s, a) ∇ log π(a|s)]."""
    q, logits, _ = random_policy()
    (exact,) = torch.autograd.grad(objectives.expected_value(q, logits.softmax(-1)).mean(-1).sum(), logits)
    torch.testing.assert_close(score_gradient(logits, q[:, 0]), exact, **EXACT)


def test_the_actors_loss_is_the_divergence_without_its_normaliser() -> None:
    """α D_KL(π ‖ exp(Q/α)/Z) = J_π + α log Z, Z = Σ exp(Q/α), with the divergence as Σ π log(π/p)."""
    q, logits, alpha = random_policy()
    log_probs, target = logits.log_softmax(-1).detach(), (q[:, 0] / alpha).log_softmax(-1)
    divergence = (log_probs.exp() * (log_probs - target)).sum(-1)  # [1, B]
    normaliser = objectives.log_sum_exp_value(q, alpha.item())  # α log Z
    loss = objectives.expected_actor_loss(q, log_probs, alpha)
    torch.testing.assert_close(alpha[0] * divergence.mean(-1), loss + normaliser.mean(-1), **EXACT)


def test_the_reparameterised_gradient_has_the_three_terms_of_equation_13() -> None:
    """∇_φ J = α ∇_φ log π(a|s) + (α ∇_a log π(a|s) − ∇_a Q(s, a)) ∇_φ f_φ(ε; s), with φ = (μ, log σ).

    The terms by hand at u = μ + σε, a = tanh u, for Q(a) = −½ c a². With a fixed, u is: ∂ log π/∂μ = ε/σ and
    ∂ log π/∂ log σ = ε² − 1. In a: d log π/da = (−ε/σ + 2 tanh u) du/da, since log π = log N(u) − log(1 − tanh² u);
    and ∂a/∂μ = 1 − a², ∂a/∂ log σ = (1 − a²) σ ε, du/da = 1/(1 − a²).
    """
    alpha, curvature, mean, std, noise = 0.7, 3.0, 0.4, 0.5, -1.3
    a = math.tanh(mean + std * noise)
    slope = 1.0 - a * a
    by_action = alpha * (-noise / std + 2.0 * a) / slope + curvature * a  # −dQ/da = c a
    expected = [
        alpha * noise / std + by_action * slope,
        alpha * (noise**2 - 1.0) + by_action * slope * std * noise,
    ]

    phi = torch.tensor([mean, math.log(std)], dtype=torch.float64, requires_grad=True)
    policy = SquashedGaussian(phi[:1].reshape(1, 1, 1), phi[1:].reshape(1, 1, 1))
    action, log_prob = policy.sample(
        torch.full((1, 2, 1), noise, dtype=torch.float64)
    )  # [1, 2, 1], [1, 2]: twice alike
    q = -0.5 * curvature * action.squeeze(-1).unsqueeze(1) ** 2  # [P, E, B]
    loss = objectives.actor_loss(q, log_prob, torch.full((1, 1), alpha, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(loss.sum(), phi)
    assert gradient.tolist() == pytest.approx(expected, abs=1e-9)


def test_a_deterministic_actor_explores_by_gaussian_noise() -> None:
    """a = clip(μ(s) + σ ε, −1, 1): inside the box the noise is unchanged, beyond it the action is clipped."""
    algorithm = DDPG(
        DDPGConfig(hidden=(8,), exploration_noise=0.3),
        1,
        ObservationLayout.vector(3),
        ActionLayout.from_space(Box(-2.0, 2.0, (2,))),
    )
    state = algorithm.init([torch.Generator().manual_seed(0)])
    obs, noise = normal(1, 2, 3).float(), torch.tensor([[[0.5, -1.0], [50.0, -50.0]]])
    mean, action = algorithm.mode(state, obs), algorithm.act(state, obs, noise, 0.0)
    torch.testing.assert_close(action[:, 0], mean[:, 0] + torch.tensor([[0.15, -0.3]]), atol=1e-6, rtol=0.0)
    assert action[0, 1].tolist() == [1.0, -1.0]
