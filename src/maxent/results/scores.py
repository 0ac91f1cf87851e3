"""Normalised scores: 0 is a random policy, 1 a reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.results.readers.tables import Table, parse_csv
from maxent.runs.files import naming, read_bytes
from maxent.untrusted import short

PACKAGED = "package"
"""The name of the table in this package."""


@final
@dataclass(frozen=True)
class Scale:
    """The returns of a random policy and of a reference by environment.

    Args:
        ends: (random, reference) by environment.
        name: where they come from.
    """

    ends: Mapping[str, tuple[float, float]]
    name: str

    def normalised(self, env: str, returns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (return − random) / (reference − random)."""
        low, high = self.ends[env]
        return (returns - low) / (high - low)


def read_scale(name: str) -> Scale:
    """Return the table of this package ("package"), or that of a CSV file with the columns env, random, reference."""
    if name == PACKAGED:
        data = files("maxent.results").joinpath("scores.csv").read_bytes()
        return Scale(_ends(parse_csv(data)), "the table of maxent")
    path = Path(name)
    with naming(path):
        return Scale(_ends(parse_csv(read_bytes(path))), name)


def _ends(table: Table) -> dict[str, tuple[float, float]]:
    places = [table.place([column]) for column in ("env", "random", "reference")]
    if None in places:
        raise UserError(f"expected the columns env, random, reference, got {short(', '.join(table.header))}.")
    env, low, high = (place for place in places if place is not None)
    found = {}
    for row in table.rows:
        try:
            ends = float(row[low]), float(row[high])
        except ValueError as error:
            raise UserError(f"expected numbers, got {short(row[low])} and {short(row[high])}.") from error
        if not np.isfinite(ends).all() or ends[0] == ends[1]:
            raise UserError(f"{short(row[env])}: expected two finite scores that differ, got {ends[0]} and {ends[1]}.")
        found[row[env].strip()] = ends
    return found
