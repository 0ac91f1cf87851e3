"""The squashed Gaussian against closed forms in float64 and numerical integration, up to |u| = 12; the categorical.

The closed forms are written differently from the code: log(1 − tanh² u) = −2 log cosh u, by np.logaddexp.
"""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import chi2
from torch import Tensor

from maxent.distributions import Categorical, SquashedGaussian, choose, gaussian_log_prob, tanh_log_det, uniform

SIGMAS = [1e-3, 0.03, 0.3, 1.0, 3.0, 10.0]


def log_cosh(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """log((eᵘ + e⁻ᵘ) / 2)."""
    return np.asarray(np.logaddexp(u, -u) - np.log(2.0))


def log_gaussian(u: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    return np.asarray(-0.5 * ((u - mean) / std) ** 2 - math.log(std) - 0.5 * math.log(2.0 * math.pi))


def policy(mean: float | list[float], std: float | list[float], dtype: torch.dtype = torch.float64) -> SquashedGaussian:
    mean, std = torch.tensor(mean, dtype=dtype), torch.tensor(std, dtype=dtype)
    return SquashedGaussian(torch.atleast_1d(mean), torch.atleast_1d(std).log())


# Rounding of float32 near 24, the largest value here, is 24 · 2⁻²⁴ ≈ 1.4e-6 an operation, and there are few of them.
# In float64 softplus(x) takes x itself for x > 20, which leaves out e⁻²⁰ ≈ 2e-9, twice.
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 5e-9)], ids=["float32", "float64"])
def test_log_det_out_to_12(dtype: torch.dtype, atol: float) -> None:
    u = np.linspace(-12.0, 12.0, 2401)
    result = tanh_log_det(torch.tensor(u, dtype=dtype).unsqueeze(-1))
    np.testing.assert_allclose(result.double().numpy(), -2.0 * log_cosh(u), atol=atol, rtol=0.0)


def test_log_det_at_a_hand_worked_point() -> None:
    """At u = log 2: tanh u = (4 − 1)/(4 + 1) = 0.6, 1 − 0.36 = 0.64; two such dimensions add up to 2 log 0.64."""
    u = torch.full((2,), math.log(2.0), dtype=torch.float64)
    assert tanh_log_det(u).item() == pytest.approx(2.0 * math.log(0.64), abs=1e-14)


# The largest part is ½((u − μ)/σ)² = 450: eight roundings of 450 · 2⁻²⁴ in float32, and softplus's 4e-9 in float64.
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 2e-4), (torch.float64, 5e-9)], ids=["float32", "float64"])
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (3.0, 0.5), (-8.0, 2.0)])
def test_log_prob_out_to_12(mean: float, std: float, dtype: torch.dtype, atol: float) -> None:
    u = np.linspace(-12.0, 12.0, 241)
    result = policy(mean, std, dtype).log_prob(torch.tensor(u, dtype=dtype).unsqueeze(-1))
    expected = log_gaussian(u, mean, std) + 2.0 * log_cosh(u)
    np.testing.assert_allclose(result.double().numpy(), expected, atol=atol, rtol=0.0)


def test_log_probs_add_up_over_dimensions() -> None:
    u = torch.tensor([[0.3, -11.0, 2.0]], dtype=torch.float64)
    mean, std = [0.1, -9.0, 0.0], [0.5, 2.0, 1.0]
    alone = [policy(m, s).log_prob(u[:, i : i + 1]) for i, (m, s) in enumerate(zip(mean, std, strict=True))]
    together = policy(mean, std).log_prob(u)
    assert together.shape == (1,)
    assert together.item() == pytest.approx(sum(part.item() for part in alone), abs=1e-12)


def grid(mean: float, std: float) -> tuple[NDArray[np.float64], float]:
    """Nodes over μ ± 12σ and their distance; the trapezoidal rule is exact to rounding for such smooth integrands."""
    u = mean + std * np.linspace(-12.0, 12.0, 20_001)
    return u, float(u[1] - u[0])


@pytest.mark.parametrize("std", SIGMAS)
@pytest.mark.parametrize("mean", [0.0, 1.5])
def test_the_density_integrates_to_one(mean: float, std: float) -> None:
    """∫ π(a) da over (−1, 1), by a = tanh u and da = du / cosh² u, which the test computes in its own way."""
    u, du = grid(mean, std)
    log_prob = policy(mean, std).log_prob(torch.tensor(u).unsqueeze(-1)).numpy()
    # softplus's cut-off lets log π be wrong by 4e-9, and so the integral by that share
    assert np.exp(log_prob - 2.0 * log_cosh(u)).sum() * du == pytest.approx(1.0, abs=1e-8)


