"""Tables of numbers, such as metrics.csv, read within bounds."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.runs.files import naming, read_bytes
from maxent.untrusted import require_small, short


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
