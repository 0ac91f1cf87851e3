"""Figures of a comparison for papers: vector graphics with embedded fonts, as wide as a column or a page."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import NullFormatter

from maxent.errors import UserError
from maxent.results.comparison import Comparison
from maxent.results.series import band, common_thresholds, profiles
from maxent.results.verdict import best
from maxent.runs.files import replacing
from maxent.statistics import Estimate
from maxent.view.colours import BAND, LIGHT
from maxent.view.readings import tick

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches of a column and of the text of a page of two columns."""
INK, GREY, PALE, COLOURS = LIGHT.ink, LIGHT.muted, LIGHT.rule, LIGHT.series
STYLES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
MARKERS = "osD^vPX"
FONTS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "maxent",
}
"""TrueType in PDF and outlines in SVG: a page needs no font that is not in the file."""
MOST_ENVS = 4
"""Environments up to which each has panels of its own for scores; a common scale makes one panel of all."""
MOST_PAIRS = 4
LEGEND_ROW = 0.15
"""Height in inches of a row of the legend."""
DPI = 300
FAR = 5
"""Ratio of the longest to the shortest time from which minutes are drawn on a logarithmic axis."""


def draw_comparison(comparison: Comparison, path: Path, panels: Sequence[str]) -> None:
    """Draw panels of a comparison into a PNG, SVG or PDF file: steps, minutes, profile, intervals, improvement.

    Learning curves are interquartile means with 95 % bootstrap bands over seeds. A setting keeps its colour, its line
    style and its marker in all panels, so it is told apart in greyscale too.
    """
    with mpl.rc_context(FONTS):
        jobs = _jobs(comparison, panels)
        if not jobs:
            raise UserError(f"--panels: {', '.join(panels)} cannot be drawn of this comparison; choose steps.")
        columns = 1 if len(jobs) == 1 else 2 if len(jobs) <= 12 else 4
        rows = -(-len(jobs) // columns)
        width = COLUMN if len(jobs) == 1 else PAGE
        names, legend_columns = _legend_names(comparison.groups, width)
        legend = LEGEND_ROW * -(-len(names) // legend_columns)
        height = rows * (2.3 if columns < 4 else 1.6) + 0.2 + legend
        figure = Figure(figsize=(width, height), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for number, (place, job) in enumerate(zip(axes, jobs, strict=False)):
            _furnish(place)
            job(place)
            if columns == 4 and number % columns:  # small panels share the label of their row
                place.set_ylabel("")
        for place in axes[len(jobs) :]:
            place.remove()
        _legend(figure, comparison, names, legend_columns)
        for text in figure.findobj(Text):
            text.set_parse_math(False)  # names of strangers are no formulas
        kind = path.suffix.lower().removeprefix(".")
        metadata: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        with replacing(path) as temporary:
            canvas.print_figure(temporary, format=kind, dpi=DPI, metadata=metadata)


def _jobs(comparison: Comparison, panels: Sequence[str]) -> list[Callable[[Axes], None]]:
    """Return a function for each panel, which draws it into its axes."""
    jobs: list[Callable[[Axes], None]] = []
    envs = list(comparison.at)
    for panel in dict.fromkeys(panels):
        if panel == "steps":
            jobs += [partial(_curves, comparison=comparison, env=env, minutes=False) for env in envs]
        elif panel == "minutes":
            timed = [
                env
                for env in envs
                if any(
                    band(one, minutes=True, lowest=comparison.lowest[env]) is not None
                    for one in comparison.curves[env].values()
                )
            ]
            jobs += [partial(_curves, comparison=comparison, env=env, minutes=True) for env in timed]
        elif panel == "improvement":
            if comparison.pairs:
                jobs.append(partial(_improvement, comparison=comparison))
        elif comparison.totals or len(envs) <= MOST_ENVS:
            draw = _profile if panel == "profile" else _intervals
            jobs += [partial(draw, comparison=comparison, title=title) for title in profiles(comparison)]
    return jobs


def _style(comparison: Comparison, group: str) -> dict[str, Any]:
    """Return colour, line style and marker of a setting."""
    place = comparison.groups.index(group)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": STYLES[place % len(STYLES)],
        "marker": MARKERS[place % len(MARKERS)],
    }


def _curves(axes: Axes, comparison: Comparison, env: str, *, minutes: bool) -> None:
    """Draw learning curves, and the step of comparison as a thin line."""
    for order, (group, curves) in enumerate(comparison.curves[env].items()):
        found = band(curves, minutes=minutes, lowest=comparison.lowest[env])
        if found is None:
            continue
        style = _style(comparison, group)
        if len(found.axis) > 1 and not np.isnan(found.iqm.low).all():
            axes.fill_between(found.axis, found.iqm.low, found.iqm.high, color=style["color"], alpha=BAND, lw=0)
        every = max(1, len(found.axis) // 6)
        axes.plot(found.axis, found.iqm.value, lw=1.3, ms=3, markevery=(order % every, every), **style)
    if minutes == (comparison.unit == "minutes"):
        axes.axvline(comparison.at[env], color=GREY, lw=0.6, ls=(0, (1, 2)), zorder=1)
    axes.set_title(env, fontsize=8, color=INK, loc="left")
    axes.set_xlabel("minutes" if minutes else "environment steps")
    axes.set_ylabel("return, IQM of seeds")
    ends = [float(np.max(line.get_xdata())) for line in axes.get_lines() if len(np.unique(line.get_xdata())) > 1]
    if minutes and ends and max(ends) > FAR * min(ends):
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: tick(value, 1e3))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: tick(value, 1e5))


def _profile(axes: Axes, comparison: Comparison, title: str) -> None:
    """Draw the share of runs above each score."""
    found = profiles(comparison)[title]
    thresholds = common_thresholds(found.values())
    for group, profile in found.items():
        style = _style(comparison, group)
        shares = profile.at(thresholds)
        if not np.isnan(shares.low).all():
            axes.fill_between(thresholds, shares.low, shares.high, color=style["color"], alpha=BAND, lw=0)
        axes.plot(thresholds, shares.value, lw=1.3, color=style["color"], linestyle=style["linestyle"])
    axes.set_title(title, fontsize=8, color=INK, loc="left")
    axes.set_xlabel(f"{_score(comparison)} τ")
    axes.set_ylabel("share of runs above τ")
    axes.set_ylim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(lambda value, _: tick(value, 1e4))


def _intervals(axes: Axes, comparison: Comparison, title: str) -> None:
    """Draw the interquartile mean of each setting with its interval."""
    estimates: dict[str, Estimate] = {total.group: total.iqm for total in comparison.totals}
    if not comparison.totals:
        estimates = {cell.group: cell.iqm for cell in comparison.cells if cell.env == title}
    for place, (group, estimate) in enumerate(estimates.items()):
        style = _style(comparison, group)
        axes.plot(
            [estimate.low, estimate.high], [place, place], color=style["color"], lw=4, alpha=0.3, solid_capstyle="butt"
        )
        axes.plot([estimate.value], [place], style["marker"], color=style["color"], ms=4)
    axes.set_yticks(range(len(estimates)), [_cut(group) for group in estimates])
    axes.set_ylim(len(estimates) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=PALE, lw=0.6)
    axes.set_title(title, fontsize=8, color=INK, loc="left")
    axes.set_xlabel(f"{_score(comparison)}, IQM with 95 % interval")
    axes.xaxis.set_major_formatter(lambda value, _: tick(value, 1e4))


def _improvement(axes: Axes, comparison: Comparison) -> None:
    """Draw the probability of improvement of each pair; of many pairs those of the best setting."""
    pairs, top = comparison.pairs, best(comparison)
    names = [f"{_cut(pair.better)} >\n{_cut(pair.worse)}" for pair in pairs]
    axes.set_xlabel("probability of improvement")
    ends = [np.array([pair.probability.low, pair.probability.value, pair.probability.high]) for pair in pairs]
    if len(pairs) > MOST_PAIRS:
        of_best = [place for place, pair in enumerate(pairs) if top in (pair.better, pair.worse)]
        names = [pairs[place].worse if pairs[place].better == top else pairs[place].better for place in of_best]
        turned = {place for place in of_best if pairs[place].worse == top}
        ends = [1 - ends[place][::-1] if place in turned else ends[place] for place in of_best]
        axes.set_title(f"{_cut(top)} better than …", fontsize=8, color=INK, loc="left")
        names = [_cut(name) for name in names]
    elif len({pair.envs for pair in pairs}) == 1 and len(pairs[0].envs) == 1:
        axes.set_title(pairs[0].envs[0], fontsize=8, color=INK, loc="left")
    for place, (low, value, high) in enumerate(ends):
        axes.plot([low, high], [place, place], color=INK, lw=4, alpha=0.25, solid_capstyle="butt")
        axes.plot([value], [place], "o", color=INK, ms=4)
    axes.axvline(0.5, color=GREY, lw=0.8, ls=(0, (3, 2)))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-0.03, 1.03)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=PALE, lw=0.6)


