"""Chapter 1: the value of a policy, as a mean of returns and as the solution of the Bellman equation."""

import numpy as np
from common import BLUE, GREEN, INK, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes

from maxent.tabular import TabularMDP, action_value, bellman_backup, bellman_solve, sample_episodes, state_value

SIZE = 4
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
BOOK = (0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0)  # Sutton & Barto, figure 4.1
SWEEPS = 120


def grid(gamma: float) -> TabularMDP:
    """Return the grid world of Sutton & Barto 2018, example 4.1: 4 by 4, two terminal corners, reward −1 per step."""
    P = np.zeros((SIZE * SIZE, len(MOVES), SIZE * SIZE))
    for s in range(SIZE * SIZE):
        row, column = divmod(s, SIZE)
        for a, (down, right) in enumerate(MOVES):
            target = np.clip((row + down, column + right), 0, SIZE - 1)  # off the grid: stay
            P[s, a, target @ (SIZE, 1)] = 1.0
    ends = np.isin(np.arange(SIZE * SIZE), (0, SIZE * SIZE - 1))
    return TabularMDP(P, np.where(ends, 0.0, -1.0), gamma, terminal=ends)


def errors_by_sweep(gamma: float) -> list[float]:
    """Return max_s |V_k(s) − V^π(s)| after k = 0, 1, ... full backups from V_0 = 0."""
    mdp = grid(gamma)
    policy, v = mdp.uniform_policy(), np.zeros(mdp.n_states)
    exact = bellman_solve(mdp, policy).v
    errors = []
    for _ in range(SWEEPS + 1):
        errors.append(float(np.abs(v - exact).max()))
        v = bellman_backup(mdp, policy, v)
    return errors


def draw_values(axes: Axes, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    axes.imshow(values.reshape(SIZE, SIZE), cmap="Blues_r", vmin=-30.0, vmax=2.0)
    for s, v in enumerate(values):
        row, column = divmod(s, SIZE)
        text = "end" if s in (0, SIZE * SIZE - 1) else f"{v:.0f}".replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", fontsize=15, color=INK if v > -16 else "white")
    axes.set_title("V of the random walk: −(steps to the end)", fontsize=11.5, loc="left", color=INK)
    axes.set_axis_off()


def main() -> None:
    """Compute the same values by solving, iterating and sampling."""
    given = options(__doc__)
    mdp = grid(gamma=1.0)
    policy = mdp.uniform_policy()
    solved = bellman_solve(mdp, policy)
    print("A random walk on a 4 by 4 grid:")
    check("V next to the end", solved.v[1], -14.0, within=1e-9)
    check("largest distance from Sutton & Barto's table", float(np.abs(solved.v - BOOK).max()), 0.0, within=1e-9)
    q = action_value(mdp, solved.v)
    check("V(s) - E[Q(s, a)], largest", float(np.abs(solved.v - state_value(q, policy)).max()), 0.0, within=1e-9)

    episodes = sample_episodes(mdp, policy, 500 if given.quick else 20_000, rng=np.random.default_rng(0))
    returns = np.array([episode.returns(mdp.gamma)[0] for episode in episodes])
    error = returns.std() / np.sqrt(len(returns))
    check("mean return of sampled walks", returns.mean(), float(mdp.start @ solved.v), within=4.0 * error)

    figure = new_figure()
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    draw_values(left, solved.v)
    for gamma, colour in ((1.0, ORANGE), (0.9, BLUE), (0.5, GREEN)):
        errors = np.array(errors_by_sweep(gamma))
        right.semilogy(errors, color=colour, linewidth=2.2, label=f"γ = {gamma:g}")
        if gamma < 1.0:
            bound = gamma ** np.arange(SWEEPS + 1) * errors[0]
            require(
                f"after k sweeps at gamma = {gamma:g} the error is at most gamma^k times the first",
                bool((errors <= bound + 1e-12).all()),
            )
            right.semilogy(bound, color=colour, linewidth=1.3, linestyle=":")
    right.set_ylim(1e-6, 60.0)
    style(right, "Each sweep brings V closer", x="sweeps of the Bellman backup", y="largest error of V")
    right.plot([], [], color=INK, linestyle=":", linewidth=1.3, label="bound γᵏ · first error")
    right.legend(fontsize=10.5, frameon=True, edgecolor="none", loc="upper right")
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
