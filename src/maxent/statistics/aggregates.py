"""Summaries of the scores of many seeds on one environment or several (Agarwal et al. 2021, 2108.13264).

Strata are the scores of one setting: one array [..., n] for each environment, with n seeds, which may differ. Leading
axes are resamples of the bootstrap.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Strata = Sequence[NDArray[np.float64]]


def interquartile_mean(strata: Strata) -> NDArray[np.float64]:
    """Return the mean of the middle half of all scores: ⌊n/4⌋ of the n are left out at either end.

    Environments are pooled, so one with more seeds weighs more. strata [..., n] each → [...]
    """
    pooled = np.sort(np.concatenate(strata, axis=-1), axis=-1)
    count = pooled.shape[-1]
    cut = count // 4
    return np.asarray(pooled[..., cut : count - cut].mean(axis=-1))


def mean_of_means(strata: Strata) -> NDArray[np.float64]:
    """Return the mean over environments of the mean over seeds. strata [..., n] each → [...]"""
    return np.asarray(np.mean([scores.mean(axis=-1) for scores in strata], axis=0))


def performance_profile(strata: Strata, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Return the share of runs with a score above each threshold, as a mean over environments.

    strata [..., n] each, thresholds [T] → [..., T]
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    shares = []
    for scores in strata:
        ordered = np.sort(scores, axis=-1)
        rows = ordered.reshape(-1, ordered.shape[-1])
        above = np.stack([len(row) - np.searchsorted(row, limits, side="right") for row in rows])
        shares.append(above.reshape(*ordered.shape[:-1], len(limits)) / ordered.shape[-1])
    return np.asarray(np.mean(shares, axis=0))
