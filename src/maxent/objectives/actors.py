"""Losses of policies and of the temperature α."""

from typing import Literal

from torch import Tensor

from maxent.objectives.aggregates import Aggregate, minimum
from maxent.objectives.shapes import check_batch
from maxent.objectives.values import expected_soft_value


def actor_loss(q: Tensor, log_prob: Tensor, alpha: Tensor, *, aggregate: Aggregate = minimum) -> Tensor:
    """J_π(φ) = E[α log π(f(ε; s)|s) − min_i Q_i(s, f(ε; s))].   2018b eq. 9; 2018a eq. 12.

    Choice: the minimum over the critics, as in the text and code of 2018b (the code of 2018a used Q_1, REDQ uses the
    mean, `mean_over_critics`).

    q [P, E, B], log_prob [P, B], alpha [P, 1] → [P]
    """
    check_batch("log_prob", log_prob, q)
    return (alpha * log_prob - aggregate(q)).mean(-1)


def expected_actor_loss(q: Tensor, log_probs: Tensor, alpha: Tensor, *, aggregate: Aggregate = minimum) -> Tensor:
    """J_π(φ) = E[Σ_a π(a|s) (α log π(a|s) − min_i Q_i(s, a))].   2018a eq. 10; 1910.07207 eq. 12.

    This is −V of the policy: the KL divergence to the Boltzmann policy times α, without its normaliser.

    q [P, E, B, K], log_probs [P, B, K], alpha [P, 1] → [P]
    """
    return -expected_soft_value(q, log_probs, alpha, aggregate=aggregate).mean(-1)


def deterministic_actor_loss(q: Tensor) -> Tensor:
    """J(φ) = −E[Q_1(s, μ(s))].   1509.02971 eq. 6; 1802.09477 algorithm 1.

    Choice: the first critic, as in TD3's algorithm; the minimum would be SAC's.

    q [P, E, B] → [P]
    """
    return -q[:, 0].mean(-1)


Factor = Literal["log_alpha", "alpha"]
"""What multiplies the gap to the target entropy in the loss of α."""


def alpha_loss(
    log_alpha: Tensor, log_prob: Tensor, target_entropy: float | Tensor, *, factor: Factor = "log_alpha"
) -> Tensor:
    """J(α) = E[−α · (log π(a|s) + H̄)], or with log α in place of the factor α.   2018b eq. 18.

    Choice: log α by default, as in the authors' code (softlearning); the equation itself has α (CleanRL, pytorch_sac).
    Both are linear in their factor and have no minimum. Their gradients in log α have the same sign and are zero where
    the entropy is H̄; with α as the factor the gradient is α times that of the other, so it vanishes as α → 0.
    Choice: H̄ = −dim(A) (2018b appendix D); others use −dim(A)/2 (Brax) or 0.

    log_alpha [P, 1], log_prob [P, B], target_entropy a number or [1] → [P]
    """
    multiplier = log_alpha if factor == "log_alpha" else log_alpha.exp()
    return (-multiplier * (log_prob.detach() + target_entropy)).mean(-1)
