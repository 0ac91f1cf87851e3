"""The metrics of a run, by tag and member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError

Array = NDArray[np.float64]

LARGEST = 1e100
"""Numbers beyond it, which no axis can show, are left out as unknown ones are."""


@final
@dataclass(frozen=True)
class Metrics:
    """Rows of metrics; NaN where a row lacks a tag or a member has no value yet.

    Args:
        steps: environment steps per member. [T]
        columns: the columns of metrics.csv without `step`, each [T]: `tag`, and with several members `tag/0`, …
        members: P.
    """

    steps: Array
    columns: Mapping[str, Array]
    members: int

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in the order of the file."""
        own = {f"{tag}/{member}" for tag in self.columns for member in range(self.members)}
        return tuple(name for name in self.columns if name not in own)

    def by_member(self, tag: str) -> Array:
        """Return a tag of each member [T, P]; [T, 1] for a tag of the run as a whole, NaN for a tag it lacks."""
        names = [f"{tag}/{member}" for member in range(self.members)]
        if self.members == 1 or not all(name in self.columns for name in names):
            names = [tag]
        absent = np.full(len(self.steps), np.nan)
        return np.stack([self.columns.get(name, absent) for name in names], axis=1)

    def known(self, tag: str) -> tuple[NDArray[np.intp], Array]:
        """Return the rows [t] in which a member has a value of this tag, and the values [t, P]."""
        values = self.by_member(tag)
        values = np.where(np.abs(values) < LARGEST, values, np.nan)  # false for NaN
        rows = np.flatnonzero(~np.isnan(values).all(axis=1))
        return rows, values[rows]

    def has(self, tag: str) -> bool:
        """Return whether a row has a value of this tag."""
        return len(self.known(tag)[0]) > 0

    def axis(self, kind: str) -> Array:
        """Return the place of each row on an axis [T]: `steps`, `minutes` or `updates`.

        Rows of an evaluation alone lack time and updates; they are interpolated between the rows around them, from 0
        at step 0.
        """
        return self.axis_at(kind, self.steps)

    def axis_at(self, kind: str, steps: Array) -> Array:
        """Return the places of steps on an axis; NaN where they are unknown."""
        if kind == "steps":
            return steps
        columns = {"minutes": ("time/time_elapsed", 60.0), "updates": ("train/n_updates", 1.0)}
        if kind not in columns:
            raise UserError(f"axis: expected 'steps', 'minutes' or 'updates', got {kind!r}.")
        tag, unit = columns[kind]
        values = self.columns.get(tag, np.full(len(self.steps), np.nan)) / unit
        known = np.abs(values) < LARGEST
        if not known.any():
            return np.full(len(steps), np.nan)
        places, heights = np.append(0.0, self.steps[known]), np.append(0.0, values[known])
        return np.asarray(np.interp(steps, places, heights, right=np.nan))

    @property
    def seconds(self) -> float:
        """Seconds over all sessions of the run; NaN if they are unknown."""
        known = self.axis("minutes")
        return 60.0 * float(np.nanmax(known)) if np.isfinite(known).any() else float("nan")

    @property
    def updates(self) -> float:
        """Updates made; NaN if they are unknown."""
        known = self.axis("updates")
        return float(np.nanmax(known)) if np.isfinite(known).any() else float("nan")

    @property
    def reached(self) -> int:
        """The last step with a row; 0 if there is none."""
        return int(self.steps[-1]) if len(self.steps) else 0
