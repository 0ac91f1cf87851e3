"""Means over seeds and how far they can be trusted: t-interval, interquartile mean, bootstrap."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from maxent.errors import UserError


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends have the shape of the statistic."""

    low: np.ndarray
    high: np.ndarray


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's interval for the mean of independent, roughly normal values: x̄ ± t · s / √n.

    s has n − 1 in its denominator, t is the (1 + confidence)/2 quantile with n − 1 degrees of freedom. With one value
    the interval is not defined: NaN.

    values [n, …] → ends […]
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    mean = x.mean(axis=0)
    if n < 2:
        return Interval(np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    half = t_quantile((1 + confidence) / 2, n - 1) * x.std(axis=0, ddof=1) / math.sqrt(n)
    return Interval(mean - half, mean + half)


def iqm(values: ArrayLike) -> np.ndarray:
    """The interquartile mean: the mean of what is left without the lowest and the highest quarter.

    As in Agarwal et al. 2021 (2108.13264), whose rliable takes scipy's `trim_mean(x, 0.25)`: ⌊n/4⌋ values are left out
    at each end. The alternative, to count the values at the quartiles in part, differs where 4 does not divide n.

    values [n, …] → […]
    """
    x = np.sort(np.asarray(values, dtype=np.float64), axis=0)
    cut = len(x) // 4
    return np.asarray(x[cut : len(x) - cut].mean(axis=0))


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[[np.ndarray], np.ndarray],
    generator: np.random.Generator,
    *,
    confidence: float = 0.95,
    resamples: int = 2_000,
) -> Interval:
    """The percentile bootstrap: quantiles of a statistic over values drawn, with replacement, from the first axis.

    The first axis is what was repeated independently (seeds). For scores of several tasks draw each task by itself.

    values [n, …], statistic [n, …] → […], → ends […]
    """
    x = np.asarray(values, dtype=np.float64)
    draws = generator.integers(len(x), size=(resamples, len(x)))
    spread = np.stack([np.asarray(statistic(x[rows])) for rows in draws])  # [resamples, …]
    low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Interval(low, high)


@lru_cache
def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t with a whole number of degrees of freedom, found by bisection of its distribution."""
    if not 0.5 <= probability < 1:
        raise UserError(f"a t quantile is taken at a probability from 0.5 to below 1, not at {probability}.")
    if freedom < 1:
        raise UserError(f"Student's t has at least 1 degree of freedom, not {freedom}.")
    low, high = 0.0, 1.0
    while _t_distribution(high, freedom) < probability:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):  # until no number lies between them
        low, high = (middle, high) if _t_distribution(middle, freedom) < probability else (low, middle)
    return high


def _t_distribution(t: float, freedom: int) -> float:
    """P(T ≤ t) for t ≥ 0: the finite sums of Abramowitz & Stegun 26.7.3 (odd freedom ν) and 26.7.4 (even).

    θ = arctan(t/√ν). Their A(t|ν) is P(|T| ≤ t). All terms are positive, so nothing cancels.
    """
    theta = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(freedom // 2):
        total += term
        term *= cosine**2 * ((2 * k + 2) / (2 * k + 3) if odd else (2 * k + 1) / (2 * k + 2))
    inside = (theta + sine * total) * 2 / math.pi if odd else sine * total
    return (1 + inside) / 2
