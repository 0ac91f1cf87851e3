"""Chapter 4: the policy gradient theorem, and two estimators of one gradient with different variances."""

import torch
from common import AMBER, BLUE, INK, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn.functional import one_hot

from maxent.distributions import gaussian_log_prob
from maxent.tabular import random_mdp

torch.set_default_dtype(torch.float64)
STEPS, OFFSET, SIGMA = 3, 1.0, 0.3  # Q(a) = −½ |a − c|², with μ − c = OFFSET in every dimension
COLOURS = {"likelihood ratio": ORANGE, "likelihood ratio, baseline E[Q]": AMBER, "reparameterised": BLUE}


def check_theorem() -> None:
    """Check ∇J summed over all trajectories of a small problem against autograd through dynamic programming."""
    mdp = random_mdp(4, n_states=3, n_actions=2, successors=1)
    P, R, start = (torch.tensor(x) for x in (mdp.P.dense(), mdp.R, mdp.start))  # [S, A, S'], [S, A], [S]
    theta = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    policy, v = theta.softmax(-1), torch.zeros(3)  # [S, A], [S]
    for _ in range(STEPS):
        v = (policy * (R + P @ v)).sum(-1)
    exact, policy, v = torch.autograd.grad(start @ v, theta)[0], policy.detach(), v.detach()

    paths = torch.cartesian_prod(*[torch.arange(3), torch.arange(2)] * STEPS)  # [N, 2T]
    s, a = paths[:, 0::2], paths[:, 1::2]  # [N, T]
    probability = start[s[:, 0]] * policy[s, a].prod(-1) * P[s[:, :-1], a[:, :-1], s[:, 1:]].prod(-1)  # [N]
    grad_log = one_hot(s, 3)[..., None] * (one_hot(a, 2) - policy[s])[:, :, None]  # ∇ log π(a_t|s_t) [N, T, S, A]
    reward = R[s, a]  # [N, T]
    to_go = reward.flip(-1).cumsum(-1).flip(-1)
    weights = {"whole return": to_go[:, :1].expand_as(reward), "reward-to-go": to_go, "to go less V(s)": to_go - v[s]}
    weights |= {"reward of the same step only": reward, "no reward at all": torch.ones_like(reward)}
    right, noise = [], []
    for name, weight in weights.items():
        sample = torch.einsum("nt,ntsa->nsa", weight, grad_log)  # Σ_t weight_t ∇ log π(a_t|s_t) of each path
        mean = torch.einsum("n,nsa->sa", probability, sample)
        right.append(((mean - exact).norm() / exact.norm()).item())
        noise.append(((sample - mean).pow(2).sum((-1, -2)) @ probability).item())
        print(f"  {name}: relative distance from ∇J {right[-1]:.2g}, variance {noise[-1]:.3g}")
    require("the theorem holds with the first three weights, not the fourth", max(right[:3]) < 1e-13 < 0.1 < right[3])
    require("without reward the mean is 0, which is why a baseline is free", abs(right[4] - 1.0) < 1e-13)
    require("reward-to-go and then the baseline lower the variance", noise[0] > noise[1] > noise[2])


def estimates(n: int, d: int, sigma: float) -> dict[str, Tensor]:
    """Return n single-sample estimates of the gradient of E[Q] in μ₁ by each estimator.   → [n] each."""
    noise = torch.randn(n, d, generator=torch.Generator().manual_seed(d))
    mean = torch.full((n, d), OFFSET, requires_grad=True)  # c = 0
    action = mean + sigma * noise
    q, log_prob = -0.5 * action.pow(2).sum(-1), gaussian_log_prob(action.detach(), mean, torch.tensor(sigma).log())
    by_ratio = [(log_prob * (q - b).detach()).sum() for b in (0.0, -0.5 * d * (OFFSET**2 + sigma**2))]  # b = E[Q]
    gradients = [torch.autograd.grad(total, mean, retain_graph=True)[0][:, 0] for total in (*by_ratio, q.sum())]
    return dict(zip(COLOURS, gradients, strict=True))


def deviations(d: int, sigma: float) -> list[float]:
    """Return their exact standard deviations, from the moments of a Gaussian."""
    o, s = OFFSET**2, sigma**2
    gaps = torch.tensor([(d - 1) * (o + s), -(o + s)])  # E[Σ_{i≥2} (OFFSET + σ ε_i)²] + 2 b
    squares = (o * o + 18 * o * s + 15 * s * s) + 2 * gaps * (o + 3 * s) + gaps**2 + (d - 1) * (4 * o * s + 2 * s * s)
    return [*(0.25 * squares / s - o).sqrt().tolist(), sigma]


def draw(axes: Axes, pairs: list[tuple[int, float]], along: int, n: int) -> None:
    """Draw standard deviations: closed forms as lines, measured ones as points."""
    samples, xs = [estimates(n, d, sigma) for d, sigma in pairs], [pair[along] for pair in pairs]
    for i, (name, colour) in enumerate(COLOURS.items()):
        exact = torch.tensor([deviations(d, sigma)[i] for d, sigma in pairs])
        measured = torch.stack([sample[name].std() for sample in samples])
        require(f"{name}: spread within 15 % of the closed form", bool(((measured / exact - 1).abs() < 0.15).all()))
        axes.loglog(xs, exact, color=colour, linewidth=2.0, label=name)
        axes.loglog(xs, measured, "o", color=colour)
    axes.axhline(OFFSET, color=INK, linestyle=":", linewidth=1.5, label="size of the gradient")


def main() -> None:
    """Check the theorem, then both estimators against their closed forms."""
    given = options(__doc__)
    print("Theorem 1 over every trajectory of three steps:")
    check_theorem()
    print("Gradient of E[Q] for a Gaussian policy and a quadratic Q, four dimensions:")
    for name, sample in estimates(20_000 if given.quick else 200_000, 4, SIGMA).items():
        check(name, sample.mean().item(), -OFFSET, within=4.0 * sample.std().item() / len(sample) ** 0.5)
    n, figure = 10_000 if given.quick else 50_000, new_figure()
    left, right = figure.subplots(1, 2, sharey=True)
    sizes, sigmas = [1, 2, 4, 8, 16, 32], [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
    draw(left, [(1, sigma) for sigma in sigmas], 1, n)
    draw(right, [(d, SIGMA) for d in sizes], 0, n)
    style(left, "One action dimension", x="σ of the policy", y="standard deviation of one sample")
    style(right, f"More dimensions (σ = {SIGMA:g})", x="action dimensions")
    right.set_xticks(sizes, [str(d) for d in sizes])
    left.legend(fontsize=10, edgecolor="none")
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
