"""Figures as inline SVG that need no script: they scale with the page, and their text does not.

The element is the area of the lines; labels are outside of it, in the margins that the page's style gives it. Lines
are in a nested SVG that is stretched to the width at hand, with strokes that keep their width; text is placed by
percentages and keeps its size. Colours come from the page's style: `series-0`, …, `series-training`.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from maxent.errors import printable
from maxent.page.charts import AXES, Chart, Entry
from maxent.page.scales import Scale
from maxent.page.thinning import thin
from maxent.results.metrics import Array
from maxent.view.readings import number, tick

HEIGHT = 236  # pixels of the area
UNITS = 1_000  # of the stretched part, in both directions
POINTS = 300  # most points of one line


def chart_svg(chart: Chart, axis: str = "steps") -> str:
    """Return a chart as an SVG element with a title and a description for screen readers."""
    across, up = chart.x_scale(axis), chart.y_scale()
    marks = across.ticks(5)
    bands = "".join(_band(entry, axis, across, up) for entry in chart.entries if entry.details and chart.bands)
    seeds = "".join(_seeds(entry, axis, across, up) for entry in chart.entries if entry.details and chart.seeds)
    means = "".join(
        _line(entry.block.x[axis], entry.block.columns["mean"], across, up, f"mean {_class(entry)}", entry.dash)
        for entry in chart.entries
    )
    return frame(
        bands + seeds + means,
        "".join(_x_label(value, text, across) for value, text in zip(marks, labels(marks), strict=True)),
        up=up,
        x_label=AXES[axis],
        title=chart.title,
        description=description(chart),
    )


def frame(inside: str, x_texts: str, *, up: Scale, x_label: str, title: str, description: str) -> str:
    """Return axes, grid and labels around what is drawn in units of 0 to 1,000 in both directions, down from the top.

    `x_texts` are the labels below the area, as SVG.
    """
    marks = up.ticks()
    rows = [
        (_percent(1 - float(up.place(np.array(value)))), text) for value, text in zip(marks, labels(marks), strict=True)
    ]
    grid = "".join(f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>' for y, _ in rows)
    y_texts = "".join(f'<text x="-8" y="{y}" dy="0.32em" text-anchor="end">{escape(text)}</text>' for y, text in rows)
    return (
        f'<svg class="chart" role="img" height="{HEIGHT}" aria-label="{escape(printable(f"{title}. {description}"))}">'
        f"{grid}{y_texts}"
        f'<line class="base" x1="0" x2="100%" y1="100%" y2="100%"/>{x_texts}'
        f'<text x="50%" y="{HEIGHT + 36}" text-anchor="middle">{escape(x_label)}</text>'
        f'<svg width="100%" height="100%" viewBox="0 0 {UNITS} {UNITS}" preserveAspectRatio="none">{inside}</svg></svg>'
    )


def _x_label(value: float, label: str, across: Scale) -> str:
    """Return the label of a tick below the area; near the right border it ends there, so that it is not cut off."""
    place = float(across.place(np.array(value)))
    anchor = "end" if place > 0.97 else "middle"
    return f'<text x="{_percent(place)}" y="{HEIGHT + 18}" text-anchor="{anchor}">{escape(label)}</text>'


def description(chart: Chart) -> str:
    """Return the first, last, smallest and largest mean of each entry, in words."""
    texts = []
    for entry in chart.entries:
        values = entry.block.columns["mean"]
        known = values[np.isfinite(values)]
        if len(known):
            texts.append(
                f"{entry.label}: from {number(known[0])} to {number(known[-1])}, "
                f"smallest {number(known.min())}, largest {number(known.max())}."
            )
    return " ".join(texts)


def labels(marks: Sequence[float]) -> list[str]:
    """Return the labels of the ticks of an axis: all in thousands where the largest has five digits or more."""
    short = 1e3 if max(map(abs, marks), default=0.0) >= 1e4 else 1e6
    return [_label(value, short) for value in marks]


def _label(value: float, short: float) -> str:
    """Return the label of a tick; in scientific notation where it is tiny."""
    if 0 < abs(value) < 1e-3:
        return f"{value:.0e}".replace("e-0", "e-").replace("-", "\N{MINUS SIGN}")
    return tick(value, short)


def _class(entry: Entry) -> str:
    return f"series-{entry.colour}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _places(x: Array, y: Array, across: Scale, up: Scale) -> tuple[Array, Array]:
    """Return the points of a line in units, those that are known and thinned. [n], [n]"""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    kept = thin(y[:, None], POINTS)
    right = np.rint(UNITS * across.place(x[kept]))
    down = np.rint(UNITS * np.clip(1 - up.place(y[kept]), -1.0, 2.0))
    return right, down


def _path(right: Array, down: Array) -> str:
    return "M" + "L".join(f"{int(a)},{int(b)}" for a, b in zip(right, down, strict=True))


def _line(x: Array, y: Array, across: Scale, up: Scale, kind: str, dash: tuple[int, ...] = ()) -> str:
    """Return one line; a single point is a dot."""
    right, down = _places(x, y, across, up)
    if not len(right):
        return ""
    dashes = f' stroke-dasharray="{" ".join(map(str, dash))}"' if dash else ""
    path = _path(right, down) + ("h0" if len(right) == 1 else "")
    return f'<path class="line {kind}"{dashes} d="{path}"/>'


def _seeds(entry: Entry, axis: str, across: Scale, up: Scale) -> str:
    block = entry.block
    return "".join(
        _line(block.x[axis], block.columns[name], across, up, f"seed {_class(entry)}") for name in block.seeds
    )


def _band(entry: Entry, axis: str, across: Scale, up: Scale) -> str:
    """Return the band of the interval: along its low end, and back along its high end."""
    block = entry.block
    if "low" not in block.columns:
        return ""
    low, high, x = block.columns["low"], block.columns["high"], block.x[axis]
    known = np.isfinite(low) & np.isfinite(high) & np.isfinite(x)
    if known.sum() < 2:
        return ""
    rows = np.flatnonzero(known)
    rows = rows[thin(np.column_stack([low[rows], high[rows]]), POINTS)]
    right = np.rint(UNITS * across.place(x[rows]))
    bottom, top = (np.rint(UNITS * np.clip(1 - up.place(end[rows]), -1.0, 2.0)) for end in (low, high))
    path = _path(np.concatenate([right, right[::-1]]), np.concatenate([bottom, top[::-1]]))
    return f'<path class="band {_class(entry)}" d="{path}Z"/>'
