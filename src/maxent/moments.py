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


def batch_moments(x: Tensor) -> Moments:
    """Return the moments of a batch over its second axis.

    x [P, B, ...] → mean, var [P, ...], size [P]
    """
    x = x.double()
    return Moments(x.mean(1), x.var(1, correction=0), x.new_full(x.shape[:1], x.shape[1]))


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
