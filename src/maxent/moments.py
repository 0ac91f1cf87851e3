"""Running mean and variance, and the scale of the discounted return: the arithmetic of normalisation.

Pure functions of tensors; the state belongs to the caller. Keep the moments in float64: after 10⁸ observations one
more changes a float32 mean by nothing.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Mean and variance of the data so far, and the number of data.

    mean, var [P, ...], size [P], float64. The variance is that of the data, with n and not n − 1 in its denominator.
    """

    mean: Tensor
    var: Tensor
    size: Tensor


def batch_moments(x: Tensor, counted: Tensor | None = None) -> Moments:
    """Return the moments of a batch over its second axis; with `counted`, of its rows where that is true.

    x [P, B, ...], counted [P, B] → mean, var [P, ...], size [P]
    """
    x = x.double()
    if counted is None:
        return Moments(x.mean(1), x.var(1, correction=0), x.new_full(x.shape[:1], x.shape[1]))
    size = counted.sum(1).to(x.dtype)  # [P]
    rows = counted.reshape(*counted.shape, *[1] * (x.dim() - 2))  # [P, B, ...]
    divisor = size.clamp_min(1.0).reshape(-1, *[1] * (x.dim() - 2))  # [P, ...]
    mean = torch.where(rows, x, 0.0).sum(1) / divisor
    var = torch.where(rows, x - mean.unsqueeze(1), 0.0).square().sum(1) / divisor
    return Moments(mean, var, size)


def merge_moments(
    mean: Tensor, var: Tensor, count: Tensor, batch_mean: Tensor, batch_var: Tensor, batch_count: Tensor
) -> Moments:
    """Return the moments of two sets of data together.   Chan, Golub and LeVeque 1983.

    With w = n_B/(n_A + n_B) and δ = x̄_B − x̄_A, the mean is x̄_A + w δ and the variance (1 − w) s²_A + w s²_B +
    w (1 − w) δ². An empty batch changes nothing; neither does an empty past, whatever its mean and variance.

    mean, var, batch_mean, batch_var [P, ...], count, batch_count [P] → mean, var [P, ...], size [P]
    """
    total = count + batch_count
    weight = torch.where(total > 0, batch_count / total.clamp_min(1e-300), 0.0)  # [P]
    weight = weight.reshape(*weight.shape, *[1] * (mean.dim() - weight.dim()))  # [P, ...]
    delta = batch_mean - mean
    merged = (1.0 - weight) * var + weight * batch_var + weight * (1.0 - weight) * delta * delta
    return Moments(mean + weight * delta, merged, total)


def standardise(x: Tensor, mean: Tensor, var: Tensor, *, epsilon: float = 1e-8, clip: float = 10.0) -> Tensor:
    """Return (x − mean)/√(var + ε), clipped to ±clip, in the type of x.   Defaults of Stable-Baselines3's VecNormalize.

    x [P, B, ...], mean, var [P, ...] → [P, B, ...]
    """
    scaled = (x - mean.unsqueeze(1)) / torch.sqrt(var.unsqueeze(1) + epsilon)
    return scaled.clamp(-clip, clip).to(x.dtype)


def return_scale(var: Tensor, *, epsilon: float = 1e-8) -> Tensor:
    """Return √(var(G) + ε), which rewards are divided by; G is the discounted return so far.   VecNormalize.

    var [...] → [...]
    """
    return torch.sqrt(var + epsilon)