def test_the_density_is_that_of_the_action() -> None:
    """P(a ≤ 0.6) by integrating π over actions themselves = P(u ≤ log 2), as tanh(log 2) = 0.6."""
    mean, std = 0.2, 0.7
    squashed = policy(mean, std)

    def density(a: float) -> float:
        return math.exp(squashed.log_prob(torch.tensor([math.atanh(a)], dtype=torch.float64)).item())

    probability, _ = quad(density, -1.0, 0.6)
    normal = 0.5 * (1.0 + math.erf((math.log(2.0) - mean) / (std * math.sqrt(2.0))))
    assert probability == pytest.approx(normal, abs=1e-7)


@pytest.mark.parametrize("std", SIGMAS)
def test_sample_and_log_prob_agree(std: float) -> None:
    noise = torch.randn(1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    squashed = policy([0.5, -2.0], [std, std])
    action, log_prob = squashed.sample(noise)
    u = squashed.mean + std * noise
    assert action.shape == (1000, 2)
    torch.testing.assert_close(action, torch.tanh(u), atol=1e-15, rtol=0.0)
    # log_prob computes the noise as (u − μ)/σ, which costs three of sixteen digits for σ = 1e-3
    torch.testing.assert_close(log_prob, squashed.log_prob(u), atol=1e-10, rtol=0.0)


def test_samples_stay_in_the_box_and_finite_in_float32() -> None:
    squashed = policy([0.0, 12.0, -300.0], [10.0, 1.0, 10.0], torch.float32)
    action, log_prob = squashed.sample(torch.randn(1000, 3, generator=torch.Generator().manual_seed(1)))
    assert bool((action.abs() <= 1.0).all())
    assert bool(torch.isfinite(log_prob).all())


def test_the_reparameterised_gradient_is_the_closed_form() -> None:
    """log π at u = μ + σε is −½ε² − log σ − ½ log 2π + 2 log cosh u: ∂/∂μ = 2 tanh u, ∂/∂ log σ = −1 + 2σε tanh u."""
    u = torch.tensor([-12.0, -1.0, 0.0, 0.4, 12.0], dtype=torch.float64)
    mean = torch.tensor([-10.0, 0.0, 0.0, 0.1, 11.0], dtype=torch.float64, requires_grad=True)
    log_std = torch.log(torch.tensor([2.0, 0.5, 1.0, 0.1, 0.5], dtype=torch.float64)).requires_grad_()
    noise = ((u - mean) * torch.exp(-log_std)).detach()
    action, log_prob = SquashedGaussian(mean.unsqueeze(-1), log_std.unsqueeze(-1)).sample(noise.unsqueeze(-1))
    by_mean, by_log_std = torch.autograd.grad(log_prob.sum(), [mean, log_std], retain_graph=True)
    spread = (u - mean).detach()  # σε
    torch.testing.assert_close(by_mean, 2.0 * torch.tanh(u), atol=1e-8, rtol=0.0)
    torch.testing.assert_close(by_log_std, -1.0 + 2.0 * spread * torch.tanh(u), atol=1e-7, rtol=0.0)
    # and the action moves with da/dμ = 1 − tanh² u = 1/cosh² u
    (by_mean,) = torch.autograd.grad(action.sum(), [mean])
    torch.testing.assert_close(by_mean, torch.cosh(u) ** -2, atol=1e-12, rtol=0.0)


def test_gaussian_log_prob_at_a_hand_worked_point() -> None:
    """μ = 1, σ = 2, u = 5: z = 2, so −2 − log 2 − ½ log 2π; μ = 3, σ = ½, u = 2: the same z² and + log 2. They add."""
    u, mean, std = (torch.tensor(pair, dtype=torch.float64) for pair in ((5.0, 2.0), (1.0, 3.0), (2.0, 0.5)))
    first, second = (-2.0 - math.log(s) - 0.5 * math.log(2.0 * math.pi) for s in (2.0, 0.5))
    assert gaussian_log_prob(u[:1], mean[:1], std[:1].log()).item() == pytest.approx(first, abs=1e-14)
    assert gaussian_log_prob(u, mean, std.log()).item() == pytest.approx(first + second, abs=1e-14)


def test_the_gaussians_entropy_is_the_mean_of_minus_log_n() -> None:
    """E_u[−log N(u|μ, σ)] = Σ_i (½ log 2πe + log σ_i), by Gauss–Hermite quadrature, which is exact for polynomials."""
    mean, std = torch.tensor([0.7, -2.0], dtype=torch.float64), torch.tensor([0.3, 4.0], dtype=torch.float64)
    nodes, weights = (torch.tensor(part) for part in np.polynomial.hermite_e.hermegauss(5))
    weights = weights / weights.sum()
    u = mean + std * torch.cartesian_prod(nodes, nodes)  # [25, 2]
    surprise = -gaussian_log_prob(u, mean, std.log())
    expected = 2.0 * 0.5 * math.log(2.0 * math.pi * math.e) + math.log(0.3) + math.log(4.0)
    assert (torch.outer(weights, weights).flatten() @ surprise).item() == pytest.approx(expected, abs=1e-12)


def test_the_mode_is_the_squashed_mean() -> None:
    """tanh(log 2) = 0.6, tanh(−log 3) = −(9 − 1)/(9 + 1) = −0.8."""
    mode = policy([math.log(2.0), -math.log(3.0)], [1.0, 5.0]).mode()
    torch.testing.assert_close(mode, torch.tensor([0.6, -0.8], dtype=torch.float64), atol=1e-15, rtol=0.0)


def entropy_by_quadrature(mean: float, std: float) -> float:
    """−∫ π log π, with adaptive Gauss–Kronrod quadrature in z = (u − μ)/σ, split where tanh bends."""

    def integrand(z: float) -> float:
        u = np.array(mean + std * z)
        surprise = -log_gaussian(u, mean, std) - 2.0 * log_cosh(u)
        return float(math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) * surprise)

    bends = [z for z in ((-1.0 - mean) / std, -mean / std, (1.0 - mean) / std) if abs(z) < 12.0]
    value, _ = quad(integrand, -12.0, 12.0, points=bends or None, limit=200, epsabs=1e-11)
    return float(value)


