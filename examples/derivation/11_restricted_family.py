"""Chapter 11: soft policy iteration in a restricted family Π; what is optimal among Π, by brute force."""

import numpy as np
import torch
from common import BLUE, GREY, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes

from maxent import tabular
from maxent.distributions import SquashedGaussian
from maxent.tabular.transitions import FloatArray

ALPHA, GAMMA, SIGMA = 0.1, 0.8, 0.6
ACTIONS = np.linspace(-0.99, 0.99, 199)


def problem() -> tabular.TabularMDP:
    """Return two states whose rewards want different actions of a fine grid of (−1, 1)."""
    right = np.stack([0.9 / (1.0 + np.exp(-4.0 * ACTIONS)), 0.2 + 0.6 * (ACTIONS < 0.0)])  # p(s' = 1|s, a)
    peaks = np.exp(-(((ACTIONS + 0.5) / 0.25) ** 2)), np.exp(-(((ACTIONS - 0.6) / 0.2) ** 2))
    R = np.stack([0.8 * peaks[0] + 0.7 * peaks[1], 1.5 * peaks[1] - 0.3 * ACTIONS])
    return tabular.TabularMDP(np.stack([1.0 - right, right], -1), R, GAMMA, start=np.array([0.9, 0.1]))


def family(means: FloatArray, stds: FloatArray) -> FloatArray:
    """Return squashed Gaussians as probabilities of the actions.   [M], [M] → [M, A]."""
    mean, log_std = (torch.from_numpy(x)[:, None, None] for x in (means, np.log(stds)))
    log_prob = SquashedGaussian(mean, log_std).log_prob(torch.from_numpy(np.arctanh(ACTIONS))[:, None])
    return np.asarray(torch.softmax(log_prob, -1))


def divergences(members: FloatArray, q: FloatArray) -> FloatArray:
    """Return D_KL(π_m ‖ exp(Q(s, ·)/α)/Z(s)) for every member and state.   [M, A], [S, A] → [S, M]."""
    return np.array([tabular.improvement_divergence(members, np.tile(row, (len(members), 1)), ALPHA) for row in q])


def statewise(axes: Axes, mdp: tabular.TabularMDP, count: int) -> None:
    """Let every state choose its member of Π, and compare the fixed point with all pairs of members."""
    grid = np.meshgrid(np.linspace(-2.5, 2.5, 2 * count + 1), np.geomspace(0.05, 2.0, count))
    members = family(grid[0].ravel(), grid[1].ravel())  # [M, A]
    r = members @ mdp.R.T + ALPHA * tabular.entropy(members)[:, None]  # [M, S]
    p = GAMMA * np.einsum("ma,san->smn", members, mdp.P.dense())  # [S, M, S'], with the discount
    stay, leave, go, back = 1.0 - p[0, :, :1], p[0, :, 1:], 1.0 - p[1, :, 1], p[1, :, 0]
    det = stay * go - leave * back  # [M, M'], of the linear system of each pair
    best = [(r[:, :1] * go + leave * r[:, 1]) / det, (stay * r[:, 1] + back * r[:, :1]) / det]
    picks, values, q_old = [0, len(members) - 1], list[FloatArray](), np.full_like(mdp.R, -np.inf)
    for _ in range(5):
        solved = tabular.soft_policy_solve(mdp, members[picks], ALPHA)
        require(f"V = {np.round(solved.v, 4)}: no Q has fallen", bool((solved.q >= q_old - 1e-12).all()))
        values, q_old = [*values, solved.v], solved.q
        picks = [int(row.argmin()) for row in divergences(members, solved.q)]
    free = tabular.soft_q_iteration(mdp, ALPHA, tol=1e-12).v
    for s, colour in enumerate((BLUE, ORANGE)):
        check(f"state {s}: best of {best[s].size:,} pairs", values[-1][s], float(best[s].max()), within=1e-10)
        axes.semilogy([free[s] - v[s] for v in values], "o-", color=colour, linewidth=2.2, label=f"state {s}")
        axes.axhline(free[s] - best[s].max(), color=colour, linestyle="--", linewidth=1.3)
    require("policies outside of Π do better", min(free - values[-1]) > 1e-3)


def shared(axes: Axes, mdp: tabular.TabularMDP, count: int) -> None:
    """Give both states the same mean, and minimise the divergence averaged over a state distribution d."""
    means = np.linspace(-1.0, 1.2, count)
    members = family(means, np.full(count, SIGMA))  # [M, A]
    both = [tabular.soft_policy_solve(mdp, np.stack([row, row]), ALPHA) for row in members]
    objective = np.array([mdp.start @ one.v for one in both])

    def fixed(weight: float | None) -> int:
        """Return a member that its own projection reproduces; `None` weights states as its discounted visits do."""
        pick, new = -1, int(objective.argmax())
        while new != pick:
            pick = new
            chain = np.einsum("a,san->ns", members[pick], mdp.P.dense())
            visits = np.linalg.solve(np.eye(2) - GAMMA * chain, mdp.start)
            d = visits if weight is None else np.array([1.0 - weight, weight])
            new = int((d @ divergences(members, both[pick].q)).argmin())
        return pick

    ends, own = [fixed(weight) for weight in np.linspace(0.0, 1.0, 11)], fixed(None)
    check("own visits: mean", means[own], means[objective.argmax()], within=2.5 * (means[1] - means[0]))
    require("other weights lead to less", min(objective[ends]) < objective.max() - 0.05)
    axes.plot(means, objective, color=GREY, linewidth=2.2, label="J, all members")
    dots = axes.scatter(means[ends], objective[ends], c=np.linspace(0, 1, 11), s=40, zorder=3)
    axes.figure.colorbar(dots, ax=axes, label="weight of state 1 in d", location="bottom", aspect=40)
    axes.plot(means[own], objective[own], "*", color=ORANGE, markersize=15, label="d = own discounted visits")


def main() -> None:
    """Draw both cases."""
    given, (left, right) = options(__doc__), (figure := new_figure()).subplots(1, 2)
    statewise(left, mdp := problem(), count=12 if given.quick else 25)
    shared(right, mdp, count=201 if given.quick else 801)
    for axes in (left, right):
        axes.legend(fontsize=10, edgecolor="none")
    style(left, "Parameters for each state", x="projections (dashed: the best among Π)", y="V* − V")
    style(right, "One mean for both states: fixed points", x="mean μ", y="J")
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
