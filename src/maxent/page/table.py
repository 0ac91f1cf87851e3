"""The CSV file inside a page: what its figures show, as a link that needs no script."""

from collections.abc import Iterable
from html import escape

import numpy as np

from maxent.page.charts import AXES, Block, Chart

DIGITS = 6
"""Significant digits of numbers in the file."""


def blocks_of(charts: Iterable[Chart]) -> list[Block]:
    """Return the blocks of charts, each once."""
    found = {(entry.block.run, entry.block.tag): entry.block for chart in charts for entry in chart.entries}
    return list(found.values())


def csv_text(blocks: Iterable[Block]) -> str:
    """Return a table with a row for each run, metric and step: places on the axes, mean, interval and seeds."""
    blocks = list(blocks)
    names = list(dict.fromkeys(name for block in blocks for name in ("mean", "low", "high", *block.seeds)))
    lines = [",".join(["run", "metric", *AXES, *names])]
    for block in blocks:
        columns = [*block.x.values(), *(block.columns.get(name) for name in names)]
        cells = [[""] * len(block.x["steps"]) if column is None else _cells(column) for column in columns]
        lines += [",".join([block.run, block.tag, *row]) for row in zip(*cells, strict=True)]
    return "\n".join(lines) + "\n"


def _cells(column: np.ndarray) -> list[str]:
    """Return numbers as text; nothing for an unknown one."""
    return ["" if value != value else _number(value) for value in column.tolist()]


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.{DIGITS}g}"


def download(text: str, name: str) -> str:
    """Return a link that saves a table; the script of the page reads its data from it."""
    data = text.replace("%", "%25").replace("\n", "%0A").replace("#", "%23").replace(" ", "%20")
    return (
        f'<a class="button" id="data" download="{escape(name)}" href="data:text/csv;charset=utf-8,{escape(data)}">'
        f"Download the data of these figures (CSV, {len(text) / 1e3:,.0f} kB)</a>"
    )
