"""Stein variational gradient descent: kernel and direction by hand, and particles that converge to known densities."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from maxent import stein


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_kernel_by_hand() -> None:
    """Particles 0 and 2 against 0 and 1: squared distances 0, 1, 4, 1 with (lower) median 1, so h = 1/(2 log 3).

    κ = exp(−d²/h) = 9^(−d²): 1, 1/9, 9⁻⁴, 1/9. ∇_x κ = −2/h · κ · (x − y), with 2/h = 4 log 3.
    """
    fixed, moved = torch.tensor([[0.0], [2.0]], dtype=torch.float64), torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    value, gradient = stein.kernel(fixed, moved)
    ninth, scale = 1.0 / 9.0, 4.0 * math.log(3.0)
    expected = torch.tensor([[1.0, ninth], [ninth**4, ninth]], dtype=torch.float64)
    torch.testing.assert_close(value, expected, atol=1e-15, rtol=0.0)
    # x − y: (0, −1) and (2, 1)
    slope = torch.tensor([[0.0, scale * ninth], [-2.0 * scale * ninth**4, -scale * ninth]], dtype=torch.float64)
    torch.testing.assert_close(gradient.squeeze(-1), slope, atol=1e-15, rtol=0.0)


def test_direction_by_hand() -> None:
    """Both particles of p = N(0, 1) at ±1 are moved: scores ∓1, squared distances 0, 4, 4, 0 with lower median 0.

    The bandwidth is then at its minimum, particles do not interact, and each moves by half its own score.
    With a third one at 3 the median is 4, h = 4/(2 log 4) and κ = 16^(−d²/4): 1/16 at distance 2, and 16⁻⁴ at 4.
    """
    two = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    torch.testing.assert_close(stein.direction(two, -two, two), -0.5 * two, atol=1e-15, rtol=0.0)

    three = torch.tensor([[-1.0], [1.0], [3.0]], dtype=torch.float64)
    near, far, scale = 1.0 / 16.0, 16.0**-4, math.log(4.0)  # 2/h = log 4
    # At y, the mean over x of κ(x, y) · (−x) − 2/h κ(x, y) (x − y).
    expected = [
        (1.0 - near - 3.0 * far) - scale * (2.0 * near + 4.0 * far),
        (near - 1.0 - 3.0 * near) - scale * (-2.0 * near + 2.0 * near),
        (far - near - 3.0) - scale * (-4.0 * far - 2.0 * near),
    ]
    torch.testing.assert_close(
        stein.direction(three, -three, three).flatten(),
        torch.tensor(expected, dtype=torch.float64) / 3.0,
        atol=1e-15,
        rtol=0.0,
    )


@pytest.mark.parametrize(("fixed", "moved", "size"), [(5, 5, 1), (6, 4, 3), (2, 7, 2), (1, 3, 2)])
def test_the_kernels_gradient_is_its_derivative_at_a_fixed_bandwidth(fixed: int, moved: int, size: int) -> None:
    """By autograd through exp(−‖x − y‖²/h), with h found from one value of the kernel. Shapes [2, 3, M, A]."""
    x, y = normal(2, 3, fixed, size), normal(2, 3, moved, size, seed=1)
    value, gradient = stein.kernel(x, y)
    assert value.shape == (2, 3, fixed, moved)
    assert gradient.shape == (2, 3, fixed, moved, size)
    squared = ((x[..., 0, :] - y[..., 0, :]) ** 2).sum(-1)
    bandwidth = -squared / value[..., 0, 0].log()  # [2, 3]
    for i in range(moved):
        leaf = x.clone().requires_grad_()
        own = torch.exp(-((leaf - y[..., i : i + 1, :]) ** 2).sum(-1) / bandwidth.unsqueeze(-1))  # [2, 3, M]
        torch.testing.assert_close(own.detach(), value[..., i], atol=1e-12, rtol=1e-9)
        (expected,) = torch.autograd.grad(own.sum(), leaf)
        torch.testing.assert_close(gradient[..., i, :], expected, atol=1e-12, rtol=1e-9)


def test_the_bandwidth_follows_the_scale_of_the_particles() -> None:
    """Particles a hundred times as far apart have the same kernel; each state has its own bandwidth."""
    x = normal(1, 8, 2)
    scaled = torch.cat([x, 100.0 * x])
    value, _ = stein.kernel(scaled, scaled)
    torch.testing.assert_close(value[1], value[0], atol=1e-12, rtol=0.0)
    # h = med/(2 log(M + 1)): at the median distance, the 32nd smallest of 64, κ = 1/(M + 1)²
    assert value[0].flatten().sort(descending=True).values[31].item() == pytest.approx(1.0 / 81.0, abs=1e-12)


def test_particles_in_one_place_stay_finite() -> None:
    x = torch.zeros(4, 2)
    assert torch.equal(stein.direction(x, torch.ones(4, 2), x), torch.ones(4, 2))


def transported(score: Callable[[Tensor], Tensor], start: Tensor, steps: int, rate: float) -> Tensor:
    """Return particles moved along their directions, all of them fixed and moved, with Adagrad (Liu 2016)."""
    particles, history = start.clone(), torch.zeros_like(start)
    for step in range(steps):
        direction = stein.direction(particles, score(particles), particles)
        history = direction**2 if step == 0 else 0.9 * history + 0.1 * direction**2
        particles = particles + rate * direction / (history.sqrt() + 1e-6)
    return particles


def test_particles_become_a_gaussian() -> None:
    """N(m, diag(s²)) with m = (1, −2), s = (0.5, 2), from distant particles; moments at the equilibrium of SVGD."""
    mean, std = torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64)
    particles = transported(lambda x: -(x - mean) / std**2, 0.3 * normal(100, 2) + 3.0, 1_500, 0.02)
    # At equilibrium Σ_x κ ∇log p + ∇κ = 0 at each particle. With a hundred particles the error of the mean is then
    # below σ/10 and that of σ about 10 %: the first axis is shorter than the one bandwidth of the kernel.
    assert bool(((particles.mean(0) - mean).abs() < 0.1 * std).all())
    assert bool(((particles.std(0) / std - 1.0).abs() < 0.15).all())


def test_particles_keep_both_modes_of_a_mixture() -> None:
    """½ N(−2, ½²) + ½ N(2, ½²), from particles around 0: half of them converge to each mode, with its spread."""

    def score(x: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_()
        log_density = torch.logsumexp(torch.cat([-2.0 * (leaf + 2.0) ** 2, -2.0 * (leaf - 2.0) ** 2], -1), -1)
        return torch.autograd.grad(log_density.sum(), leaf)[0]

    particles = transported(score, 0.5 * normal(60, 1), 1_500, 0.02).flatten()
    left, right = particles[particles < 0.0], particles[particles > 0.0]
    assert 20 <= len(left) <= 40
    for mode, centre in ((left, -2.0), (right, 2.0)):
        assert mode.mean().item() == pytest.approx(centre, abs=0.2)
        assert mode.std().item() == pytest.approx(0.5, abs=0.15)


def test_without_repulsion_particles_collapse() -> None:
    """The gradient of the kernel keeps them apart; the score alone moves all of them to the mean."""
    particles = together = normal(30, 1)
    for _ in range(500):
        value, _ = stein.kernel(together, together)
        together = together + 0.1 * (value.unsqueeze(-1) * -together.unsqueeze(-2)).mean(-3)
        particles = particles + 0.1 * stein.direction(particles, -particles, particles)
    assert together.std().item() < 0.3
    assert particles.std().item() > 0.8
