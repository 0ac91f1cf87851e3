"""Draw the drunken spider. Matplotlib is imported only when something is drawn."""

import os
from typing import TYPE_CHECKING

import numpy as np

from maxent.tabular.examples.spider import LAKE_COST, MAP, compare, one_step_greedy, plan, planning_switch, route
from maxent.tabular.transitions import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUND = {"~": "#9ecae8", "=": "#c8a26b", "#": "#8d9299"}  # every other cell is land
LAND, INK = "#e7eedb", "#222222"
GREEDY, PLANNED = "#d55e00", "#0b559f"
DRAWN_STUMBLE = 0.1
SWEEP = np.linspace(0.0, 0.4, 41)


def draw_spider(path: str | os.PathLike[str]) -> None:
    """Save a figure of both routes on the map, and of return and risk against the stumbling probability."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 5.6), dpi=150, layout="constrained")
    axes = figure.subplot_mosaic([["map", "return"], ["map", "lake"]], width_ratios=(1.2, 1.0))
    _draw_map(axes["map"])
    _draw_sweep(axes["return"], axes["lake"])
    figure.savefig(path)


def _draw_map(axes: "Axes") -> None:
    from matplotlib.patches import Rectangle

    for row, line in enumerate(MAP):
        for column, kind in enumerate(line):
            colour = GROUND.get(kind, LAND)
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=2))
    for x, y, dx, name in ((0, 3, 0.0, "pub"), (1, 3, 0.0, "A"), (0, 2, 0.25, "B"), (6, 3, 0.0, "home")):
        axes.text(x + dx, y + 0.32, name, ha="center", va="center", fontsize=12.5, color=INK, weight="bold")
        axes.plot(x, y, "o", color=INK, markersize=7, zorder=4)
    axes.text(3, 2, "lake", ha="center", va="center", fontsize=14, color="#2b6a94", style="italic")
    axes.text(1, 2, "rock", ha="center", va="center", fontsize=10.5, color="#e8eaec", style="italic")
    axes.text(3, 3.32, "bridge", ha="center", va="center", fontsize=10.5, color="#6b4d1e", style="italic")
    _draw_route(axes, one_step_greedy(DRAWN_STUMBLE), GREEDY, f"one step ahead: A ({DRAWN_STUMBLE:.0%} stumbling)")
    _draw_route(axes, plan(DRAWN_STUMBLE).policy, PLANNED, f"value iteration: B ({DRAWN_STUMBLE:.0%} stumbling)")
    axes.set(xlim=(-0.5, len(MAP[0]) - 0.5), ylim=(len(MAP) - 0.5, -0.5), aspect="equal")
    axes.set_title("Two ways home", fontsize=12.5, loc="left", color=INK)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, fontsize=10.5, frameon=False)
    axes.set_axis_off()


def _draw_route(axes: "Axes", policy: FloatArray, colour: str, label: str) -> None:
    cells = np.array(route(policy), dtype=np.float64)  # [n, (row, column)]
    y, x = cells.T
    axes.plot(x[:-1], y[:-1], color=colour, linewidth=3.2, solid_capstyle="round", solid_joinstyle="round", label=label)
    axes.annotate(
        "", xy=(x[-1], y[-1]), xytext=(x[-2], y[-2]),
        arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 3.2, "mutation_scale": 22, "shrinkA": 0,
                    "shrinkB": 4},
    )  # fmt: skip


def _draw_sweep(returns: "Axes", lake: "Axes") -> None:
    switch = planning_switch()
    sweep = np.sort(np.append(SWEEP, (switch - 1e-4, switch + 1e-4)))
    results = [compare(float(p)) for p in sweep]
    returns.plot(
        sweep, [r.greedy_return for r in results], color=GREEDY, linewidth=4.0, label="one step ahead: always A"
    )
    returns.plot(sweep, [r.planned_return for r in results], color=PLANNED, linewidth=2.4, label="value iteration")
    returns.plot(sweep, [r.q_b for r in results], color=PLANNED, linewidth=1.2, linestyle=":", label="B, then the best")
    returns.set_ylabel("expected return", fontsize=11)
    returns.set_title("Return and risk against the stumbling probability", fontsize=12.5, loc="left", color=INK)
    returns.legend(loc="lower left", bbox_to_anchor=(0.14, 0.0), fontsize=10, frameon=False)
    returns.tick_params(labelbottom=False)
    lake.plot(sweep, [100 * r.greedy_lake for r in results], color=GREEDY, linewidth=4.0)
    lake.plot(sweep, [100 * r.planned_lake for r in results], color=PLANNED, linewidth=2.4)
    lake.set_ylabel("ends in the lake, %", fontsize=11)
    lake.set_xlabel(f"probability of stumbling (a step costs 1, the lake {LAKE_COST:g})", fontsize=11)
    lake.text(
        switch + 0.006,
        76,
        f"value iteration switches\nfrom A to B at {switch:.3f}",
        fontsize=10,
        color=PLANNED,
        va="top",
    )
    for axes in (returns, lake):
        axes.axvline(switch, color=PLANNED, linewidth=1.0, linestyle="--", alpha=0.7)
        axes.set_xlim(0.0, 0.4)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e8eb", linewidth=1.0)
        axes.set_axisbelow(True)
