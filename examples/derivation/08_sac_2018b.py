"""Chapter 8: SAC with twin critics and a learned temperature."""

import numpy as np
import torch
from common import BLUE, GREEN, INK, ORANGE, check, new_figure, options, save, style
from matplotlib.axes import Axes
from torch import Tensor

from maxent.distributions import SquashedGaussian
from maxent.objectives import actor_loss, alpha_loss
from maxent.tabular import entropy, soft_optimal_policy

torch.set_default_dtype(torch.float64)
TARGET, STARTS, EVERY = -1.0, {0.01: BLUE, 0.3: GREEN, 10.0: ORANGE}, 10
STEEP, BEST = 2.0, 0.3  # one state, one action dimension: Q(a) = −STEEP (a − BEST)²


def exact_dual() -> None:
    """Minimise J(α) with the exact optimal policy of each α; the entropy converges to H̄."""
    q, target, log_alpha = np.array([[1.0, 0.6, -0.4]]), 0.7, np.log(5.0)
    for _ in range(500):
        h = entropy(soft_optimal_policy(q, float(np.exp(log_alpha))))[0]
        log_alpha -= 0.5 * (h - target)  # the gradient of E[−log α (log π + H̄)] in log α
    check(f"finite actions: entropy at alpha = {np.exp(log_alpha):.4f}", h, target, within=1e-9)


def train(updates: int) -> Tensor:
    """Learn actor and α from three initial α, one member each; return α and entropy [updates/EVERY, 2, P]."""
    members, draw, history = len(STARTS), torch.Generator().manual_seed(0), []
    mean, log_std = (torch.zeros(members, 1, 1, requires_grad=True) for _ in range(2))
    log_alpha = torch.tensor([*STARTS])[:, None].log().requires_grad_()  # [P, 1]
    adam = torch.optim.Adam([{"params": [mean, log_std], "lr": 0.05}, {"params": [log_alpha], "lr": 0.015}])
    slower = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.02, updates)
    policy = SquashedGaussian(mean, log_std)
    for t in range(updates):
        a, log_prob = policy.sample(torch.randn(members, 256, 1, generator=draw))
        loss = actor_loss(-STEEP * (a - BEST).transpose(1, 2) ** 2, log_prob, log_alpha.exp().detach())
        adam.zero_grad()
        torch.autograd.backward((loss + alpha_loss(log_alpha, log_prob, TARGET)).sum())
        adam.step()
        slower.step()
        if t % EVERY == 0:
            history.append(torch.stack([log_alpha.exp().flatten(), policy.entropy().flatten()]).detach())
    z = torch.linspace(-9.0, 9.0, 2001)[None, :, None]
    q = -STEEP * (torch.tanh(mean + log_std.exp() * z) - BEST) ** 2
    reward = torch.trapezoid(q * torch.exp(-0.5 * z**2), z, dim=1) / (2.0 * torch.pi) ** 0.5  # E[Q]
    by_reward, by_entropy = (torch.autograd.grad(x.sum(), log_std)[0] for x in (reward, policy.entropy()))
    price = -(by_reward / by_entropy).flatten()
    for i, (start, (alpha, h)) in enumerate(zip(STARTS, history[-1].T.tolist(), strict=True)):
        check(f"alpha from {start:g}: entropy", h, TARGET, within=0.02)
        check(f"alpha from {start:g}: alpha against the price of entropy", alpha, price[i].item(), within=0.05 * alpha)
    return torch.stack(history)


def largest(n: int, twin: bool) -> float:
    """Return E[max] of n standard normal errors, or of n minima of two such, by numerical integration."""
    x = np.linspace(-9.0, 9.0, 20_001)
    above = 1.0 - torch.special.ndtr(torch.tensor(x)).numpy()  # P(error of one critic > x)
    below = 1.0 - (above**2 if twin else above)
    return float((np.heaviside(x, 0.5) - below**n).sum() * (x[1] - x[0]))


def draw_twins(axes: Axes, samples: int) -> None:
    """Draw the bias of max_a Q over n equal actions, with one critic and with the minimum of two."""
    counts, rng = [1, 2, 4, 8, 16, 32], np.random.default_rng(0)
    for twin, colour, label in ((False, ORANGE, "one critic"), (True, BLUE, "the smaller of two")):
        exact = [largest(n, twin) for n in counts]
        seen = [rng.normal(size=(samples, 2 if twin else 1, n)).min(axis=1).max(axis=1).mean() for n in counts]
        check(f"{label}: bias, 32 actions", float(seen[-1]), exact[-1], within=4.0 / samples**0.5)
        axes.semilogx(counts, exact, color=colour, linewidth=2.2, label=label)
        axes.semilogx(counts, seen, "o", color=colour)
    check("the smaller of two, one action: -1/sqrt(pi)", largest(1, True), -(np.pi**-0.5), within=1e-6)
    axes.axhline(0.0, color=INK, linestyle=":", linewidth=1.5)
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.minorticks_off()


def main() -> None:
    """Find α exactly and by gradient steps, then measure the effect of a second critic."""
    given = options(__doc__)
    axes = (figure := new_figure()).subplot_mosaic([["alpha", "twins"], ["entropy", "twins"]])
    axes["entropy"].axhline(TARGET, color=INK, linestyle=":", linewidth=1.5)
    exact_dual()
    history = train(1_400 if given.quick else 2_000)
    for i, (start, colour) in enumerate(STARTS.items()):
        updates, (alphas, entropies) = np.arange(len(history)) * EVERY, history[:, :, i].T
        axes["alpha"].semilogy(updates, alphas, color=colour, linewidth=2.0, label=f"α from {start:g}")
        axes["entropy"].plot(updates, entropies, color=colour, linewidth=2.0)
    draw_twins(axes["twins"], 4_000 if given.quick else 40_000)
    style(axes["alpha"], "α finds its value …", y="α")
    style(axes["entropy"], "… where the entropy is H̄", x="updates", y="entropy")
    style(axes["twins"], "The best-looking of n equal actions", x="n actions", y="error of its value, in critics' σ")
    for name in ("alpha", "twins"):
        axes[name].legend(fontsize=10.5, edgecolor="none")
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
