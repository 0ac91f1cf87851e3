"""Chapter 3: SARSA and Q-learning on CliffWalking, on-policy against off-policy."""

import gymnasium as gym
import numpy as np
from common import BLUE, INK, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from maxent import tabular
from maxent.tabular.transitions import BoolArray, FloatArray

COLUMNS, START, END = 12, 36, 48
EPSILON = 0.1
LEARNERS = {"SARSA": (tabular.sarsa, ORANGE), "Q-learning": (tabular.q_learning, BLUE)}


def step_size(n: int) -> float:
    """Return n^−0.6: Σ η diverges and Σ η² converges, as both convergence proofs require."""
    return float(n**-0.6)


def acting_return(mdp: tabular.TabularMDP, q: FloatArray) -> float:
    """Return the exact expected return from the start of the policy that is ε-greedy on q."""
    return float(tabular.bellman_solve(mdp, tabular.epsilon_greedy_policy(q, EPSILON)).v[START])


def exploring_limit(mdp: tabular.TabularMDP, allowed: BoolArray, sign: float = 1.0) -> float:
    """Return the best (sign 1) or worst (−1) such return over all greedy choices among the allowed actions."""
    P, R = ((1.0 - EPSILON) * x + EPSILON * x.mean(axis=1, keepdims=True) for x in (mdp.P.dense(), mdp.R))
    noisy = tabular.TabularMDP(P, np.where(allowed, sign * R, -1e6), 1.0, terminal=mdp.terminal)
    return sign * float(tabular.value_iteration(noisy).v[START])


def route(mdp: tabular.TabularMDP, q: FloatArray) -> list[int]:
    """Return the states that the greedy policy visits, at most 50."""
    states = [START]
    while states[-1] != END and len(states) < 50:
        states.append(int(mdp.P.dense()[states[-1], q[states[-1]].argmax()].argmax()))
    return states


def draw_map(axes: Axes, routes: dict[str, list[int]]) -> None:
    axes.add_patch(Rectangle((0.5, 2.5), 10, 1, facecolor=INK))
    axes.text(5.5, 3.0, "cliff: −100, back to the start", color="white", ha="center", va="center", fontsize=11)
    for column, name in ((-0.05, "start"), (11.05, "end")):
        axes.text(column, 3.34, name, ha="center", va="center", fontsize=10)
    for name, states in routes.items():
        y, x = np.divmod([47 if s == END else s for s in states], COLUMNS)
        axes.plot(x, y, "o-", color=LEARNERS[name][1], linewidth=3.0, markersize=5)
        axes.text(5.5, y.min() - 0.4, f"{name}, greedy", color=LEARNERS[name][1], ha="center", va="center", fontsize=11)
    axes.set(xlim=(-0.5, 11.5), ylim=(3.5, -0.8), xticks=np.arange(-0.5, 12), yticks=np.arange(-0.5, 4), aspect="equal")
    axes.tick_params(labelbottom=False, labelleft=False, length=0)
    axes.grid(color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)


def main() -> None:
    """Run both methods with the same exploration and compare their returns with the exact limits."""
    given = options(__doc__)
    mdp = tabular.from_gymnasium(gym.make("CliffWalking-v1"), gamma=1.0)
    optimum = tabular.value_iteration(mdp).q
    greedy = np.isclose(optimum, optimum.max(axis=-1, keepdims=True)) | mdp.terminal[:, None]  # Q* has ties
    limits = {"SARSA": [exploring_limit(mdp, np.ones_like(greedy))] * 2}
    limits["Q-learning"] = [exploring_limit(mdp, greedy, sign) for sign in (-1.0, 1.0)]
    print(f"CliffWalking, epsilon {EPSILON}:")
    counts = [2**k for k in range(13, 17 if given.quick else 19)]
    runs = range(1 if given.quick else 7)
    figure = new_figure()
    above, below = figure.subplots(2, 1, height_ratios=(1.0, 1.2))
    routes = {}
    for name, (learn, colour) in LEARNERS.items():
        returns = np.empty((len(runs), len(counts)))
        for i, j in np.ndindex(*returns.shape):
            q = learn(mdp, counts[j], np.random.default_rng(i), epsilon=EPSILON, step_size=step_size).q
            returns[i, j] = acting_return(mdp, q)
        routes[name] = route(mdp, q)  # of the last run, at its end
        exploring = returns[:, -1].mean()
        print(f"  {name}: greedy path of {len(routes[name]) - 1} steps, return while exploring {exploring:.2f}")
        label = f"{name} (median of {len(runs)})"
        below.plot(counts, np.median(returns, axis=0), "o-", color=colour, linewidth=2.2, label=label)
        below.fill_between(counts, *limits[name], color=colour, alpha=0.2, linewidth=0)
        below.plot(counts, [limits[name]] * len(counts), color=colour, linestyle=":", linewidth=1.5)
    check("greedy return of Q-learning", 1.0 - len(routes["Q-learning"]), -13.0, within=0)
    require("SARSA's greedy path is longer, and safer", len(routes["SARSA"]) > len(routes["Q-learning"]))
    check("exploring, SARSA's limit", limits["SARSA"][0], -20.708, within=1e-3)
    worst, best = limits["Q-learning"]
    require(f"ε-greedy on Q* returns {worst:.2f} to {best:.2f}, depending on ties", worst < best < -45)
    draw_map(above, routes)
    title = f"What walking ε-greedily on the learned Q earns (ε = {EPSILON:g}; dotted: the exact limits)"
    style(below, title, x="steps learned", y="expected return")
    below.set_ylim(-75.0, -12.0)
    below.set_xscale("log", base=2)
    below.set_xticks(counts, [f"{n:,}" for n in counts])
    below.legend(loc="lower right", fontsize=10.5, frameon=False)
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
