"""The entropy of the squashed Gaussian, integrated over the actions themselves, and in one to six dimensions.

test_distributions.py integrates over u in one dimension, adaptively. Here the integral is over a in (−1, 1) with an
independent formula of the density, over a square of two actions, and by samples. Gauss–Legendre panels share nothing
with the trapezoidal rule of the code.
"""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from maxent.distributions import SquashedGaussian

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
REACH = 10.0  # in σ; the probability beyond it is 1.5e-23


def panels(edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights of Gauss–Legendre quadrature between neighbouring edges."""
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * NODES).ravel(), (half * WEIGHTS).ravel()


def entropy_over_actions(mean: float, std: float) -> float:
    """−∫ π(a) log π(a) da with π(a) = N(atanh a | μ, σ)/(1 − a²)."""
    a, weight = panels(np.tanh(mean + std * np.linspace(-REACH, REACH, 161)))
    log_density = (
        -0.5 * ((np.arctanh(a) - mean) / std) ** 2
        - math.log(std * math.sqrt(2.0 * math.pi))
        - np.log1p(-a)
        - np.log1p(a)
    )
    return float(-(weight * np.exp(log_density) * log_density).sum())


def entropy_over_u(mean: float, std: float) -> float:
    """H(N(μ, σ)) + E[log(1 − tanh² u)], for σ so large that a rounds to 1 in float64."""
    z, weight = panels(np.linspace(-REACH, REACH, 321))
    u = mean + std * z
    log_slope = 2.0 * (math.log(2.0) - np.abs(u) - np.log1p(np.exp(-2.0 * np.abs(u))))  # even in u
    normal = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return math.log(std) + 0.5 * math.log(2.0 * math.pi * math.e) + float((weight * normal * log_slope).sum())


def policy(mean: NDArray[np.float64], std: NDArray[np.float64]) -> SquashedGaussian:
    return SquashedGaussian(torch.tensor(mean), torch.tensor(std).log())


def test_the_two_integrals_agree_with_each_other() -> None:
    for mean, std in ((0.0, 0.01), (0.7, 0.3), (-1.2, 0.8)):
        assert entropy_over_actions(mean, std) == pytest.approx(entropy_over_u(mean, std), abs=1e-9)


def test_the_limit_of_small_deviations() -> None:
    """For σ → 0 the tanh is linear: H → ½ log(2πe) + log σ + log(1 − tanh² μ), with 1 − 0.6² at μ = log 2.

    The next term is ½σ² (d²/du²) log(1 − tanh² u) = −σ²(1 − tanh² μ) = −0.64 σ².
    """
    h = policy(np.array([math.log(2.0)]), np.array([1e-3])).entropy().item()
    straight = 0.5 * math.log(2.0 * math.pi * math.e) + math.log(1e-3) + math.log(0.64)
    assert h == pytest.approx(straight - 0.64e-6, abs=2e-8)  # softplus's cut-off contributes 4e-9


# In float64 softplus omits up to 2e-9, twice, in each dimension.
@pytest.mark.parametrize("std", [1e-3, 0.01, 0.1, 0.3, 0.8])
@pytest.mark.parametrize("mean", [0.0, 0.4, -1.5])
def test_entropy_over_the_actions_themselves(mean: float, std: float) -> None:
    h = policy(np.array([mean]), np.array([std])).entropy().item()
    assert h == pytest.approx(entropy_over_actions(mean, std), abs=2e-8)


@pytest.mark.parametrize(("mean", "std"), [([0.2, -0.5], [0.3, 0.7]), ([0.0, 1.0], [0.02, 0.5])])
def test_entropy_of_two_actions_over_the_square(mean: list[float], std: list[float]) -> None:
    """−∬ π log π da₁ da₂ with the joint log-probability of the code: density and entropy are consistent."""
    edges = np.linspace(-REACH, REACH, 41)
    (a1, w1), (a2, w2) = (panels(np.tanh(m + s * edges)) for m, s in zip(mean, std, strict=True))
    u = torch.atanh(torch.tensor(np.stack(np.meshgrid(a1, a2, indexing="ij"), axis=-1)))  # [n, n, 2]
    squashed = policy(np.array(mean), np.array(std))
    log_prob = squashed.log_prob(u).numpy()
    weight = w1[:, None] * w2[None, :]
    assert (weight * np.exp(log_prob)).sum() == pytest.approx(1.0, abs=1e-7)
    assert -(weight * np.exp(log_prob) * log_prob).sum() == pytest.approx(squashed.entropy().item(), abs=1e-6)


def random_policies(dims: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means and standard deviations [5, dims]: σ log-uniform from 1e-3 to 10, with both bounds."""
    rng = np.random.default_rng(dims)
    mean, std = rng.normal(scale=1.5, size=(5, dims)), 10.0 ** rng.uniform(-3.0, 1.0, size=(5, dims))
    std[0, 0], std[1, 0] = 1e-3, 10.0
    return mean, std


@pytest.mark.parametrize("dims", range(1, 7))
def test_entropy_in_one_to_six_dimensions(dims: int) -> None:
    mean, std = random_policies(dims)
    expected = np.vectorize(entropy_over_u)(mean, std).sum(axis=-1)
    squashed = policy(mean, std)
    assert squashed.entropy().shape == (5,)
    np.testing.assert_allclose(squashed.entropy().numpy(), expected, atol=2e-8 * dims, rtol=0.0)


@pytest.mark.parametrize("dims", range(1, 7))
def test_samples_estimate_the_integral(dims: int) -> None:
    """The mean of −log π(a), SAC's own estimate, against quadrature: 4.5 standard errors, or 0.02 % for all 30 here."""
    mean, std = random_policies(dims)
    n = 100_000
    noise = torch.randn(n, 5, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(dims))
    surprise = -policy(mean, std).sample(noise)[1]  # [n, 5]
    expected = torch.tensor(np.vectorize(entropy_over_u)(mean, std).sum(axis=-1))
    error = surprise.std(0) / math.sqrt(n)
    assert error.max().item() < 0.12  # at σ = 10, −log π has a deviation of about 12 in each dimension
    assert ((surprise.mean(0) - expected) / error).abs().max().item() < 4.5


def test_entropy_in_float32_at_both_ends() -> None:
    for mean, std in ((0.5, 1e-3), (-1.0, 10.0)):
        squashed = SquashedGaussian(torch.tensor([mean]), torch.tensor([std]).log())
        assert squashed.entropy().item() == pytest.approx(entropy_over_u(mean, std), abs=1e-4)