@pytest.mark.parametrize("mean", [0.0, 0.7, -3.0, 8.0])
@pytest.mark.parametrize("std", SIGMAS)
def test_entropy_by_quadrature(mean: float, std: float) -> None:
    assert policy(mean, std).entropy().item() == pytest.approx(entropy_by_quadrature(mean, std), abs=1e-7)
    # float32: values up to 2·100 are summed with weights that add up to 1
    assert policy(mean, std, torch.float32).entropy().item() == pytest.approx(
        entropy_by_quadrature(mean, std), abs=1e-4
    )


def test_entropies_add_up_over_dimensions() -> None:
    mean, std = [0.0, 0.7, -3.0], [0.3, 3.0, 1.0]
    alone = [entropy_by_quadrature(m, s) for m, s in zip(mean, std, strict=True)]
    assert policy(mean, std).entropy().item() == pytest.approx(sum(alone), abs=3e-7)


@pytest.mark.parametrize(("mean", "std"), [([0.0, 1.0], [0.5, 1.0]), ([-2.0, 0.3], [0.1, 3.0])])
def test_entropy_by_monte_carlo(mean: list[float], std: list[float]) -> None:
    """SAC's own estimate, −log π at samples: its mean lies within 4 standard errors (0.006 % of seeds would not)."""
    squashed = policy(mean, std)
    noise = torch.randn(200_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    surprise: Tensor = -squashed.sample(noise)[1]
    error = surprise.std().item() / math.sqrt(len(surprise))
    assert error < 0.01
    assert abs(surprise.mean().item() - squashed.entropy().item()) < 4.0 * error


@pytest.mark.parametrize("std", SIGMAS)
def test_entropy_is_below_that_of_the_uniform_distribution(std: float) -> None:
    """The uniform distribution on (−1, 1) has entropy log 2, the largest of all."""
    assert policy(0.0, std).entropy().item() < math.log(2.0)


def test_categorical_by_hand() -> None:
    """Logits (log 1, log 2, log 5) + 7 are probabilities (⅛, ¼, ⅝) with entropy ⅛·3 log 2 + ¼·2 log 2 + ⅝ log 1.6."""
    categorical = Categorical.of(torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log() + 7.0)
    torch.testing.assert_close(categorical.probs, torch.tensor([0.125, 0.25, 0.625], dtype=torch.float64))
    expected = 0.875 * math.log(2.0) + 0.625 * math.log(1.6)
    assert categorical.entropy().item() == pytest.approx(expected, abs=1e-14)
    assert categorical.mode().tolist() == [2.0]
    for k, probability in enumerate((0.125, 0.25, 0.625)):
        log_prob = categorical.log_prob_of(torch.tensor([float(k)]))
        assert log_prob.item() == pytest.approx(math.log(probability), abs=1e-14)


def test_categorical_shapes() -> None:
    categorical = Categorical.of(torch.randn(2, 5, 4))
    action = categorical.draw(torch.randn(2, 5, 1))
    assert action.shape == categorical.mode().shape == (2, 5, 1)
    assert action.dtype == torch.float32
    assert categorical.log_prob_of(action).shape == categorical.entropy().shape == (2, 5)


def test_entropy_of_the_uniform_and_of_the_certain() -> None:
    assert Categorical.of(torch.zeros(7)).entropy().item() == pytest.approx(math.log(7.0), abs=1e-6)
    certain = Categorical.of(torch.tensor([0.0, 1e4, -1e4]))
    assert certain.entropy().item() == 0.0
    assert certain.draw(torch.linspace(-9.0, 9.0, 19).unsqueeze(-1)).unique().tolist() == [1.0]


def test_uniform_is_the_normal_distribution_function() -> None:
    """Φ(0) = ½, Φ(1) = 0.841345 (tables)."""
    result = uniform(torch.tensor([-math.inf, -1.0, 0.0, 1.0, math.inf], dtype=torch.float64))
    assert result.tolist() == [0.0, pytest.approx(0.158655, abs=1e-6), 0.5, pytest.approx(0.841345, abs=1e-6), 1.0]


@pytest.mark.parametrize(
    ("u", "index"), [(0.0, 0), (0.1249, 0), (0.125, 1), (0.3749, 1), (0.375, 2), (0.9999, 2), (1.0, 2)]
)
def test_choose_returns_the_first_action_whose_cumulative_probability_exceeds_u(u: float, index: int) -> None:
    """Cumulative: ⅛, ⅜, 1, exact in binary."""
    probs = torch.tensor([0.125, 0.25, 0.625], dtype=torch.float64)
    assert choose(probs, torch.tensor([u], dtype=torch.float64)).tolist() == [index]
    assert choose(4.0 * probs, torch.tensor([u], dtype=torch.float64)).tolist() == [index]  # u is a share of the total


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("u", [0.0, 0.5, 1.0])
def test_an_action_of_probability_0_is_never_chosen(u: float, dtype: torch.dtype) -> None:
    """Nor at the bounds of u: Φ(ε) is 1 in float32 from ε = 5.5 on, one draw in 50 million."""
    probs = torch.tensor([0.0, 0.3, 0.0, 0.7, 0.0], dtype=dtype)
    expected = {0.0: 1.0, 0.5: 3.0, 1.0: 3.0}[u]
    assert choose(probs, torch.tensor([u], dtype=dtype)).tolist() == [expected]
    # probabilities whose sum is rounded: ten of 0.1 and one of 0
    tenths = torch.cat([torch.full((10,), 0.1, dtype=dtype), torch.zeros(1, dtype=dtype)])
    assert choose(tenths, torch.tensor([1.0], dtype=dtype)).tolist() == [9.0]


def test_draws_follow_the_probabilities() -> None:
    """Pearson's χ² of 200,000 draws; with four degrees of freedom one seed in ten thousand has more than 23.5."""
    probs = torch.tensor([0.05, 0.3, 0.001, 0.249, 0.4], dtype=torch.float64)
    categorical, count = Categorical(probs.log().float()), 200_000
    noise = torch.randn(count, 1, generator=torch.Generator().manual_seed(4))
    draws = Categorical(categorical.log_probs.expand(count, -1)).draw(noise)
    observed = torch.bincount(draws.long().flatten(), minlength=5).double()
    statistic = ((observed - count * probs) ** 2 / (count * probs)).sum().item()
    assert statistic < chi2.ppf(0.9999, df=4)
