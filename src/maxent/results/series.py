"""The lines of a comparison's figure: learning curves with bands, and performance profiles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.results.comparison import Comparison
from maxent.results.curves import Curve
from maxent.statistics import Estimate, interquartile_mean, performance_profile, stratified_estimate

POINTS = 200
"""Most points of a line."""
RESAMPLES = 1_000
"""Resamples of a band, which is read off a picture."""


@final
@dataclass(frozen=True)
class Band:
    """A learning curve: interquartile means [k] with their intervals, over steps or minutes [k]."""

    axis: NDArray[np.float64]
    iqm: Estimate


@final
@dataclass(frozen=True)
class Profile:
    """The scores of a setting by environment, whose share above a threshold is drawn."""

    strata: tuple[NDArray[np.float64], ...]

    def at(self, thresholds: NDArray[np.float64]) -> Estimate:
        """Return the share of runs with a score above each threshold. [T]"""
        return stratified_estimate(
            self.strata, lambda strata: performance_profile(strata, thresholds), resamples=RESAMPLES
        )


def band(curves: Sequence[Curve], *, minutes: bool = False, lowest: float | None = None) -> Band | None:
    """Return the interquartile mean of curves wherever all of them were measured; None if that is nowhere.

    A seed that has failed counts with `lowest`, the lowest return on the environment, or else of these curves.
    """
    axes = [curve.axis(minutes=minutes) for curve in curves]
    known = [axis for axis in axes if axis is not None]
    if len(known) < len(curves):
        return None
    ends = [axis[-1] for axis, curve in zip(known, curves, strict=True) if not curve.failed]
    first, last = max(axis[0] for axis in known), min(ends or [axis[-1] for axis in known])
    grid = np.unique(np.concatenate(known))
    grid = grid[(grid >= first) & (grid <= last)]
    if len(grid) > POINTS:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, POINTS).round().astype(int))]
    finite = np.concatenate([curve.returns[np.isfinite(curve.returns)] for curve in curves])
    if lowest is None and len(finite):
        lowest = float(finite.min())
    if not len(grid) or lowest is None:
        return None
    values = np.stack([curve.values(grid, minutes=minutes) for curve in curves])  # [n, k]
    values = np.where(np.isnan(values), lowest, values)

    def iqm(strata: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the curve of seeds, given as their indices. [(R,) n] → [(R,) k]"""
        return interquartile_mean([np.moveaxis(values[strata[0].astype(int)], -1, 0)]).T

    return Band(grid, stratified_estimate([np.arange(len(curves), dtype=np.float64)], iqm, resamples=RESAMPLES))


def profiles(comparison: Comparison) -> dict[str, dict[str, Profile]]:
    """Return the profiles to draw: over all environments if scores are normalised, else of each environment."""
    if comparison.totals:
        return {"all environments": {total.group: Profile(total.strata) for total in comparison.totals}}
    return {
        env: {cell.group: Profile((cell.scores,)) for cell in comparison.cells if cell.env == env}
        for env in comparison.at
    }


def common_thresholds(found: Iterable[Profile]) -> NDArray[np.float64]:
    """Return thresholds from below the lowest to above the highest score of several settings. [T]"""
    scores = np.concatenate([one for profile in found for one in profile.strata])
    low, high = float(scores.min()), float(scores.max())
    margin = 0.03 * ((high - low) or max(abs(high), 1.0))
    return np.linspace(low - margin, high + margin, 101)
