"""Returns of single training episodes, as CleanRL logs them, made into a curve."""

import numpy as np
from numpy.typing import NDArray

from maxent.results.curves import LARGEST

Array = NDArray[np.float64]

EPISODES = frozenset({"charts/episodic_return", "episodic_return"})
"""Tags and columns with a point for each episode, which are averaged over pieces of the run."""
PIECES = 50
"""Pieces of a run over which single training episodes are averaged."""


def averaged(steps: Array, values: Array, times: Array) -> tuple[Array, Array, Array]:
    """Return the mean of the episodes that ended in each piece of the run, at the last episode of the piece."""
    known = (steps >= 0) & (steps < LARGEST)
    if not known.any():
        return steps, values, times
    steps, values, times = steps[known], values[known], times[known]
    ends = np.linspace(0, max(float(steps.max()), 1.0), PIECES + 1)[1:]
    piece = np.minimum(np.searchsorted(ends, steps), PIECES - 1)
    used = np.unique(piece)
    with np.errstate(over="ignore", invalid="ignore"):
        means = [values[piece == one].mean() for one in used]
    return (
        np.array([steps[piece == one].max() for one in used]),
        np.array(means),
        np.array([times[piece == one].max() for one in used]),
    )
