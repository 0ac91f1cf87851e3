"""Pairs of settings: the probability that one is better, over environments and on each of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.statistics import (
    Estimate,
    difference_estimate,
    holm,
    improvement_estimate,
    interquartile_mean,
    permutation_test,
    probability_of_improvement,
)


@final
@dataclass(frozen=True)
class Effect:
    """The difference of two settings on one environment.

    Args:
        env: the environment.
        probability: of improvement of the setting that is better over all environments.
        p: of the permutation test.
        adjusted: the same, adjusted for all environments of all pairs (Holm).
    """

    env: str
    probability: float
    p: float
    adjusted: float


@final
@dataclass(frozen=True)
class Pair:
    """Two settings on the environments that both have, the better one first.

    Args:
        better, worse: labels.
        envs: the environments.
        seeds: numbers of seeds on each environment, (better, worse).
        probability: of improvement, with its interval.
        p: of the permutation test.
        adjusted: the same, adjusted for the number of pairs (Holm).
        difference: of the interquartile means with its interval; None without a common scale of several environments.
        effects: on each environment.
    """

    better: str
    worse: str
    envs: tuple[str, ...]
    seeds: tuple[tuple[int, int], ...]
    probability: Estimate
    p: float
    adjusted: float
    difference: Estimate | None
    effects: tuple[Effect, ...]


def pairs_of(
    scores: Mapping[tuple[str, str], NDArray[np.float64]], references: Collection[str], *, common_scale: bool
) -> tuple[Pair, ...]:
    """Return all pairs of settings that share an environment, but none of two references.

    `scores` are by setting and environment. P-values of pairs are adjusted for the number of pairs, those of single
    environments for the number of all environments of all pairs.
    """
    envs = list(dict.fromkeys(env for _, env in scores))
    found = []
    for first, second in combinations(dict.fromkeys(group for group, _ in scores), 2):
        common = tuple(env for env in envs if (first, env) in scores and (second, env) in scores)
        if not common or {first, second} <= set(references):  # others' results are not compared with each other
            continue
        strata = {group: [scores[group, env] for env in common] for group in (first, second)}
        probability = improvement_estimate(strata[first], strata[second])
        better, worse = first, second
        if probability.value < 0.5:
            better, worse = second, first
            probability = Estimate(1 - probability.value, 1 - probability.high, 1 - probability.low)
        difference = None
        if common_scale or len(common) == 1:
            difference = difference_estimate(strata[better], strata[worse], interquartile_mean)
        own = list(zip(strata[better], strata[worse], strict=True))
        p = permutation_test(strata[first], strata[second])
        each = [
            (env, float(probability_of_improvement([x], [y])), p if len(own) == 1 else permutation_test([x], [y]))
            for env, (x, y) in zip(common, own, strict=True)
        ]
        seeds = tuple((len(x), len(y)) for x, y in own)
        found.append((better, worse, common, seeds, probability, p, difference, each))
    adjusted = holm([one[5] for one in found])
    single = iter(holm([p for one in found for *_, p in one[7]]))
    return tuple(
        Pair(*one[:6], adj, one[6], tuple(Effect(*effect, next(single)) for effect in one[7]))
        for one, adj in zip(found, adjusted, strict=True)
    )