def _score(comparison: Comparison) -> str:
    return "return" if comparison.scale is None else "normalised score"


def _cut(label: str, most: int = 22) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def _legend_names(groups: Sequence[str], width: float) -> tuple[list[str], int]:
    """Return the names in the legend, shorter in a narrow figure with many, and the columns that fit into its width."""
    names = [_cut(group, 40 if width > COLUMN or len(groups) <= 6 else 22) for group in groups]
    font = FontProperties(family=FONTS["font.family"], size=FONTS["font.size"])
    widths = [text_to_path.get_text_width_height_descent(name, font, ismath=False)[0] for name in names]
    each = max(widths) + 5 * FONTS["font.size"]  # in points, with the handle and the gaps
    rows = -(-len(names) // max(1, int(72 * width / each)))
    return names, -(-len(names) // rows)


def _legend(figure: Figure, comparison: Comparison, names: Sequence[str], columns: int) -> None:
    """Draw one legend above all panels."""
    lines = [mpl.lines.Line2D([], [], lw=1.3, ms=3, **_style(comparison, group)) for group in comparison.groups]
    figure.legend(
        lines, names, loc="outside upper left", ncols=columns, frameon=False,
        handlelength=2.6, labelspacing=0.3, columnspacing=1.2, borderpad=0.2, labelcolor=INK,
    )  # fmt: skip


def _furnish(axes: Axes) -> None:
    """Style the axes: horizontal grid, no box."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(axis="y", color=PALE, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, length=0, pad=3)
