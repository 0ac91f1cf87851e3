"""Fewer rows of long curves, without losing what stands out."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from maxent.results.metrics import Array


def thin(values: Array, most: int) -> NDArray[np.intp]:
    """Return at most `most` rows, in order, that keep the extremes of every line.

    Rows are cut into buckets of equal length; of each the rows with the smallest and the largest value of each line
    are kept, and the first and the last row of all. At least one bucket is kept however small `most` is.

    values [T, L], NaN where a line has no value → rows [t]
    """
    count, lines = values.shape
    if count <= most:
        return np.arange(count)
    buckets = max(1, (most - 2) // (2 * lines))
    edges = np.linspace(0, count, buckets + 1).astype(np.intp)
    kept = [np.array([0, count - 1])]
    for start, end in pairwise(edges.tolist()):
        part = values[start:end]
        for fill, arg in ((np.inf, np.argmin), (-np.inf, np.argmax)):
            kept.append(start + arg(np.where(np.isnan(part), fill, part), axis=0))
    return np.unique(np.concatenate(kept))
