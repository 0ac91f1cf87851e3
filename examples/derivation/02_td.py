"""Chapter 2: dynamic programming, Monte Carlo and TD(0) on a graph of six states."""

import numpy as np
from common import AMBER, BLUE, GREEN, INK, LINE, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes

from maxent.tabular import first_visit_monte_carlo, sample_episodes, td0
from maxent.tabular.examples.graph import LARGE_STEP, SMALL_STEP, STATES, best_path, graph_values, rms_error, toy_graph

MC = "Monte Carlo"
TD_STEPS = {
    f"TD(0), step {SMALL_STEP:g}": lambda n: SMALL_STEP,
    f"TD(0), step {LARGE_STEP:g}": lambda n: LARGE_STEP,
    "TD(0), step $n^{-0.8}$": lambda n: n**-0.8,
}
LOOK = {MC: ("o", BLUE)} | dict(zip(TD_STEPS, (("v", AMBER), ("^", GREEN), ("s", ORANGE)), strict=True))
COUNTS = (4, 16, 64, 256, 1024)


def learning_curves(runs: int) -> dict[str, list[float]]:
    """Return the root mean squared error of each method after each number of episodes, over `runs` runs."""
    mdp, exact = toy_graph(), graph_values().dp
    squares = {name: np.zeros(len(COUNTS)) for name in LOOK}
    for run in range(runs):
        episodes = sample_episodes(mdp, mdp.uniform_policy(), COUNTS[-1], rng=np.random.default_rng(run))
        for i, n in enumerate(COUNTS):
            seen = episodes[:n]
            estimates = {MC: first_visit_monte_carlo(seen, mdp.n_states, mdp.gamma).v}
            for name, step_size in TD_STEPS.items():
                estimates[name] = td0(seen, mdp.n_states, mdp.gamma, step_size=step_size).v
            for name, v in estimates.items():
                squares[name][i] += rms_error(v, exact) ** 2 / runs
    return {name: np.sqrt(square).tolist() for name, square in squares.items()}


def draw_table(axes: Axes) -> None:
    """Draw the estimates from four episodes around the exact values."""
    values = graph_values()
    for row, v in enumerate(values.dp):
        axes.plot([v, v], [row - 0.36, row + 0.36], color=INK, linewidth=3.0, label=None if row else "DP, exact")
    estimates = zip(LOOK, (-0.2, 0.0, 0.2), (values.mc, values.td0_small, values.td0_large), strict=False)
    for name, offset, v in estimates:
        marker, colour = LOOK[name]
        axes.plot(v, np.arange(6) + offset, marker, color=colour, markersize=8, label=name)
    style(axes, "Four episodes", x="value")
    axes.set_yticks(range(6), [f"$s_{name[1]}$" for name in STATES], fontsize=13)
    axes.set(ylim=(5.6, -0.6), xlim=(-3.25, 0.25))
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower left", fontsize=10, facecolor="white", framealpha=1.0, edgecolor=LINE)


def main() -> None:
    """Check the values of the four episodes, then compare the methods on more episodes."""
    given = options(__doc__)
    values = graph_values()
    print("The graph of six states:")
    for i, (name, exact) in enumerate(zip(STATES, (-34 / 15, -2.2, -5 / 3, -1.0, -1.25, 0.0), strict=True)):
        check(f"DP V({name})", values.dp[i], exact, within=1e-12)
    check("MC V(s3)", values.mc[2], -2.0, within=1e-12)
    check("TD(0) V(s2)", values.td0_small[1], -1.125, within=1e-12)
    print(f"  path of highest values: DP {best_path(values.dp)}, TD(0) {best_path(values.td0_small)}")

    curves = learning_curves(runs=5 if given.quick else 40)
    for name, errors in curves.items():
        print(f"  error after {COUNTS} episodes, {name}: " + ", ".join(f"{error:.3f}" for error in errors))
    small, large, shrinking = (curves[name][-1] for name in TD_STEPS)
    require(
        "Monte Carlo and shrinking steps keep improving; constant steps do not", max(curves[MC][-1], shrinking) < small
    )
    require("in the long run step 0.8 is worse than 0.5", small < large)

    figure = new_figure()
    left, right = figure.subplots(1, 2)
    draw_table(left)
    for name, errors in curves.items():
        marker, colour = LOOK[name]
        right.loglog(COUNTS, errors, marker=marker, color=colour, linewidth=2.0, markersize=7, label=name)
    style(right, "More episodes", x="episodes", y="error of V (root mean square)")
    right.set_xticks(COUNTS, [f"{n:,}" for n in COUNTS])
    right.minorticks_off()
    right.legend(fontsize=10, frameon=True, edgecolor="none", loc="lower left")
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
