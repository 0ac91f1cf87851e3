"""Learning curves of single seeds, from any source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maxent.errors import UserError

Measured = Literal["evaluation", "training"]

LARGEST = 1e100
"""Numbers beyond count as failures: sums of them overflow."""
UNKNOWN = "unknown"
"""The environment of a file that does not name one."""


@final
@dataclass(frozen=True)
class Curve:
    """The returns of one seed over its steps, and over seconds where they are known.

    Args:
        algorithm: its name.
        env: the environment's name.
        seed: the seed, or a number that tells runs of unknown seeds apart.
        steps: [n], increasing.
        returns: mean returns [n]; NaN where the run had failed.
        seconds: since the start of the run [n], or None.
        settings: plain data by name.
        source: the file or folder, for messages.
        measured: by evaluation episodes, or by training episodes with exploration.
        reference: whether it is there for orientation and not one of the runs in question.
    """

    algorithm: str
    env: str
    seed: int
    steps: NDArray[np.float64]
    returns: NDArray[np.float64]
    seconds: NDArray[np.float64] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    measured: Measured = "evaluation"
    reference: bool = False

    @property
    def failed(self) -> bool:
        """Whether the run ended as a failure: its last return is not a number."""
        return bool(np.isnan(self.returns[-1]))

    def axis(self, *, minutes: bool) -> NDArray[np.float64] | None:
        """Return the steps, or the minutes if they are known. [n]"""
        if not minutes:
            return self.steps
        return None if self.seconds is None else self.seconds / 60

    def values(self, at: ArrayLike, *, minutes: bool = False) -> NDArray[np.float64]:
        """Return the returns at some steps or minutes, linear between two measurements. [k] → [k]

        NaN where the run had failed, and beyond the first and the last measurement: nothing is extrapolated.
        """
        axis, places = self.axis(minutes=minutes), np.asarray(at, dtype=np.float64)
        if axis is None:
            return np.full(places.shape, np.nan)
        return np.interp(places, axis, self.returns, left=np.nan, right=np.nan)

    def minutes_at(self, step: float) -> float:
        """Return the minutes after which a step was reached; NaN if they are not known."""
        if self.seconds is None:
            return float("nan")
        return float(np.interp(step, self.steps, self.seconds / 60, left=np.nan, right=np.nan))

    def as_reference(self, env: str) -> "Curve":
        """Return the curve as a reference for an environment."""
        return replace(self, reference=True, env=env, algorithm=f"{self.algorithm} (reference)")


def make_curve(
    algorithm: str,
    env: str,
    seed: int,
    steps: Sequence[float] | NDArray[np.float64],
    returns: Sequence[float] | NDArray[np.float64],
    seconds: Sequence[float] | NDArray[np.float64] | None = None,
    **others: Any,
) -> Curve:
    """Return a curve of points in any order; of several at one step the last one counts.

    Raise `UserError` if no point has a step. Returns that are not finite are failures. Seconds are left out unless
    all are known and they do not decrease.
    """
    x, y = np.asarray(steps, dtype=np.float64), np.asarray(returns, dtype=np.float64)
    t = None if seconds is None else np.asarray(seconds, dtype=np.float64)
    known = (x >= 0) & (x < LARGEST)
    if not known.any():
        raise UserError("expected evaluations with their steps, got none.")
    x, y, t = x[known], y[known], None if t is None else t[known]
    order = np.argsort(x, kind="stable")
    order = order[np.append(np.diff(x[order]) > 0, True)]
    x, y, t = x[order], y[order], None if t is None else t[order]
    with np.errstate(invalid="ignore"):
        y = np.where(np.abs(y) < LARGEST, y, np.nan)
        if t is not None and not ((t >= 0) & (t < LARGEST)).all():
            t = None
    if t is not None and (np.diff(t) < 0).any():
        t = None
    return Curve(algorithm, env, seed, x, y, t, **others)
