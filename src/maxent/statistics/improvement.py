"""Whether one setting is better than another: the probability of improvement, its test, and the seeds that it takes.

All of it depends on the order of scores alone, so it needs no common scale of several environments.
"""

import itertools
import math
from bisect import bisect_left
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from maxent.statistics.aggregates import Strata
from maxent.statistics.bootstrap import NUMBERS, RESAMPLES, Estimate, with_percentiles, without_interval
from maxent.statistics.intervals import share_interval

PERMUTATIONS = 20_000
"""Permutations of a test; up to this number all there are."""
ALPHA, POWER = 0.05, 0.8
"""Level of a test, and the probability with which a difference is to be found."""


def probability_of_improvement(first: Strata, second: Strata) -> NDArray[np.float64]:
    """Return P(X > Y) + ½ P(X = Y) for random seeds X, Y of two settings, as a mean over environments.

    It is the Mann-Whitney statistic over the number of pairs; 2108.13264 section 4.3.
    first [..., n] each, second [..., m] each → [...]
    """
    shares = []
    for x, y in zip(first, second, strict=True):
        above = x[..., :, None] > y[..., None, :]
        level = x[..., :, None] == y[..., None, :]
        shares.append((above + 0.5 * level).mean(axis=(-2, -1)))
    return np.asarray(np.mean(shares, axis=0))


def improvement_estimate(
    first: Strata, second: Strata, *, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Estimate:
    """Return the probability of improvement with its bootstrap interval; with a single seed anywhere it has none.

    If no resample differs, as when all seeds of one setting are above all of the other, the bootstrap has no width;
    then it is Wilson's interval with the smaller number of seeds of each environment as trials, not the number of
    pairs, which are not independent.
    """
    value = probability_of_improvement(first, second)
    if any(len(scores) < 2 for strata in (first, second) for scores in strata):
        return without_interval(value)
    generator = np.random.default_rng(0)
    total = np.zeros(resamples)
    for x, y in zip(first, second, strict=True):
        wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)  # [n, m]
        times = [_times_drawn(len(scores), resamples, generator) for scores in (x, y)]
        total += ((times[0] @ wins) * times[1]).sum(axis=1) / wins.size
    if np.ptp(total) < 1e-9:
        trials = sum(min(len(x), len(y)) for x, y in zip(first, second, strict=True))
        wilson = share_interval(min(1.0, max(0.0, float(value))), trials, confidence)
        return Estimate(value, wilson.low, wilson.high)
    return with_percentiles(value, total / len(first), confidence)


def _times_drawn(count: int, resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each seed is in each resample. [resamples, count]"""
    drawn = generator.integers(count, size=(resamples, count)) + count * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)


def permutation_test(first: Strata, second: Strata, permutations: int = PERMUTATIONS) -> float:
    """Return the two-sided p-value of the probability of improvement, if seeds are exchanged within environments.

    Of one environment with at most `permutations` divisions of its seeds all are counted and the value is exact;
    otherwise they are drawn, from a fixed seed, and the division at hand counts as one of them (Phipson & Smyth 2010).
    """
    counts = [len(x) for x in first]
    ranks = [midranks(np.concatenate([x, y])) for x, y in zip(first, second, strict=True)]
    exact = len(ranks) == 1 and math.comb(len(ranks[0]), counts[0]) <= permutations
    generator = np.random.default_rng(0)
    drawn, observed = np.zeros(1), 0.0
    for own, count in zip(ranks, counts, strict=True):
        pairs = count * (len(own) - count)
        if exact:
            sums = own[np.array(list(itertools.combinations(range(len(own)), count)))].sum(axis=1)
        else:
            block = max(1, NUMBERS // len(own))
            sums = np.concatenate([
                generator.permuted(np.tile(own, (min(block, permutations - start), 1)), axis=1)[:, :count].sum(axis=1)
                for start in range(0, permutations, block)
            ])  # fmt: skip
        middle = count * (len(own) + 1) / 2  # the expected sum of ranks, half of the pairs above the least one
        drawn = drawn + (sums - middle) / pairs
        observed += (own[:count].sum() - middle) / pairs
    extreme = int((np.abs(drawn) >= abs(observed) - 1e-9).sum())
    return extreme / len(drawn) if exact else (1 + extreme) / (1 + len(drawn))


def midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks from 1 on; equal values share the mean of theirs. [n] → [n]"""
    ordered = np.sort(values)
    below, upto = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return (below + upto + 1) / 2


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, so that one false finding among all stays as rare as one alone.

    Holm 1979: the k-th smallest of m is multiplied by m − k + 1, and none is below a smaller one.
    """
    adjusted: dict[int, float] = {}
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return [adjusted[index] for index in range(len(p_values))]


def seeds_needed(probability: float, strata: int = 1, *, level: float = ALPHA, power: float = POWER) -> int | None:
    """Return the seeds of each setting with which such a probability of improvement is found; None for one of ½.

    The least n with p − ½ ≥ z(1 − level/2) σ₀ + z(power) σ₁, for M environments and equal numbers of seeds. The
    variance of the Mann-Whitney statistic is σ₀² = (2n + 1) / (12 n² M) if there is no difference, and otherwise
    σ₁² = (p(1 − p) + 2 (n − 1)(q − p²)) / (n² M), where q is the probability that one seed is above two of the other
    setting (Lehmann 1975, 2.21), here for normal scores of equal variance. If all are (p = 1), σ₁ is zero and any
    numbers will do with which the test can be significant.
    """
    p = max(probability, 1 - probability)
    if p - 0.5 < 1e-3:
        return None
    least = least_seeds(strata, level=level)
    if p == 1:
        return least
    z_null, z_power, q = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(power), _above_two(p)

    def found(n: int) -> bool:
        null = (2 * n + 1) / (12 * n * n * strata)
        alternative = (p * (1 - p) + 2 * (n - 1) * (q - p * p)) / (n * n * strata)
        return p - 0.5 >= z_null * math.sqrt(null) + z_power * math.sqrt(alternative)

    high = least
    while not found(high):
        high *= 2
    return bisect_left(range(high), True, lo=least, key=found)


def _above_two(probability: float) -> float:
    """Return P(X > Y, X > Y′) of normal scores of equal variance with P(X > Y) = `probability`: E[Φ(Z + δ)²]."""
    normal = NormalDist()
    shift = math.sqrt(2) * normal.inv_cdf(probability)
    places = [place / 50 for place in range(-400, 401)]
    weights = [normal.pdf(place) for place in places]
    both = [weight * normal.cdf(place + shift) ** 2 for place, weight in zip(places, weights, strict=True)]
    return sum(both) / sum(weights)


def least_seeds(strata: int = 1, *, level: float = ALPHA) -> int:
    """Return the seeds of each setting below which the test cannot be significant, however large the difference."""
    return next(n for n in itertools.count(1) if smallest_p([n] * strata, [n] * strata) <= level)


def smallest_p(first: Sequence[int], second: Sequence[int]) -> float:
    """Return the p-value of the clearest outcome: all seeds of one setting above all of the other."""
    return 2 / math.prod(math.comb(n + m, n) for n, m in zip(first, second, strict=True))
