"""Tables of numbers, such as metrics.csv, read within bounds."""

import os
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.runs.files import naming, open_regular, read_bytes
from maxent.untrusted import require_small, short

TAIL = 4 * 2**20
"""Bytes at the end of a table in which `last_values` looks for values."""


def read_table(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a CSV file as arrays [T], NaN for empty cells; skip an incomplete last row."""
    with naming(path):
        return parse_table(read_bytes(path))


def parse_table(data: bytes) -> dict[str, NDArray[np.float64]]:
    """Return the columns [T] of a table of numbers, NaN for empty cells; a last line without its end is left out."""
    require_small(data)
    try:
        lines = data.decode("utf-8").split("\n")[:-1]
    except ValueError as error:
        raise UserError(f"it is not a text file: {error}.") from error
    if not lines:
        raise UserError("expected a header and rows of numbers, got no complete line.")
    header = lines[0].rstrip("\r").split(",")
    if len(set(header)) != len(header):
        raise UserError("expected columns of different names, got one twice.")
    table = np.empty((len(lines) - 1, len(header)))
    for number, (line, row) in enumerate(zip(lines[1:], table, strict=True), 2):
        cells = line.rstrip("\r").split(",")
        if len(cells) != len(header):
            raise UserError(f"line {number}: expected {len(header)} cells as in the header, got {len(cells)}.")
        for place, cell in enumerate(cells):
            try:
                row[place] = float(cell or "nan")
            except ValueError as error:
                raise UserError(f"line {number}: expected numbers, got {short(cell)}.") from error
    return dict(zip(header, table.T, strict=True))


def last_values(path: Path, names: Sequence[str]) -> dict[str, tuple[int, float]]:
    """Return step and value of the last row of metrics.csv that has a value, for each column that has one.

    A value may be NaN, such as the return of a run that has diverged; an empty cell is none.
    Only the end of the file is read, at most `TAIL` bytes, since some columns have no value at all.
    """
    with naming(path), os.fdopen(open_regular(path), "rb") as file:
        header = file.readline(TAIL).rstrip(b"\r\n").split(b",")
        begin, end = file.tell(), file.seek(0, os.SEEK_END)
        places = {name: header.index(name.encode()) for name in names if name.encode() in header}
        found: dict[str, tuple[int, float]] = {}
        size = 2**16
        while True:
            start = max(begin, end - size)
            file.seek(start)
            lines = file.read(end - start).split(b"\n")[:-1]
            for line in reversed(lines[start > begin :]):
                for name, value in _row(line, header, places.keys() - found.keys(), places).items():
                    found[name] = value
                if len(found) == len(places):
                    return found
            if start == begin or size >= TAIL:
                return found
            size *= 4


def _row(line: bytes, header: list[bytes], wanted: Set[str], places: dict[str, int]) -> dict[str, tuple[int, float]]:
    """Return step and value of the wanted columns that are not empty in this row."""
    cells = line.rstrip(b"\r").split(b",")
    if len(cells) != len(header):
        raise UserError(f"expected rows of {len(header)} cells as in the header, got one of {len(cells)}.")
    try:
        step = int(cells[0])
        values = {name: float(cells[places[name]]) for name in wanted if cells[places[name]]}
    except ValueError as error:
        raise UserError(f"expected numbers, got {short(line.decode(errors='replace'))}.") from error
    if not 0 <= step < 2**53:
        raise UserError(f"expected steps from 0 to {2**53 - 1:,}, got {short(step)}.")
    return {name: (step, value) for name, value in values.items()}
