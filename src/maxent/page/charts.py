"""The curves of runs as data: which lines a figure has, and their points."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from maxent.page.scales import Scale, scale_of, wants_log
from maxent.page.thinning import thin
from maxent.results.metrics import Array, Metrics
from maxent.statistics import mean_interval

AXES = {"steps": "environment steps per seed", "minutes": "minutes", "updates": "updates"}
"""The horizontal axes, and their labels."""

MOST_SEEDS = 12
"""Most seeds that are shown one by one; of more, the mean and its interval are."""

CELLS = 50_000
"""Numbers of a page: the more lines it has, the fewer rows of each it keeps."""
FEWEST, MOST = 40, 1_000
"""Rows that a block keeps at least where it has them, and at most."""


@final
@dataclass(frozen=True)
class Block:
    """A metric of a run, thinned: what its lines are drawn from and the CSV file of the page holds.

    Args:
        run: name of the run.
        tag: the metric.
        x: places of the rows on each axis, each [t].
        columns: `mean`, with several members `low` and `high` of the interval of the mean, and `seed S`, each [t].
        rows: rows before thinning.
    """

    run: str
    tag: str
    x: Mapping[str, Array]
    columns: Mapping[str, Array]
    rows: int

    @property
    def seeds(self) -> tuple[str, ...]:
        """The columns of single members."""
        return tuple(name for name in self.columns if name.startswith("seed "))


@final
@dataclass(frozen=True)
class Entry:
    """An entry of a legend: a block with its label, its place among the colours or `training`, and whether dashed."""

    block: Block
    label: str
    colour: int | str = 0
    dash: tuple[int, ...] = ()
    details: bool = True  # whether the band and the seeds are drawn

    def to_plain(self) -> dict[str, Any]:
        """Return what the script needs to draw it from the CSV file."""
        band = self.details and "low" in self.block.columns
        return {
            "run": self.block.run,
            "tag": self.block.tag,
            "label": self.label,
            "colour": self.colour,
            "dash": list(self.dash),
            "band": band,
            "seeds": list(self.block.seeds) if self.details else [],
        }


@final
@dataclass(frozen=True)
class Chart:
    """A figure of curves over a common axis.

    Args:
        key: a name that is unique on the page.
        title: its heading.
        about: what it shows, in one or two sentences.
        y_label: what the vertical axis is.
        entries: its lines.
        seeds: whether seeds are shown before anyone asks for them.
        bands: whether bands are.
        shared: the vertical scale, where figures have the same one.
        decades: whether the scale may be logarithmic, where positive values span several decades.
    """

    key: str
    title: str
    about: str
    y_label: str
    entries: tuple[Entry, ...]
    seeds: bool = True
    bands: bool = True
    shared: Scale | None = None
    decades: bool = False

    @property
    def log(self) -> bool:
        """Whether the vertical axis is logarithmic."""
        if self.shared is not None:
            return self.shared.log
        if not self.decades:
            return False
        return wants_log(np.concatenate([values for entry in self.entries for values in self._lines(entry)]))

    def _lines(self, entry: Entry) -> list[Array]:
        """Return the lines of an entry that are drawn, without the band."""
        block = entry.block
        return [block.columns["mean"], *(block.columns[name] for name in block.seeds if entry.details and self.seeds)]

    def x_scale(self, axis: str) -> Scale:
        """Return the horizontal scale: from 0 to the last point."""
        known = np.concatenate([entry.block.x[axis] for entry in self.entries])
        known = known[np.isfinite(known)]
        return Scale(0.0, float(known.max()) if len(known) and known.max() > 0 else 1.0)

    def y_scale(self) -> Scale:
        """Return the vertical scale: all lines, and bands up to half the range of the lines around them."""
        if self.shared is not None:
            return self.shared
        lines = np.concatenate([values for entry in self.entries for values in self._lines(entry)])
        lines = lines[np.isfinite(lines)]
        if self.log or not len(lines):
            return scale_of(lines, log=self.log)
        span = float(lines.max() - lines.min())
        low, high = float(lines.min()) - span / 2, float(lines.max()) + span / 2
        return scale_of(np.concatenate([lines, *(np.clip(end, low, high) for end in self._band_ends())]))

    def _band_ends(self) -> list[Array]:
        """Return the ends of the bands that are drawn at first."""
        return [
            entry.block.columns[end]
            for entry in self.entries
            for end in ("low", "high")
            if self.bands and entry.details and end in entry.block.columns
        ]

    @property
    def cut(self) -> bool:
        """Whether a band reaches beyond the vertical axis."""
        scale = self.y_scale()
        return any(bool(((end < scale.low) | (end > scale.high)).any()) for end in self._band_ends())

    def to_plain(self) -> dict[str, Any]:
        """Return what the script needs."""
        scale = self.y_scale()
        return {
            "title": self.title,
            "y": self.y_label,
            "log": self.log,
            "seeds": self.seeds,
            "bands": self.bands,
            "range": [scale.low, scale.high],
            "entries": [entry.to_plain() for entry in self.entries],
        }


def block_of(
    metrics: Metrics, tag: str, *, run: str, seeds: tuple[int, ...], most: int, lines: tuple[str, ...] = ()
) -> Block | None:
    """Return a metric of a run in at most about `most` rows; None where no member has a value.

    `lines` are the columns whose extremes stay; by default those of the mean and of all members.
    """
    rows, values = metrics.known(tag)  # [t, P], or [t, 1] of the run as a whole
    if not len(rows):
        return None
    columns = {"mean": values.mean(axis=1)}
    members = values.shape[1]
    if members > 1:
        interval = mean_interval(values.T)
        columns |= {"low": interval.low, "high": interval.high}
    single = members <= MOST_SEEDS
    if members > 1 and single:
        columns |= {f"seed {seed}": values[:, member] for member, seed in enumerate(seeds)}
    drawn = [columns[name] for name in lines or ("mean", "low", "high") if name in columns]
    kept = thin(np.column_stack([columns["mean"], values] if single and not lines else drawn), most)
    x = {axis: metrics.axis(axis)[rows[kept]] for axis in AXES}
    return Block(run, plain_name(tag), x, {name: column[kept] for name, column in columns.items()}, len(rows))


def rows_for(columns: int) -> int:
    """Return how many rows a block may keep on a page with this many columns in all."""
    return int(np.clip(CELLS // max(1, columns), FEWEST, MOST))


def plain_name(text: str) -> str:
    """Return a name that means nothing to a CSV reader, a spreadsheet or a terminal: no commas, quotes and formulas."""
    name = re.sub(r"[^\w./:()@+ -]", "_", text)
    return re.sub(r"^[^\w.]", "_", name)
