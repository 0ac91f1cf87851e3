"""Draw the toy graph. Matplotlib is imported only when something is drawn."""

import os
from itertools import pairwise
from typing import TYPE_CHECKING

from maxent.tabular.examples.graph import EDGES, LARGE_STEP, SMALL_STEP, STATES, GraphValues, best_path, graph_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLACES = {"s1": (0.0, 1.1), "s2": (0.0, -1.1), "s3": (2.6, 2.0), "s4": (2.6, 0.0), "s5": (2.6, -2.0), "s6": (5.2, 0.0)}
RADIUS = 0.48
INK, FAINT, PATH = "#222222", "#8a8f98", "#d55e00"
METHODS = (  # colours of Okabe & Ito, safe for colour-blind readers
    ("mc", "Monte Carlo, first visit", "o", "#0072b2"),
    ("td0_small", f"TD(0), step {SMALL_STEP:g}", "v", "#e69f00"),
    ("td0_large", f"TD(0), step {LARGE_STEP:g}", "^", "#009e73"),
)


def draw_graph(path: str | os.PathLike[str]) -> None:
    """Save a figure of the graph with its exact values and of all estimates; the suffix selects the format."""
    from matplotlib.figure import Figure

    values = graph_values()
    figure = Figure(figsize=(12.0, 5.4), dpi=150, layout="constrained")
    graph, estimates = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    _draw_states(graph, values)
    _draw_estimates(estimates, values)
    figure.savefig(path)


def _draw_states(axes: "Axes", values: GraphValues) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Circle

    best = set(pairwise(best_path(values.dp)))
    for (source, target), probability in EDGES.items():
        colour, width = (PATH, 2.6) if (source, target) in best else (FAINT, 1.2 + probability)
        if source == target:
            _draw_loop(axes, source, probability)
        else:
            _draw_edge(axes, source, target, probability, colour, width)
    shade = colormaps["Blues"]
    for name, v in zip(STATES, values.dp, strict=True):
        x, y = PLACES[name]
        axes.add_patch(Circle((x, y), RADIUS, facecolor=shade(0.08 - 0.14 * v), edgecolor=INK, linewidth=1.4, zorder=3))
        axes.text(x, y + 0.13, f"$s_{name[1]}$", ha="center", va="center", fontsize=14, color=INK, zorder=4)
        axes.text(
            x, y - 0.17, f"{v:.3f}".replace("-", "−"), ha="center", va="center", fontsize=10.5, color=INK, zorder=4
        )
    axes.text(5.2, -0.72, "end", ha="center", va="center", fontsize=10.5, color=INK)
    axes.set_title("Transition probabilities and exact values", fontsize=12.5, loc="left", color=INK)
    axes.text(
        0.0, -0.02, "Each step from $s_1$ to $s_5$ costs 1.\nOrange: the path of highest values.",
        transform=axes.transAxes, fontsize=10, color=INK, va="bottom",
    )  # fmt: skip
    axes.set(xlim=(-0.6, 5.8), ylim=(-3.7, 3.1), aspect="equal")
    axes.set_axis_off()


def _draw_edge(axes: "Axes", source: str, target: str, probability: float, colour: str, width: float) -> None:
    (x0, y0), (x1, y1) = PLACES[source], PLACES[target]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    dx, dy = (x1 - x0) / length * RADIUS, (y1 - y0) / length * RADIUS
    axes.annotate(
        "", xy=(x1 - dx, y1 - dy), xytext=(x0 + dx, y0 + dy),
        arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 1, "shrinkB": 2,
                    "mutation_scale": 16},
    )  # fmt: skip
    _label(axes, 0.5 * (x0 + x1), 0.5 * (y0 + y1), probability, colour)


def _draw_loop(axes: "Axes", state: str, probability: float) -> None:
    x, y = PLACES[state]
    side = 1.0 if y > 0 else -1.0
    foot = y + side * 0.42
    axes.annotate(
        "", xy=(x + 0.24, foot), xytext=(x - 0.24, foot),
        arrowprops={"arrowstyle": "-|>", "color": FAINT, "linewidth": 1.2 + probability, "mutation_scale": 16,
                    "connectionstyle": f"arc3,rad={-1.9 * side}", "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    _label(axes, x + 0.62, y + side * 0.72, probability, FAINT)


def _label(axes: "Axes", x: float, y: float, probability: float, colour: str) -> None:
    axes.text(
        x, y, f"{probability:g}", ha="center", va="center", fontsize=10.5, zorder=5,
        color=INK if colour == FAINT else colour, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def _draw_estimates(axes: "Axes", values: GraphValues) -> None:
    rows = range(len(STATES))
    for row in rows:
        axes.axhline(row, color="#e6e8eb", linewidth=1.0, zorder=0)
    for row, v in enumerate(values.dp):
        exact = "DP, exact" if row == 0 else None
        axes.plot([v, v], [row - 0.36, row + 0.36], color=INK, linewidth=3.0, zorder=1, label=exact)
    for offset, (field, label, marker, colour) in zip((-0.2, 0.0, 0.2), METHODS, strict=True):
        v = getattr(values, field)
        axes.plot(v, [row + offset for row in rows], marker, color=colour, markersize=8, label=label)
    axes.set_yticks(list(rows), [f"$s_{name[1]}$" for name in STATES], fontsize=13)
    axes.set(ylim=(5.6, -0.6), xlim=(-3.25, 0.25))
    axes.set_xlabel("value", fontsize=11)
    axes.set_title("Four episodes, four estimates", fontsize=12.5, loc="left", color=INK)
    axes.legend(loc="lower left", fontsize=10, frameon=True, facecolor="white", framealpha=1.0, edgecolor="#d0d3d8")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
