"""The learning curve of a run, drawn from its metrics.csv."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from maxent.errors import UserError
from maxent.runs.files import is_taken, replacing
from maxent.runs.table import read_table
from maxent.statistics import mean_interval
from maxent.view.colours import BAND, LIGHT
from maxent.view.readings import tick

WIDTH, HEIGHT = 9.0, 5.6  # inches; shown at 100 pixels per inch, 900 x 560
LEFT = 0.115  # of the width, where axes and title begin
LARGEST = 1e100  # numbers beyond, which axes cannot show, are left out as unknown ones are
INK, GREY, PALE, BLUE = LIGHT.ink, LIGHT.muted, LIGHT.training, LIGHT.series[0]


def read_metrics(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a metrics.csv as float64 arrays [T], NaN for empty cells; skip an incomplete last row."""
    if not is_taken(path):
        raise UserError(f"{path} does not exist: expected the metrics.csv of a run.")
    columns = read_table(path)
    if next(iter(columns)) != "step":
        raise UserError(f"{path} is not a metrics file: expected the first column 'step'.")
    return columns


def draw_curve(csv_path: Path, png_path: Path, title: str, *, confidence: float = 0.95, dpi: int = 200) -> None:
    """Draw the return over the steps of a run with P members.

    Bold: the mean evaluation return over members. Band: Student's t-interval of that mean over members, at each
    evaluation by itself (`statistics.mean_interval`); omitted for one member. Thin: each member. Pale: the mean
    training return, with sampled actions instead of the mode. A run without evaluations shows its training return.

    The picture is 9 x 5.6 inches, designed for 900 x 560 pixels; the default `dpi` is for screens of double density.
    Drawing uses its own canvas and does not touch pyplot or the selected backend.
    """
    columns = read_metrics(csv_path)
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=dpi, facecolor="white", layout=None)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((LEFT, 0.115, 0.965 - LEFT, 0.745))
    _furnish(axes)
    figure.text(LEFT, 0.945, title, fontsize=15, fontweight="bold", color=INK, va="center")
    evaluation, training = _known(columns, "eval/mean_reward"), _known(columns, "rollout/ep_rew_mean")
    if len(evaluation[0]):
        if len(training[0]):
            label = "training" if training[1].shape[1] == 1 else "training, mean"
            axes.plot(training[0], training[1].mean(axis=1), color=PALE, lw=1.5, label=label, zorder=2.5)
        subtitle = _draw_members(axes, *evaluation, "evaluation", confidence)
    elif len(training[0]):
        subtitle = _draw_members(axes, *training, "training", confidence)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        subtitle = "no episode has finished yet"
    figure.text(LEFT, 0.897, subtitle, fontsize=11, color=GREY, va="center")
    _save(canvas, png_path, dpi)


def _known(columns: dict[str, np.ndarray], tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps [T] at which all members have a value, and the values [T, P]."""
    members = [name for name in columns if name.startswith(f"{tag}/")] or [tag]
    values = np.stack([columns.get(name, np.full(len(columns["step"]), np.nan)) for name in members], axis=1)
    steps = columns["step"]
    known = (np.abs(values) < LARGEST).all(axis=1) & (steps >= 0) & (steps < LARGEST)  # false for NaN
    return steps[known], values[known]


def _draw_members(axes: Axes, steps: np.ndarray, values: np.ndarray, name: str, confidence: float) -> str:
    """Draw the members, their mean and its interval; return the subtitle."""
    members = values.shape[1]
    mean = values.mean(axis=1)  # [T]
    style: dict[str, Any] = {"marker": "o", "markersize": 4} if len(steps) < 3 else {}
    if members == 1:
        axes.plot(steps, mean, color=BLUE, lw=2.2, label=name, zorder=4, **style)
        _limit(axes, values, mean, mean)
        return f"{name.capitalize()} return of one seed"
    interval = mean_interval(values.T, confidence)
    percent = f"{100 * confidence:g} %"
    axes.fill_between(
        steps, interval.low, interval.high, color=BLUE, alpha=BAND, lw=0, label=f"{percent} interval", zorder=2
    )
    for member in range(members):
        label = f"{name}, each seed" if member == 0 else None
        axes.plot(steps, values[:, member], color=BLUE, lw=0.8, alpha=0.4, label=label, zorder=3)
    axes.plot(steps, mean, color=BLUE, lw=2.4, label=f"{name}, mean", zorder=4, **style)
    _limit(axes, values, interval.low, interval.high)
    return f"{name.capitalize()} return: mean of {members} seeds with its {percent} t-interval"


def _limit(axes: Axes, values: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Set the vertical limits: all lines, and the band up to half their range around them; two seeds make it huge."""
    lines = [values, *(np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.get_lines())]
    bottom, top = min(float(line.min()) for line in lines), max(float(line.max()) for line in lines)
    span = (top - bottom) or max(abs(top), 1.0)
    bottom, top = min(bottom, max(low.min(), bottom - span / 2)), max(top, min(high.max(), top + span / 2))
    margin = 0.05 * ((top - bottom) or span)
    axes.set_ylim(bottom - margin, top + margin)


def _furnish(axes: Axes) -> None:
    """Style the axes: horizontal grid, labels, no box."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(axis="y", color=LIGHT.rule, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, labelsize=11, length=0, pad=6)
    axes.set_xlabel("environment steps per seed", fontsize=11.5, color=INK, labelpad=6)
    axes.set_ylabel("return per episode", fontsize=11.5, color=INK)
    axes.yaxis.set_label_coords(-0.095, 0.5)
    axes.xaxis.set_major_formatter(lambda value, _: tick(value, 1e3))
    axes.yaxis.set_major_formatter(lambda value, _: tick(value, 1e5))


def _save(canvas: FigureCanvasAgg, path: Path, dpi: int) -> None:
    """Write the picture, completely or not at all, with the legend where it covers least."""
    axes = canvas.figure.axes[0]
    if axes.get_lines():
        last = max(float(np.max(line.get_xdata())) for line in axes.get_lines())
        axes.set_xlim(0, 1.01 * last)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="best", frameon=False, fontsize=10.5, labelcolor=INK)
    with replacing(path) as temporary:
        canvas.figure.savefig(temporary, dpi=dpi, format="png")
