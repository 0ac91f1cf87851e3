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

NUMBERS = 4_000_000
"""Numbers that are in memory at once."""

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

    strata [n] each → as `statistic` returns it. If an environment has a single seed, whose spread is not known, both
    ends are NaN.
    """
    value = statistic(strata)
    if any(len(scores) < 2 for scores in strata):
        return without_interval(value)
    return with_percentiles(value, _drawn(strata, statistic, resamples, np.random.default_rng(0)), confidence)


def difference_estimate(
    first: Strata, second: Strata, statistic: Statistic, *, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Estimate:
    """Return the statistic of a first setting minus that of a second, with its interval.

    If an environment has a single seed of either, both ends are NaN.
    """
    value = statistic(first) - statistic(second)
    if any(len(scores) < 2 for strata in (first, second) for scores in strata):
        return without_interval(value)
    generator = np.random.default_rng(0)
    drawn = [_drawn(strata, statistic, resamples, generator) for strata in (first, second)]
    return with_percentiles(value, drawn[0] - drawn[1], confidence)


def with_percentiles(value: NDArray[np.float64], drawn: NDArray[np.float64], confidence: float) -> Estimate:
    """Return a value with its percentile interval. value [...], drawn [resamples, ...]"""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    return Estimate(value, np.asarray(low), np.asarray(high))


def without_interval(value: NDArray[np.float64]) -> Estimate:
    """Return a value whose interval is not known."""
    nothing = np.full_like(value, np.nan)
    return Estimate(value, nothing, nothing)


def _drawn(strata: Strata, statistic: Statistic, resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return the statistic of resamples [resamples, ...], in blocks that fit into memory."""
    width = sum(map(len, strata)) * max(1, np.size(statistic(strata)))
    block = max(1, NUMBERS // width)
    parts = []
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = [scores[generator.integers(len(scores), size=(count, len(scores)))] for scores in strata]
        parts.append(statistic(drawn))
    return np.concatenate(parts)
