"""`SquashedGaussian.log_prob_of`: the log-probability of a stored action, inside the box and in its tails."""

import math

import numpy as np
import pytest
import torch
from scipy.special import erfcx, log_ndtr

from maxent.distributions import SquashedGaussian, log_normal_cdf


def policy(mean: float | list[float], std: float | list[float], dtype: torch.dtype = torch.float64) -> SquashedGaussian:
    mean, std = torch.tensor(mean, dtype=dtype), torch.tensor(std, dtype=dtype)
    return SquashedGaussian(torch.atleast_1d(mean), torch.atleast_1d(std).log())


@pytest.mark.parametrize(("mean", "std"), [([0.0, 1.0], [0.5, 1.0]), ([-2.0, 0.3], [0.1, 2.0])])
def test_a_drawn_action_has_the_log_prob_of_its_sample(mean: list[float], std: list[float]) -> None:
    """`draw` is `sample` without its log-probability; `log_prob_of` computes it from the action alone."""
    squashed, noise = policy(mean, std), torch.randn(1_000, 2, generator=torch.Generator().manual_seed(3)).double()
    action, log_prob = squashed.sample(noise)
    assert torch.equal(squashed.draw(noise), action)
    near = (action.abs() < 1.0 - 1e-6).all(-1)
    assert near.sum().item() > 990
    # u = atanh(a) is wrong by 2⁻⁵³/(1 − a²), at most 1e-10 here, which (u − μ)/σ² and tanh magnify up to a thousandfold
    torch.testing.assert_close(squashed.log_prob_of(action)[near], log_prob[near], atol=1e-6, rtol=0.0)


def test_log_prob_of_a_hand_worked_action() -> None:
    """a = 0.6 is u = log 2; under N(log 2, 1) that is −½ log 2π, less log(1 − 0.36)."""
    result = policy(math.log(2.0), 1.0).log_prob_of(torch.tensor([[0.6]], dtype=torch.float64))
    assert result.tolist() == [pytest.approx(-0.5 * math.log(2.0 * math.pi) - math.log(0.64), abs=1e-12)]


@pytest.mark.parametrize(("mean", "std"), [(0.3, 10.0), (-2.0, 3.0), (6.0, 1.0)])
def test_a_tail_has_its_mean_density(mean: float, std: float) -> None:
    """Beyond ±(1 − 1e-6) the density is P(|u| > atanh(1 − 1e-6)) on that side, by the error function, over 1e-6.

    With the two tails, each of width 1e-6, the density over (−1, 1) integrates to one.
    """
    squashed, edge = policy(mean, std), math.atanh(1.0 - 1e-6)
    mass = [0.5 * math.erfc((edge - sign * mean) / (std * math.sqrt(2.0))) for sign in (1.0, -1.0)]
    for sign, tail in zip((1.0, -1.0), mass, strict=True):
        for action in (1.0, 1.0 - 1e-7, 1.0 - 9e-7):
            density = squashed.log_prob_of(torch.tensor([sign * action], dtype=torch.float64)).item()
            assert density == pytest.approx(math.log(tail) - math.log(1e-6), abs=1e-8)

    u = torch.linspace(-edge, edge, 400_001, dtype=torch.float64)[1:-1]  # a = tanh u, da = (1 − a²) du
    a = torch.tanh(u)
    inside = (squashed.log_prob_of(a.unsqueeze(-1)).exp() * (1.0 - a * a)).sum().item() * (2.0 * edge / 400_000)
    assert inside + sum(mass) == pytest.approx(
        1.0, abs=1e-5
    )  # the two end nodes, with their half weights, are left out


def test_log_probs_of_stored_actions_add_up_over_dimensions() -> None:
    """Inside and in a tail."""
    mean, std, actions = [0.2, -9.0, 0.0], [0.5, 2.0, 1.0], torch.tensor([[0.6, -1.0, 0.1]], dtype=torch.float64)
    alone = [policy(m, s).log_prob_of(actions[:, i : i + 1]) for i, (m, s) in enumerate(zip(mean, std, strict=True))]
    assert policy(mean, std).log_prob_of(actions).item() == pytest.approx(sum(part.item() for part in alone), abs=1e-12)


def test_the_gradient_of_log_prob_of_is_the_gaussians() -> None:
    """The squashing does not depend on the parameters: ∂/∂μ = (u − μ)/σ², ∂/∂ log σ = ((u − μ)/σ)² − 1."""
    mean, log_std = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (0.2, math.log(0.5)))
    log_prob = SquashedGaussian(mean, log_std).log_prob_of(torch.tensor([[0.6]], dtype=torch.float64))
    by_mean, by_log_std = torch.autograd.grad(log_prob.sum(), (mean, log_std))
    z = (math.log(2.0) - 0.2) / 0.5
    assert by_mean.item() == pytest.approx(z / 0.5, abs=1e-12)
    assert by_log_std.item() == pytest.approx(z * z - 1.0, abs=1e-12)


@pytest.mark.parametrize("log_std", [-1.0, 0.0, 1.0, 2.0])
def test_the_score_of_stored_actions_has_mean_zero(log_std: float) -> None:
    """E[∇ log π(a|s)] = 0 for every density; at log σ = 2 a third of the float32 actions lie at the edge of the box."""
    generator, count = torch.Generator().manual_seed(0), 400_000
    mean = torch.full((count, 1), 0.3, requires_grad=True)
    spread = torch.full((count, 1), log_std, requires_grad=True)
    policy = SquashedGaussian(mean, spread)
    action = policy.draw(torch.randn(count, 1, generator=generator)).detach()
    scores = torch.autograd.grad(policy.log_prob_of(action).sum(), [mean, spread])
    for score in scores:
        assert abs(float(score.mean())) < 4.0 * float(score.std()) / count**0.5 + 1e-4


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 3e-6), (torch.float64, 1e-13)], ids=["float32", "float64"])
def test_the_log_of_the_normal_distribution_and_its_gradient(dtype: torch.dtype, rtol: float) -> None:
    """Φ′(x)/Φ(x) = √(2/π)/erfcx(−x/√2), from float64, out to 3e9 standard deviations."""
    x = torch.tensor([*-np.logspace(-3, 9.5, 200), 0.0, *np.linspace(0.0, 6.0, 30)], dtype=dtype, requires_grad=True)
    result = log_normal_cdf(x)
    (gradient,) = torch.autograd.grad(result.sum(), x)
    exact = x.detach().double().numpy()
    np.testing.assert_allclose(result.detach().double().numpy(), log_ndtr(exact), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(gradient.double(), np.sqrt(2.0 / np.pi) / erfcx(-exact / np.sqrt(2.0)), rtol=rtol)


@pytest.mark.parametrize("log_std", [-20.0, -12.0, -9.0])
def test_the_score_is_finite_for_the_narrowest_policies(log_std: float) -> None:
    """Where the action lies inside the box, the edge is up to 4e9 standard deviations away."""
    generator = torch.Generator().manual_seed(1)
    mean = torch.randn(2_000, 1, generator=generator).requires_grad_()
    spread = torch.full((2_000, 1), log_std, requires_grad=True)
    policy = SquashedGaussian(mean, spread)
    action = policy.draw(torch.randn(2_000, 1, generator=generator)).detach()
    for score in torch.autograd.grad(policy.log_prob_of(action).sum(), [mean, spread]):
        assert bool(torch.isfinite(score).all())
