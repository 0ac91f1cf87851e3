"""Categorical critics: Q as a distribution over fixed atoms (C51, 1707.06887), with the soft target of SAC.

The critics of FlashSAC (2604.04539) and XQC are of this kind: Q_i(s, a) = Σ_k p_i(z_k|s, a) z_k.
"""

import torch
from torch import Tensor

from maxent.objectives.shapes import check_batch, check_shape


def atoms(low: float, high: float, count: int, like: Tensor) -> Tensor:
    """Return the support z_k = low + k Δ, Δ = (high − low)/(K − 1).   1707.06887 §4.

    → [K], with the type and device of `like`
    """
    if count < 2 or not low < high:
        raise ValueError(f"atoms: expected low < high and a count of at least 2, got {low}, {high} and {count}.")
    return torch.linspace(low, high, count, dtype=like.dtype, device=like.device)


def categorical_value(log_probs: Tensor, atoms: Tensor) -> Tensor:
    """Q = Σ_k p_k z_k.

    log_probs [..., K], atoms [K] → [...]
    """
    return (log_probs.exp() * atoms).sum(-1)


def categorical_minimum(log_probs: Tensor, atoms: Tensor) -> Tensor:
    """Return log p of the critic with the smallest Q, for each transition: FlashSAC's pessimistic target.

    Choice: the minimum of the values, not of the probabilities, which would not sum to one. The average of the
    critics' probabilities (BRC, 2505.23150) is `mean_over_critics(log_probs.exp())`.

    log_probs [P, E, B, K], atoms [K] → [P, B, K]
    """
    smallest = categorical_value(log_probs, atoms).argmin(1)[:, None, :, None]  # [P, 1, B, 1]
    return log_probs.gather(1, smallest.expand(-1, -1, -1, log_probs.shape[-1])).squeeze(1)


def categorical_td_target(
    reward: Tensor, discount: Tensor, atoms: Tensor, alpha: Tensor, next_log_prob: Tensor
) -> Tensor:
    """T z_k = r + γⁿ (1 − terminated) (z_k − α log π(a′|s′)), a′ ~ π.   1707.06887 algorithm 1, with 2018a eq. 3.

    reward, discount, next_log_prob [P, B], atoms [K], alpha [P, 1] → [P, B, K]
    """
    check_shape("discount", discount, tuple(reward.shape))
    check_shape("next_log_prob", next_log_prob, tuple(reward.shape))
    return (reward - discount * alpha * next_log_prob).unsqueeze(-1) + discount.unsqueeze(-1) * atoms


def categorical_projection(target_atoms: Tensor, probs: Tensor, low: float, high: float) -> Tensor:
    """p_i = Σ_j p_j [1 − |clip(T z_j) − z_i|/Δ]₀¹: the mass of each moved atom goes to its two neighbours in the
    support.   1707.06887 eq. 7.

    Choice: the dense sum over j; Dopamine has the same form, C51's pseudocode a scatter, whose order of additions is
    not fixed on a GPU. Distances are in units of Δ, which conserves mass up to the rounding of the sum.

    target_atoms, probs [P, B, K] → [P, B, K]
    """
    check_shape("probs", probs, tuple(target_atoms.shape))
    last = probs.shape[-1] - 1
    position = ((target_atoms - low) * (last / (high - low))).clamp(0.0, last)  # [P, B, K] in units of Δ
    index = torch.arange(last + 1, dtype=probs.dtype, device=probs.device).unsqueeze(-1)  # [K, 1]
    share = (1.0 - (position.unsqueeze(-2) - index).abs()).clamp_min(0.0)  # [P, B, K of i, K of j]
    return (share * probs.unsqueeze(-2)).sum(-1)


def categorical_critic_loss(log_probs: Tensor, target_probs: Tensor, weight: Tensor | None = None) -> Tensor:
    """J(θ) = −Σ_i E[Σ_k p̂_k log p_i(z_k|s, a)], the cross-entropy with the projected target.   1707.06887 §4.

    Choice: summed over the critics, as in `critic_loss`. No gradient flows into the target.

    log_probs [P, E, B, K], target_probs [P, B, K], weight [P, B] → [P]
    """
    check_batch("target_probs", target_probs, log_probs)
    entropy = -(target_probs.detach().unsqueeze(1) * log_probs).sum(-1)  # [P, E, B]
    if weight is not None:
        check_batch("weight", weight, entropy)
        entropy = weight.unsqueeze(1) * entropy
    return entropy.mean(-1).sum(-1)
