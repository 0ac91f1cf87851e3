"""Figure of a policy in the four-goal task, after Haarnoja et al. 2017 (1702.08165), section 5.1.

Paths over the level sets of a value on the plane, and next to them the level sets of Q(s, ·) over the square of
actions at a few states. Works on arrays alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from maxent.view.curve import BLUE, GREY, INK

WIDTH, HEIGHT = 10.4, 7.4  # inches; shown at 100 pixels per inch, 1040 x 740
LEFT, BOTTOM = 0.065, 0.08  # lower left corner of the plane, as shares of width and height
SIDE = 0.8  # side of the plane, as a share of the height
SMALL, STEP = 0.212, 0.277  # side of a panel and distance between panels, as shares of the height
GOAL = "#b5432e"
LEVELS = 14


@final
@dataclass(frozen=True, eq=False)
class Grid:
    """A function on a rectangle: values [Y, X] at the grid points of x [X] and y [Y], both increasing."""

    x: NDArray[Any]
    y: NDArray[Any]
    values: NDArray[Any]

    def __post_init__(self) -> None:
        shape = (len(self.y), len(self.x))
        if np.shape(self.values) != shape:
            raise ValueError(f"Grid: expected values [Y, X] = {list(shape)}, got {list(np.shape(self.values))}.")


@final
@dataclass(frozen=True, eq=False)
class QPanel:
    """Q(s, ·) at one state s [2] on a grid of actions, and sampled actions [n, 2] of the policy."""

    state: NDArray[Any]
    q: Grid
    actions: NDArray[Any]


def goals_reached(ends: NDArray[Any], goals: NDArray[Any], radius: float) -> NDArray[np.int64]:
    """Return the index of the goal that contains each last position, -1 for none.   ends [n, 2], goals [G, 2] → [n]"""
    squared = np.square(np.asarray(ends)[:, None, :] - goals).sum(axis=-1)  # [n, G]
    index: NDArray[np.int64] = np.where(squared.min(axis=-1) < radius**2, squared.argmin(axis=-1), -1)
    return index


def draw(
    path: Path,
    trajectories: Sequence[NDArray[Any]],
    goals: NDArray[Any],
    value_grid: Grid,
    q_panels: Sequence[QPanel],
    title: str,
    *,
    radius: float = 1.0,
    value_name: str = "value",
    shown: int | None = None,
    dpi: int = 200,
) -> None:
    """Draw paths over the plane, and the policy's actions at a few states, and write them to a PNG.

    Args:
        path: the PNG; it is written to a temporary file and renamed.
        trajectories: one array of positions [T + 1, 2] for each episode.
        goals: the centres [G, 2], labelled with the share of all episodes that end within `radius`.
        value_grid: the value over the plane; its grid sets the limits.
        q_panels: up to three states, numbered in the plane.
        title: the title.
        radius: radius of a goal.
        value_name: name of the value on the plane, for the subtitle.
        shown: draw the first of the paths only; the shares are those of all.
        dpi: pixels per inch of 10.4 x 7.4 inches; the default is for screens of double density.
    """
    if not trajectories:
        raise ValueError("draw: expected at least one trajectory, got none.")
    if not 1 <= len(q_panels) <= 3:
        raise ValueError(f"draw: expected one to three panels, got {len(q_panels)}.")
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=dpi, facecolor="white", layout=None)
    canvas = FigureCanvasAgg(figure)
    plane = figure.add_axes((LEFT, BOTTOM, SIDE * HEIGHT / WIDTH, SIDE))
    reached = goals_reached(np.stack([way[-1] for way in trajectories]), goals, radius)
    ways = trajectories[:shown]
    _draw_plane(plane, ways, goals, reached, value_grid, radius)
    for number, panel in enumerate(q_panels, start=1):
        plane.plot(*panel.state, "s", color="white", markeredgecolor=INK, markersize=14, zorder=6)
        plane.annotate(
            str(number),
            (float(panel.state[0]), float(panel.state[1])),
            ha="center",
            va="center_baseline",
            fontsize=10,
            color=INK,
            zorder=7,
        )
        bottom = BOTTOM + SIDE - 0.034 - SMALL - (number - 1) * STEP
        axes = figure.add_axes((0.735, bottom, SMALL * HEIGHT / WIDTH, SMALL))
        _draw_actions(axes, panel, number, last=number == len(q_panels))
    figure.text(LEFT, 0.955, title, fontsize=15, fontweight="bold", color=INK, va="center")
    count = f"{len(ways):,} paths" if len(ways) > 1 else "One path"
    of_all = f" of all {len(trajectories):,}" if len(ways) < len(trajectories) else ""
    arrived = f"{_percent(reached >= 0)}{of_all} reach a goal, shares at the goals"
    figure.text(LEFT, 0.914, f"{count} over the {value_name}; {arrived}", fontsize=11, color=GREY, va="center")
    aside = path.with_name(path.name + ".tmp")
    canvas.figure.savefig(aside, dpi=dpi, format="png")
    aside.replace(path)


def _draw_plane(
    axes: Axes,
    trajectories: Sequence[NDArray[Any]],
    goals: NDArray[Any],
    reached: NDArray[np.int64],
    value: Grid,
    radius: float,
) -> None:
    """Draw level sets, paths and goals."""
    axes.contourf(value.x, value.y, value.values, levels=LEVELS, cmap="Greys", alpha=0.28, zorder=0)
    axes.contour(
        value.x,
        value.y,
        value.values,
        levels=LEVELS,
        colors=GREY,
        linewidths=0.5,
        linestyles="solid",
        alpha=0.45,
        zorder=1,
    )
    strength = max(0.15, min(0.8, 12.0 / len(trajectories)))
    for way in trajectories:
        axes.plot(way[:, 0], way[:, 1], color=BLUE, lw=1.2, alpha=strength, zorder=3)
        axes.plot(*way[-1], "o", color=BLUE, markersize=3, alpha=strength, zorder=3)
    middle = goals.mean(axis=0)
    for index, goal in enumerate(goals):
        axes.add_patch(Circle((float(goal[0]), float(goal[1])), radius, facecolor=GOAL, alpha=0.16, lw=0, zorder=2))
        axes.plot(*goal, "o", color=GOAL, markersize=6, zorder=4)
        outward = goal - middle
        x, y = goal + outward / max(float(np.linalg.norm(outward)), 1e-9) * (radius + 0.45)
        label = axes.text(float(x), float(y), _percent(reached == index), ha="center", va="center", zorder=5)
        label.set(fontsize=10.5, fontweight="bold", color=GOAL)
    axes.set(xlim=(value.x[0], value.x[-1]), ylim=(value.y[0], value.y[-1]))
    _style(axes)
    axes.set_xlabel("position x", fontsize=11, color=INK)
    axes.set_ylabel("position y", fontsize=11, color=INK)


def _draw_actions(axes: Axes, panel: QPanel, number: int, *, last: bool) -> None:
    """Draw Q over the actions at one state, and sampled actions."""
    q = panel.q
    axes.contourf(q.x, q.y, q.values, levels=LEVELS, cmap="Greys", alpha=0.28, zorder=0)
    axes.contour(
        q.x, q.y, q.values, levels=LEVELS, colors=GREY, linewidths=0.5, linestyles="solid", alpha=0.45, zorder=1
    )
    axes.plot(panel.actions[:, 0], panel.actions[:, 1], "o", color=BLUE, markersize=3, alpha=0.55, mew=0, zorder=3)
    axes.set(xlim=(q.x[0], q.x[-1]), ylim=(q.y[0], q.y[-1]))
    _style(axes)
    place = ", ".join(f"{value:g}" for value in panel.state).replace("-", "\N{MINUS SIGN}")
    axes.set_title(f"{number}   Q(s, ·) at s = ({place})", fontsize=10.5, color=INK, loc="left", pad=5)
    axes.set_ylabel("action y", fontsize=10, color=INK, labelpad=2)
    if last:
        axes.set_xlabel("action x", fontsize=10, color=INK, labelpad=2)
    else:
        axes.tick_params(labelbottom=False)


def _percent(hits: NDArray[np.bool_]) -> str:
    """Return the share of True as text.   hits [n]"""
    return f"{100 * hits.mean():.0f} %"


def _style(axes: Axes) -> None:
    """Set an equal aspect ratio and grey ticks."""
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_color("#c9c9c9")
    axes.tick_params(colors=GREY, labelsize=9.5, length=0, pad=4)
