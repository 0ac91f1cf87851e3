"""Quantile critics: Q as the mean of quantiles of the return (1710.10044), truncated as in TQC (2005.04269)."""

import torch
from torch import Tensor

from maxent.objectives.shapes import check_batch, check_shape


def truncated_quantiles(quantiles: Tensor, drop: int) -> Tensor:
    """Return the smallest quantiles of all critics together, without the `drop` · E largest.   2005.04269 §3.2.

    quantiles [P, E, B, K] → [P, B, E (K − drop)], in ascending order
    """
    members, critics, batch, count = quantiles.shape
    if not 0 <= drop < count:
        raise ValueError(f"truncated_quantiles: expected a drop from 0 to below {count} quantiles, got {drop}.")
    pooled = quantiles.transpose(1, 2).reshape(members, batch, critics * count)
    return pooled.sort(-1).values[..., : critics * (count - drop)]


def quantile_td_target(
    reward: Tensor, discount: Tensor, quantiles: Tensor, alpha: Tensor, next_log_prob: Tensor
) -> Tensor:
    """y_i = r + γⁿ (1 − terminated) (z_i − α log π(a′|s′)), a′ ~ π.   2005.04269 eq. 9.

    reward, discount, next_log_prob [P, B], quantiles [P, B, L], alpha [P, 1] → [P, B, L]
    """
    check_shape("discount", discount, tuple(reward.shape))
    check_shape("next_log_prob", next_log_prob, tuple(reward.shape))
    return (reward - discount * alpha * next_log_prob).unsqueeze(-1) + discount.unsqueeze(-1) * quantiles


def quantile_huber_loss(quantiles: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """J(θ) = Σ_n E[1/(K L) Σ_m Σ_i |τ_m − 1{u < 0}| H(u)], u = y_i − z_m, H Huber's loss with κ = 1, τ_m = (m − ½)/K.

    2005.04269 eq. 7 and 8; 1710.10044 eq. 10. No gradient flows into the target.
    Choice: summed over the critics, as in `critic_loss`; SB3-Contrib takes the mean, which Adam cannot tell apart.

    quantiles [P, E, B, K], y [P, B, L], weight [P, B] → [P]
    """
    check_shape("y", y[..., 0], (quantiles.shape[0], quantiles.shape[2]))
    count = quantiles.shape[-1]
    level = (torch.arange(count, dtype=quantiles.dtype, device=quantiles.device) + 0.5) / count  # [K]
    u = y.detach()[:, None, :, None, :] - quantiles.unsqueeze(-1)  # [P, E, B, K, L]
    size = u.abs()
    huber = torch.where(size <= 1.0, 0.5 * u * u, size - 0.5)
    loss = ((level.unsqueeze(-1) - (u < 0).to(u.dtype)).abs() * huber).mean((-2, -1))  # [P, E, B]
    if weight is not None:
        check_batch("weight", weight, loss)
        loss = weight.unsqueeze(1) * loss
    return loss.mean(-1).sum(-1)
