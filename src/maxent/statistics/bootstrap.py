"""Intervals by the stratified bootstrap: seeds are drawn with replacement within each environment.

Efron & Tibshirani 1993, percentile intervals (13.3), as 2108.13264 uses them. All of them are the same in every call:
their random numbers come from a fixed seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.statistics.aggregates import Strata

RESAMPLES = 5_000
"""Resamples of an interval of one number: its ends are then exact to about 2 % of its width."""

Statistic = Callable[[Strata], NDArray[np.float64]]


@final
@dataclass(frozen=True)
class Estimate:
    """A statistic with the ends of its interval, all of the same shape; NaN where one seed allows no interval."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def stratified_estimate(
    strata: Strata, statistic: Statistic, *, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Estimate:
    """Return a statistic of the scores of one setting with its interval.

    strata [n] each → as `statistic` returns it. If no environment has two seeds, both ends are NaN.
    """
    value = statistic(strata)
    if all(len(scores) < 2 for scores in strata):
        return _without_interval(value)
    generator = np.random.default_rng(0)
    return _with_percentiles(value, statistic(_resampled(strata, resamples, generator)), confidence)


def difference_estimate(
    first: Strata, second: Strata, statistic: Statistic, *, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Estimate:
    """Return the statistic of a first setting minus that of a second, with its interval.

    Without two seeds of both, both ends are NaN.
    """
    value = statistic(first) - statistic(second)
    if any(all(len(scores) < 2 for scores in strata) for strata in (first, second)):
        return _without_interval(value)
    generator = np.random.default_rng(0)
    drawn = [statistic(_resampled(strata, resamples, generator)) for strata in (first, second)]
    return _with_percentiles(value, drawn[0] - drawn[1], confidence)


def paired_resamples(
    first: Strata, second: Strata, resamples: int
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return independent resamples of two settings. [n] each → [resamples, n] each"""
    generator = np.random.default_rng(0)
    return _resampled(first, resamples, generator), _resampled(second, resamples, generator)


def percentiles(drawn: NDArray[np.float64], confidence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of a percentile interval. drawn [resamples, ...] → two of [...]"""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    return np.asarray(low), np.asarray(high)


def _resampled(strata: Strata, resamples: int, generator: np.random.Generator) -> list[NDArray[np.float64]]:
    return [scores[generator.integers(len(scores), size=(resamples, len(scores)))] for scores in strata]


def _with_percentiles(value: NDArray[np.float64], drawn: NDArray[np.float64], confidence: float) -> Estimate:
    return Estimate(value, *percentiles(drawn, confidence))


def _without_interval(value: NDArray[np.float64]) -> Estimate:
    nothing = np.full_like(value, np.nan)
    return Estimate(value, nothing, nothing)
