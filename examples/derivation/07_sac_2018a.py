"""Chapter 7: SAC (2018a); its three gradients by hand and by autograd, and monotone policy improvement."""

import numpy as np
import torch
from common import BLUE, GREEN, INK, LINE, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes

from maxent.distributions import SquashedGaussian
from maxent.objectives import actor_loss, critic_loss, soft_value, state_value_loss, td_target
from maxent.tabular import random_mdp, soft_optimal_policy, soft_policy_solve, soft_q_iteration

torch.set_default_dtype(torch.float64)
ALPHA, GAMMA, BATCH, STATE, ACTION = 0.3, 0.95, 64, 3, 2
PEAKS, HEIGHTS, WIDTH, PEAK_ALPHA = torch.tensor([-0.5, 0.5]), torch.tensor([0.8, 1.0]), 0.25, 0.2


def check_gradients() -> None:
    """Check 2018a eq. 6, 9 and 13, with α, for V and Q linear in their features and a squashed Gaussian."""
    draw = torch.Generator().manual_seed(0)
    s, noise = torch.randn(BATCH, STATE, generator=draw), torch.randn(BATCH, ACTION, generator=draw)
    reward, next_v = torch.randn(2, BATCH, generator=draw)
    psi, theta, phi = weights = [torch.randn(n, generator=draw).mul(0.2).requires_grad_() for n in ([3], [7], [3, 4])]
    mean, log_std = s @ phi[:, :ACTION], s @ phi[:, ACTION:]
    a, log_prob = SquashedGaussian(mean, log_std).sample(noise)
    features = torch.cat([s, a, a * a], dim=-1)
    v, q, q_stored = s @ psi, features @ theta, features.detach() @ theta  # so ∇_a Q = θ_a + 2 θ_aa a
    alpha, y = torch.tensor([[ALPHA]]), td_target(reward, torch.full((BATCH,), GAMMA), next_v)
    losses = (
        state_value_loss(v[None], soft_value(q[None, None], log_prob[None], alpha).detach()),
        critic_loss(q_stored[None, None], y[None]),
        actor_loss(q[None, None], log_prob[None], alpha),
    )
    with torch.no_grad():
        std, slope = log_std.exp(), 1.0 - a * a  # slope = da/du; pull = α ∇_a log π − ∇_a Q
        pull = ALPHA * (2.0 * a - noise / std) / slope - theta[STATE:-ACTION] - 2.0 * theta[-ACTION:] * a
        spread = torch.cat([slope, slope * std * noise], dim=-1)  # ∇ f by μ and by log σ
        score = torch.cat([noise / std, noise**2 - 1.0], dim=-1)  # ∇ log π(a|s) by μ and by log σ
        by_v, by_q = v - q + ALPHA * log_prob, q - reward - GAMMA * next_v
        closed = (s.T @ by_v, features.T @ by_q, s.T @ (ALPHA * score + torch.cat([pull, pull], dim=-1) * spread))
    for name, weight, loss, gradient in zip(("6", "9", "13"), weights, losses, closed, strict=True):
        gap = gradient / BATCH - torch.autograd.grad(loss.sum(), weight, retain_graph=True)[0]
        check(f"eq. {name}: closed form less autograd, largest", gap.abs().max().item(), 0.0, within=1e-12)


def climb(axes: Axes) -> None:
    """Run soft policy iteration from a bad policy, with partial steps π_new ∝ π_old^(1−β) exp(β Q/α)."""
    mdp = random_mdp(3, n_states=6, n_actions=3, gamma=0.7)
    for beta, colour, label in ((0.25, BLUE, "a quarter of the way (β = ¼)"), (1.0, ORANGE, "all of the way (β = 1)")):
        logits, steps = -8.0 * mdp.R, []
        for _ in range(13):
            policy = soft_optimal_policy(logits, 1.0)
            steps.append(soft_policy_solve(mdp, policy, ALPHA).q)
            logits = (1.0 - beta) * np.log(policy) + beta * steps[-1] / ALPHA
        gaps = (np.array(steps) - soft_q_iteration(mdp, ALPHA, tol=1e-12).q).reshape(13, -1)
        require(f"beta = {beta:g}: no Q(s, a) ever falls", bool((np.diff(gaps, axis=0) > -1e-11).all()))
        axes.plot(gaps, color=colour, linewidth=1.0, alpha=0.7, label=[label, *["_"] * 17])
    axes.axhline(0.0, color=INK, linestyle=":", linewidth=1.5)


def project(axes: Axes, updates: int) -> None:
    """Fit the squashed Gaussian closest to exp(Q/α)/Z, from two starts [P = 2], by actor_loss and Adam."""
    quantiles = torch.special.ndtri((torch.arange(256) + 0.5) / 256)[None, :, None].expand(2, -1, -1)
    mean, log_std = torch.tensor([[[-0.6]], [[0.6]]], requires_grad=True), torch.full((2, 1, 1), -1.0).requires_grad_()
    adam = torch.optim.Adam([mean, log_std], lr=0.02)
    for _ in range(updates):
        a, log_prob = SquashedGaussian(mean, log_std).sample(quantiles)
        q = torch.exp(-(((a - PEAKS) / WIDTH) ** 2)) @ HEIGHTS  # [P, B]
        loss = actor_loss(q[:, None], log_prob, torch.full((2, 1), PEAK_ALPHA))
        adam.zero_grad()
        torch.autograd.backward(loss.sum())
        adam.step()
    axes.set(xticks=[-1.0, -0.5, 0.0, 0.5, 1.0], ylim=(0.0, 5.6))
    grid = torch.linspace(-0.9995, 0.9995, 4001)
    target = torch.exp(torch.exp(-(((grid[:, None] - PEAKS) / WIDTH) ** 2)) @ HEIGHTS / PEAK_ALPHA)
    target /= torch.trapezoid(target, grid)
    axes.fill_between(grid, target, color=LINE, label="exp(Q/α)/Z")
    for i, colour in enumerate((GREEN, BLUE)):
        density = SquashedGaussian(mean[i, 0], log_std[i, 0]).log_prob(torch.atanh(grid)[:, None]).exp().detach()
        divergence = torch.trapezoid(torch.special.xlogy(density, density / target), grid).item()
        require(f"start {i + 1}: the divergence, {divergence:.3f}, is positive", divergence > 0.0)
        axes.plot(grid, density, color=colour, linewidth=2.2, label=f"squashed Gaussian, KL {divergence:.2f}")


def main() -> None:
    """Check the gradients, then draw both steps of soft policy iteration."""
    given = options(__doc__)
    check_gradients()
    left, right = (figure := new_figure()).subplots(1, 2)
    climb(left)
    project(right, 200 if given.quick else 600)
    style(left, "Soft policy iteration: every Q(s, a) climbs", x="policies", y="Q less its optimum")
    style(right, "The policy update is a projection", x="action", y="density")
    for axes in (left, right):
        axes.legend(fontsize=10.5, edgecolor="none")
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
