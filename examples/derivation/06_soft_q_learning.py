"""Chapter 6: entropy as a reward; soft Q-iteration, its two limits, and a policy that uses all shortest paths."""

import numpy as np
from common import BLUE, INK, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes

from maxent import tabular
from maxent.tabular.transitions import FloatArray

SIZE, ALPHA = 7, 0.3
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


def square() -> tabular.TabularMDP:
    """Return an empty square with reward −1 per step between opposite corners; every monotone path is optimal."""
    P = np.zeros((SIZE * SIZE, 4, SIZE * SIZE))
    for s in range(SIZE * SIZE):
        for a, move in enumerate(MOVES):
            P[s, a, np.clip(np.divmod(s, SIZE) + np.array(move), 0, SIZE - 1) @ (SIZE, 1)] = 1.0
    ends = np.arange(SIZE * SIZE) == SIZE * SIZE - 1
    return tabular.TabularMDP(P, np.where(ends, 0.0, -1.0), 0.95, terminal=ends, start=np.eye(SIZE * SIZE)[0])


def passes(mdp: tabular.TabularMDP, policy: FloatArray) -> FloatArray:
    """Return the expected number of visits to each state, d = start + P_πᵀ d.   → [S]."""
    step = mdp.under(policy).P.dense()[:, 0, :] * ~mdp.terminal[:, None]
    return np.asarray(np.linalg.solve(np.eye(mdp.n_states) - step.T, mdp.start), dtype=np.float64)


def check_equations(problems: int) -> None:
    """Check the theorems of soft Q-learning and both limits of α on random problems."""
    rng = np.random.default_rng(0)
    apart, regret, growth, cold, hot, bonus = [], [], [], [], [], []
    for seed in range(problems):
        mdp, alpha = tabular.random_mdp(seed, n_states=8, n_actions=3), float(rng.uniform(0.05, 2.0))
        solved = tabular.soft_q_iteration(mdp, alpha, tol=1e-12)
        apart.append(np.abs(solved.v - tabular.soft_policy_iteration(mdp, alpha, tol=1e-12).v).max())
        other = rng.dirichlet(np.ones(3), size=8)
        regret.append((solved.v - tabular.soft_state_value(solved.q, other, alpha)).min())
        plus = tabular.TabularMDP(mdp.P, mdp.R + alpha * tabular.entropy(other)[:, None], mdp.gamma)  # r⁺ for r
        soft, plain = tabular.soft_policy_solve(mdp, other, alpha), tabular.bellman_solve(plus, other)
        bonus += [np.abs(plain.v - soft.v).max(), np.abs(plain.q - soft.q - (plus.R - mdp.R)).max()]
        q, r = rng.normal(size=(2, 8, 3))
        backups = [tabular.soft_optimal_backup(mdp, x, alpha) for x in (q, r)]
        growth.append(np.abs(backups[0] - backups[1]).max() / np.abs(q - r).max() - mdp.gamma)
        cold.append(np.abs(tabular.soft_q_iteration(mdp, 1e-6).v - tabular.value_iteration(mdp).v).max())
        hot.append(np.abs(tabular.soft_q_iteration(mdp, 1e6, tol=1e-3).policy - 1.0 / 3.0).max())
    require("soft Q-iteration and soft policy iteration agree", max(apart) < 1e-9)
    require("no other policy beats the Boltzmann policy", min(regret) > 0.0)
    require("with r + alpha H for r, Bellman's equation has the soft V, and Q + alpha H(s)", max(bonus) < 1e-10)
    require("the soft backup contracts by gamma", max(growth) < 1e-12)
    require("alpha -> 0 is value iteration, alpha -> infinity the uniform policy", max(*cold, *hot) < 1e-4)


def draw_limits(axes: Axes) -> None:
    """Draw V(s) of one state against α, between its two limits."""
    q = np.array([[1.0, 0.6, -0.4]])
    alphas = np.geomspace(0.02, 20.0, 100)
    v = np.array([tabular.soft_value(q, alpha)[0] for alpha in alphas])
    bonus = np.array([alpha * tabular.entropy(tabular.soft_optimal_policy(q, alpha))[0] for alpha in alphas])
    check("V at alpha = 0.02, max Q", v[0], 1.0, within=1e-8)
    check("V - alpha log 3 at alpha = 20, mean Q", v[-1] - 20.0 * np.log(3.0), q.mean(), within=0.01)
    axes.semilogx(alphas, v, color=BLUE, linewidth=2.4, label="V = α log Σ exp(Q/α)")
    axes.semilogx(alphas, v - bonus, color=ORANGE, linewidth=2.4, label="reward part, E[Q]")
    axes.axhline(1.0, color=INK, linestyle=":", linewidth=1.4)
    axes.axhline(q.mean(), color=INK, linestyle=":", linewidth=1.4)
    axes.text(0.02, 1.03, "max Q", fontsize=10)
    axes.text(0.02, q.mean() + 0.03, "mean Q", fontsize=10)
    axes.set_ylim(0.2, 2.6)


def main() -> None:
    """Check the equations, draw V against α, and compare the greedy and the soft policy on the square."""
    given = options(__doc__)
    axes = (figure := new_figure()).subplot_mosaic([["limits", "greedy"], ["limits", "soft"]], width_ratios=(1.6, 1.0))
    check_equations(problems=5 if given.quick else 100)
    draw_limits(axes["limits"])
    style(axes["limits"], "One state with Q = 1, 0.6, −0.4", x="α", y="value")
    axes["limits"].legend(fontsize=10.5, frameon=False)
    mdp = square()
    policies = {"greedy": tabular.value_iteration(mdp).policy, "soft": tabular.soft_q_iteration(mdp, ALPHA).policy}
    for name, policy in policies.items():
        visits = passes(mdp, policy)
        axes[name].imshow(visits.reshape(SIZE, SIZE), cmap="Blues", vmin=0.0, vmax=1.0)
        title = f"{name}: {visits.sum() - 1.0:.1f} steps, H = {abs(tabular.entropy(policy)[0]):.2f} at the start"
        print(f"  {title}, reward and entropy {tabular.maxent_objective(mdp, policy, ALPHA):.3f}")
        axes[name].set_title(title, fontsize=11.5, color=INK)
        axes[name].set(xticks=[], yticks=[])
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
