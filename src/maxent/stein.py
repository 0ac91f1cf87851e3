"""Stein variational gradient descent: train a sampling network to draw from an unnormalised density.

Liu and Wang 2016 (1608.04471); amortised for policies in Haarnoja et al. 2017 (1702.08165) section 3.2 and appendix
C. Particles are actions before tanh, u; M for each state.
"""

import math

import torch
from torch import Tensor


def kernel(fixed: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    """Return κ(x, y) = exp(−‖x − y‖²/h) with an adaptive bandwidth, and its gradient in x.   1702.08165 appendix D.1.

    h = d/(2 log(M + 1)), d the median of the squared distances, one for each state: at the median distance κ is
    (M + 1)⁻². Liu and Wang have twice this h, with log M.

    fixed [..., M, A], moved [..., L, A] → κ [..., M, L], ∇_x κ [..., M, L, A]
    """
    difference = fixed.unsqueeze(-2) - moved.unsqueeze(-3)  # [..., M, L, A]
    squared = (difference * difference).sum(-1)  # [..., M, L]
    middle = squared.flatten(-2).median(-1).values  # [...]
    bandwidth = (middle / (2.0 * math.log(fixed.shape[-2] + 1.0))).clamp_min(1e-6)[..., None, None]
    value = torch.exp(-squared / bandwidth)
    return value, -2.0 / bandwidth.unsqueeze(-1) * value.unsqueeze(-1) * difference


def direction(fixed: Tensor, score: Tensor, moved: Tensor) -> Tensor:
    """Δ(y) = E_x[κ(x, y) ∇_x log p(x) + ∇_x κ(x, y)], the steepest descent of KL(q ‖ p).   1702.08165 eq. 13.

    The first term moves particles to where p is large, the second keeps them apart.

    fixed [..., M, A] with score ∇ log p there [..., M, A], moved [..., L, A] → [..., L, A]
    """
    value, gradient = kernel(fixed, moved)
    return (value.unsqueeze(-1) * score.unsqueeze(-2) + gradient).mean(-3)
