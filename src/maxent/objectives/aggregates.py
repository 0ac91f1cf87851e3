"""How the values of an ensemble of critics become one value."""

from collections.abc import Callable

import torch
from torch import Tensor

Aggregate = Callable[[Tensor], Tensor]
"""Reduces the critics' values q [P, E, ...] → [P, ...]."""


def minimum(q: Tensor) -> Tensor:
    """Return min_i Q_i, the pessimistic value of twin critics (1802.09477; 2018b).

    q [P, E, ...] → [P, ...]
    """
    return q.amin(dim=1)


def mean_over_critics(q: Tensor) -> Tensor:
    """Return the mean of Q_i over the critics, as REDQ's actor uses it (2101.05982, algorithm 1).

    q [P, E, ...] → [P, ...]
    """
    return q.mean(dim=1)


def subset_minimum(noise: Tensor, size: int) -> Aggregate:
    """Return an aggregate: the minimum over a random subset of the critics (REDQ, 2101.05982, algorithm 1).

    Each member draws one subset of `size` critics without replacement, the ones with the largest noise; all subsets
    are equally likely. Build it anew for every update, with new noise.

    noise [P, E], standard normal
    """
    critics = noise.shape[1]
    if not 1 <= size <= critics:
        raise ValueError(f"subset_minimum: expected a size from 1 to {critics} critics, got {size}.")
    larger = noise.unsqueeze(1) > noise.unsqueeze(2)  # [P, E, E]: [p, i, j] is noise_j > noise_i
    tied = (noise.unsqueeze(1) == noise.unsqueeze(2)).tril(-1)  # of equal ones the first counts as larger
    chosen = (larger | tied).sum(-1) < size  # [P, E]

    def aggregate(q: Tensor) -> Tensor:
        if q.shape[:2] != chosen.shape:
            raise ValueError(f"subset_minimum: expected q of {list(chosen.shape)} × ..., got {list(q.shape)}.")
        mask = chosen.reshape(*chosen.shape, *[1] * (q.dim() - 2))
        return torch.where(mask, q, torch.inf).amin(dim=1)

    return aggregate
