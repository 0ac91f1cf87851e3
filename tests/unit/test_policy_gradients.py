"""Two estimators of one gradient: both have the closed form as their mean, and the variances of the theory.

Statistical tests: fixed seeds, and a limit of 4.5 standard errors, which 0.0007 % of fair draws exceed.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from maxent.distributions import SquashedGaussian, gaussian_log_prob
from maxent.objectives import actor_loss
from maxent.tabular import random_mdp, sample_episodes

N, ALPHA, LIMIT = 200_000, 0.3, 4.5
MEAN = torch.tensor([0.4, -1.0, 0.2], dtype=torch.float64)
STD = torch.tensor([0.5, 1.2, 0.1], dtype=torch.float64)
CENTRE = torch.tensor([-0.6, 0.5, 0.0], dtype=torch.float64)
K = torch.tensor([[2.0, 0.3, -0.5], [0.3, 1.0, 0.2], [-0.5, 0.2, 3.0]], dtype=torch.float64)


def quadratic(a: Tensor) -> Tensor:
    """Q(a) = −½ (a − c)ᵀ K (a − c).   [..., 3] → [...]"""
    return -0.5 * ((a - CENTRE) @ K * (a - CENTRE)).sum(-1)


def exact() -> Tensor:
    """∇ E[α log π(a) − Q(a)] for a ~ N(μ, σ): E[log π] = −Σ log σ + constant, E[Q] = Q(μ) − ½ Σ K_ii σ_i².

    So ∂/∂μ = K (μ − c) and ∂/∂ log σ_i = −α + K_ii σ_i².   → [6]
    """
    return torch.cat([K @ (MEAN - CENTRE), -ALPHA + K.diagonal() * STD**2])


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def likelihood_ratio(baseline: float) -> Tensor:
    """∇ log π(a) (α log π(a) − Q(a) − b) of every sample: 2018a eq. 10 by the score function.   → [N, 6]"""
    action = MEAN + STD * noise(0, N, 3)
    mean, log_std = (x.expand(N, 3).clone().requires_grad_() for x in (MEAN, STD.log()))
    log_prob = gaussian_log_prob(action, mean, log_std)
    weight = (ALPHA * log_prob - quadratic(action) - baseline).detach()
    return torch.cat(torch.autograd.grad((weight * log_prob).sum(), [mean, log_std]), dim=-1)


def reparameterised() -> Tensor:
    """Autograd through α log π(f(ε)) − Q(f(ε)), f(ε) = μ + σε: 2018a eq. 12 and 13.   → [N, 6]"""
    mean, log_std = (x.expand(N, 3).clone().requires_grad_() for x in (MEAN, STD.log()))
    action = mean + log_std.exp() * noise(1, N, 3)
    loss = ALPHA * gaussian_log_prob(action, mean, log_std) - quadratic(action)
    return torch.cat(torch.autograd.grad(loss.sum(), [mean, log_std]), dim=-1)


def equation_13() -> Tensor:
    """∇_φ log π + (∇_a log π − ∇_a Q) ∇_φ f, with α, written out by hand at the same noise.   → [N, 6]"""
    eps = noise(1, N, 3)
    action = MEAN + STD * eps
    score = torch.cat([eps / STD, eps**2 - 1.0], dim=-1)  # ∇ log π in μ and in log σ
    pull = ALPHA * (-eps / STD) + (action - CENTRE) @ K  # α ∇_a log π − ∇_a Q
    return ALPHA * score + torch.cat([pull, pull * STD * eps], dim=-1)  # ∇f = 1 and σε


def z_scores(samples: Tensor, expected: Tensor) -> Tensor:
    return (samples.mean(0) - expected) / (samples.std(0) / len(samples) ** 0.5)


@pytest.mark.parametrize("baseline", [0.0, 1.0])
def test_the_likelihood_ratio_gradient_has_the_closed_form_as_its_mean(baseline: float) -> None:
    assert z_scores(likelihood_ratio(baseline), exact()).abs().max().item() < LIMIT


def test_the_reparameterised_gradient_has_the_closed_form_as_its_mean() -> None:
    samples = reparameterised()
    spread = samples.std(0)
    # α log π(f(ε)) is −α log σ up to a constant in φ: in log σ its part is exactly −α, and in μ it is 0
    assert z_scores(samples, exact()).abs().max().item() < LIMIT
    assert bool((spread < likelihood_ratio(0.0).std(0)).all())


def test_equation_13_equals_autograd_for_every_sample() -> None:
    torch.testing.assert_close(equation_13(), reparameterised(), atol=1e-10, rtol=0.0)


def test_an_error_of_one_per_cent_is_detected() -> None:
    """The z-scores of a gradient that is wrong by one per cent exceed the limit of the tests above."""
    assert z_scores(reparameterised(), 1.01 * exact()).abs().max().item() > LIMIT


@pytest.mark.parametrize(("std", "d"), [(0.1, 1), (0.3, 4), (1.0, 2)])
def test_the_variances_are_those_of_the_chapter(std: float, d: int) -> None:
    """Q(a) = −½ |a|², μ = δ = 1 in every dimension: docs/derivation/04-policy-gradients.md.

    Sample variances of heavy-tailed numbers: kurtosis below 60 here, so 60^½ · N^−½ = 1.7 % is one standard error.
    """
    eps = noise(2, N, d)
    q = -0.5 * ((1.0 + std * eps) ** 2).sum(-1)
    s, mean_q = std**2, -0.5 * d * (1.0 + std**2)
    for b in (0.0, mean_q):
        g = (d - 1) * (1.0 + s) + 2.0 * b
        square = 1.0 + 18.0 * s + 15.0 * s**2 + 2.0 * g * (1.0 + 3.0 * s) + g**2 + (d - 1) * (4.0 * s + 2.0 * s**2)
        sampled = ((q - b) * eps[:, 0] / std).var().item()
        assert sampled == pytest.approx(square / (4.0 * s) - 1.0, rel=0.06)
    assert (-(1.0 + std * eps[:, 0])).var().item() == pytest.approx(s, rel=0.02)


def test_both_gradients_of_a_squashed_gaussian_agree_with_quadrature() -> None:
    """A squashed Gaussian and a Q with two peaks: no closed form, so the expectation is an integral over the noise."""
    start = torch.tensor([[0.3], [-0.4]], dtype=torch.float64)  # μ, log σ

    def q_of(a: Tensor) -> Tensor:
        return torch.exp(-(((a - 0.5) / 0.3) ** 2)) + 0.7 * torch.exp(-(((a + 0.5) / 0.3) ** 2))

    z = torch.linspace(-9.0, 9.0, 20_001, dtype=torch.float64)
    weight = torch.exp(-0.5 * z * z) * (z[1] - z[0]) / (2.0 * torch.pi) ** 0.5
    phi = start.clone().requires_grad_()
    a, log_prob = SquashedGaussian(phi[0], phi[1]).sample(z[:, None])
    (expected,) = torch.autograd.grad((weight * (ALPHA * log_prob - q_of(a[:, 0]))).sum(), phi)

    phi = start.expand(2, N).clone().requires_grad_()
    a, log_prob = SquashedGaussian(phi[0, :, None], phi[1, :, None]).sample(noise(3, N, 1))
    alpha = torch.tensor([[ALPHA]], dtype=torch.float64)
    loss = actor_loss(q_of(a[:, 0])[None, None], log_prob[None], alpha).sum() * N
    (by_path,) = torch.autograd.grad(loss, phi)

    phi = start.expand(2, N).clone().requires_grad_()
    u = (start[0] + start[1].exp() * noise(4, N, 1)).detach()
    log_prob = SquashedGaussian(phi[0, :, None], phi[1, :, None]).log_prob(u)
    signal = (ALPHA * log_prob - q_of(torch.tanh(u[:, 0]))).detach()
    (by_ratio,) = torch.autograd.grad((signal * log_prob).sum(), phi)

    for samples in (by_path.T, by_ratio.T):
        assert z_scores(samples, expected[:, 0]).abs().max().item() < LIMIT


@pytest.mark.parametrize("weighting", ["whole return", "reward-to-go", "baseline", "reward of the same step"])
def test_theorem_1_on_sampled_episodes(weighting: str) -> None:
    """The policy gradient theorem (Sutton & Barto 2018, §13.2), against autograd through dynamic programming.

    With the reward of the same step alone the estimate has another mean.
    """
    mdp, horizon = random_mdp(4, n_states=3, n_actions=2, successors=1), 4
    P, R, first = (torch.tensor(x) for x in (mdp.P.dense(), mdp.R, mdp.start))
    theta = noise(6, 3, 2).requires_grad_()
    policy, v = theta.softmax(-1), torch.zeros(3, dtype=torch.float64)
    for _ in range(horizon):
        v = (policy * (R + P @ v)).sum(-1)
    (gradient,) = torch.autograd.grad(first @ v, theta)
    table, v = policy.detach(), v.detach()

    episodes = sample_episodes(mdp, table.numpy(), 20_000, rng=np.random.default_rng(7), max_steps=horizon)
    s = torch.tensor([episode.states[:-1] for episode in episodes])  # [N, T]
    a = torch.tensor([episode.actions for episode in episodes])
    to_go = torch.tensor([episode.returns(1.0) for episode in episodes], dtype=torch.float64)
    weight = {
        "whole return": to_go[:, :1].expand_as(to_go),
        "reward-to-go": to_go,
        "baseline": to_go - v[s],
        "reward of the same step": R[s, a],
    }[weighting]
    samples = torch.zeros(len(episodes), 3, 2, dtype=torch.float64)
    rows = torch.arange(len(episodes))
    for t in range(horizon):
        score = torch.eye(2, dtype=torch.float64)[a[:, t]] - table[s[:, t]]  # ∇ log softmax in its own row
        samples[rows, s[:, t]] += weight[:, t, None] * score
    # the two columns of a softmax's gradient are each other's negative, so one of them suffices
    agrees = z_scores(samples[..., 0], gradient[:, 0]).abs().max().item() < LIMIT
    assert agrees == (weighting != "reward of the same step")
