"""Chapter 9: soft Q-learning in a box of actions; Stein particles flow to exp(Q/α), proposals estimate V."""

import math

import torch
from common import AMBER, BLUE, GREEN, INK, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes
from torch import Tensor

from maxent.distributions import gaussian_log_prob, tanh_log_det
from maxent.objectives import importance_value
from maxent.stein import direction

torch.set_default_dtype(torch.float64)
RADIUS, WIDTH, SIGMA = 0.6, 0.15, 0.3
PARTICLES, STEP = 64, 0.1
COLOURS = {1: BLUE, 2: GREEN, 3: AMBER, 6: ORANGE}  # by dimensions of the action


def ring(a: Tensor) -> Tensor:
    """Return Q(s, a)/α of one state: every action at the distance 0.6 from 0 is equally good.   [..., 2] → [...]."""
    return -0.5 * ((a.square().sum(-1).sqrt() - RADIUS) / WIDTH).square()


def score(u: Tensor) -> Tensor:
    """Return ∇_u log p(u) for the density of u = atanh(a): p(u) ∝ exp(Q(s, tanh u)/α) |da/du|.   [..., 2] → same."""
    with torch.enable_grad():
        u = u.detach().requires_grad_()
        return torch.autograd.grad((ring(torch.tanh(u)) + tanh_log_det(u)).sum(), u)[0]


def flow(axes: Axes, steps: int) -> None:
    """Move particles along the Stein direction, from a small cloud, and compare them with the density."""
    draw = torch.Generator().manual_seed(0)
    u = 0.1 * torch.randn(PARTICLES, 2, generator=draw) + torch.tensor([0.3, 0.0])
    require("one particle climbs log p", torch.equal(direction(u[:1], score(u[:1]), u[:1]), score(u[:1])))
    grid = torch.linspace(-0.995, 0.995, 200)
    cells = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), dim=-1)
    p = ring(cells).exp()
    axes.contourf(grid, grid, p, levels=8, cmap="Greys", alpha=0.6)
    path, greedy = [torch.tanh(u)], u
    for _ in range(steps):
        u = u + STEP * direction(u, score(u), u)
        greedy = greedy + 0.1 * STEP * score(greedy)
        path.append(torch.tanh(u))
    expected = float((p * cells.norm(dim=-1)).sum() / p.sum())
    check("mean distance of the particles from 0", float(path[-1].norm(dim=-1).mean()), expected, within=0.05)
    check("their mean", float(path[-1].mean(0).norm()), 0.0, within=0.1)
    stay, leave = (float(torch.nn.functional.normalize(x, dim=-1).mean(0).norm()) for x in (greedy, u))
    require(f"the mean direction is {leave:.2f}, without repulsion {stay:.2f}", leave < 0.15 < 0.5 < stay)
    axes.plot(*torch.stack(path[::2], -1)[::4].permute(1, 2, 0), color=BLUE, linewidth=0.7, alpha=0.5)
    axes.plot(*path[0].T, ".", color=ORANGE, markersize=5, label="particles at the start")
    axes.plot(*path[-1].T, "o", color=BLUE, markersize=5, label=f"after {steps} steps")
    axes.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[-1, -0.5, 0, 0.5, 1], aspect="equal")


def bias(dimensions: int, proposals: int, repeats: int, draw: torch.Generator) -> tuple[float, float]:
    """Return mean and standard error of V̂ − V, in units of α, for exp(Q/α) Gaussian with σ = 0.3 in the box."""
    exact = dimensions * math.log(SIGMA * math.sqrt(2.0 * math.pi) * math.erf(1.0 / (SIGMA * math.sqrt(2.0))))
    a = 2.0 * torch.rand(proposals, repeats, dimensions, generator=draw) - 1.0
    q = -0.5 * (a / SIGMA).square().sum(-1)  # [K, B]
    error = importance_value(q[None, None], torch.full_like(q, -dimensions * math.log(2.0))[None], 1.0) - exact
    return float(error.mean()), float(error.std() / math.sqrt(repeats))


def estimate(axes: Axes, repeats: int) -> None:
    """Draw the bias of V against the number of uniform proposals."""
    draw, counts = torch.Generator().manual_seed(1), [2**k for k in range(1, 11)]
    for dimensions, colour in COLOURS.items():
        biases, errors = zip(*(bias(dimensions, n, max(50, repeats // n), draw) for n in counts), strict=True)
        axes.plot(counts, biases, "o-", color=colour, linewidth=2.0, markersize=4, label=f"{dimensions}")
        print(f"  {dimensions} dimensions, 16 proposals: bias {biases[3]:.3f} ± {errors[3]:.3f} nats")
        require(f"{dimensions} dimensions: V is too low at 2 to 64 proposals", max(biases[:6]) < 0.0)
    one = math.erf(1.0 / SIGMA) / (SIGMA * math.sqrt(math.pi) * math.erf(1.0 / (SIGMA * math.sqrt(2.0))) ** 2)
    mean, error = bias(2, 256, repeats // 16, draw)
    check("2 dimensions, K = 256: −Var[w]/(2 K E[w]²)", mean, -(one**2 - 1.0) / 512.0, within=4.0 * error + 1e-4)
    u = SIGMA * torch.randn(1, 8, 1, generator=draw)
    log_density = gaussian_log_prob(u, torch.zeros(1), torch.tensor([math.log(SIGMA)]))
    v = importance_value(-0.5 * (u.squeeze(-1) / SIGMA).square()[:, None, :, None], log_density[..., None], 1.0)
    check("proposals from pi* itself: V", v.item(), math.log(SIGMA * math.sqrt(2.0 * math.pi)), within=1e-12)


def main() -> None:
    """Draw both parts of soft Q-learning for continuous actions."""
    given = options(__doc__)
    left, right = (figure := new_figure()).subplots(1, 2, width_ratios=(1.0, 1.1))
    flow(left, steps=300)
    estimate(right, repeats=20_000 if given.quick else 150_000)
    style(left, "Particles flow to exp(Q/α)", x="a₁", y="a₂")
    style(right, "V̂ from uniform proposals is too low", x="proposals K", y="mean of V̂ − V, in nats (units of α)")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.07), ncols=2, fontsize=10, frameon=False)
    right.set_xscale("log", base=2)
    right.axhline(0.0, color=INK, linestyle=":", linewidth=1.5)
    right.legend(title="action dimensions", fontsize=10.5, edgecolor="none")
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
