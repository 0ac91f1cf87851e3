"""Means over seeds and their confidence intervals."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from maxent.errors import UserError


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends have the shape of the statistic."""

    low: np.ndarray
    high: np.ndarray


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return Student's t-interval for the mean of independent, roughly normal values: x̄ ± t · s / √n.

    s has n − 1 in its denominator, t is the (1 + confidence)/2 quantile with n − 1 degrees of freedom. One value has
    no interval: both ends are NaN.

    values [n, …] → ends […]
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    mean = x.mean(axis=0)
    if n < 2:
        return Interval(np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    half = t_quantile((1 + confidence) / 2, n - 1) * x.std(axis=0, ddof=1) / math.sqrt(n)
    return Interval(mean - half, mean + half)


@lru_cache
def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t with an integer number of degrees of freedom, by bisection."""
    if not 0.5 <= probability < 1:
        raise UserError(f"t_quantile: expected a probability from 0.5 to below 1, got {probability}.")
    if freedom < 1:
        raise UserError(f"t_quantile: expected at least 1 degree of freedom, got {freedom}.")
    low, high = 0.0, 1.0
    while _t_distribution(high, freedom) < probability:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):  # until they are neighbouring floats
        low, high = (middle, high) if _t_distribution(middle, freedom) < probability else (low, middle)
    return high


def _t_distribution(t: float, freedom: int) -> float:
    """Return P(T ≤ t) for t ≥ 0 by the finite sums of Abramowitz & Stegun 26.7.3 (odd freedom ν) and 26.7.4 (even).

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


def share_interval(share: float, n: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for a probability of which a share of n independent trials is known.

    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), z the (1 + confidence)/2 quantile of the normal distribution
    (Wilson 1927). It stays within [0, 1] and has a width for a share of 0 or 1 too.
    """
    if not (0.0 <= share <= 1.0 and n >= 1):
        raise UserError(f"share_interval: expected a share from 0 to 1 of at least 1 trial, got {share} of {n}.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return Interval(np.asarray(max(0.0, low)), np.asarray(min(1.0, high)))
