"""The mathematics of the updates: tensors in, tensors out, one function per equation.

Shapes: P members, E critics, B batch. Every loss reduces over the batch axis only, by the mean, and
answers one number per member [P]; the caller sums members, whose gradients are then independent.

Papers: "2018a" is Soft Actor-Critic (1801.01290v2), "2018b" is Soft Actor-Critic Algorithms and Applications
(1812.05905v2).
Where libraries disagree in silence, the choice made here stands beside the equation, with its alternatives.
"""

from torch import Tensor


def _same_batch(q: Tensor, other: Tensor) -> None:
    """Refuse a tensor that is not [P, B] beside q [P, E, B]: [B] − [B, 1] would silently become [B, B]."""
    if other.shape != (*q.shape[:-2], q.shape[-1]):
        expected, got = [*q.shape[:-2], q.shape[-1]], list(other.shape)
        raise ValueError(f"beside q of shape {list(q.shape)}: expected the shape {expected}, got {got}.")


def soft_value(q: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """V(s) = min_i Q_i(s, a) − α log π(a|s), a ~ π.   2018a eq. 3 (seed 004 eq. 3), with α and twin critics (2018b).

    q [P, E, B], log_prob [P, B], alpha [P, 1] → [P, B]
    """
    _same_batch(q, log_prob)
    return q.amin(dim=-2) - alpha * log_prob


def td_target(reward: Tensor, discount: Tensor, next_value: Tensor) -> Tensor:
    """Y = r + γⁿ (1 − terminated) V(s′).   2018a eq. 8 (seed 004 eq. 8), seed 001's q_target.

    A truncated episode is not a terminated one: its discount stays γⁿ and V is taken at the true final observation.

    reward, discount, next_value [P, B] → [P, B]
    """
    return reward + discount * next_value


def critic_loss(q: Tensor, y: Tensor) -> Tensor:
    """J_Q(θ) = Σ_i E[½ (Q_i(s, a) − y)²].   2018a eq. 7 (seed 004 eq. 7), 2018b eq. 5.

    Choice: with the ½ of the papers (seed 001, CleanRL and Spinning Up leave it out; under Adam the two differ only
    through ε), and summed over the critics, so that each critic's gradient does not depend on how many there are
    (SB3 sums with ½; pytorch_sac sums without).

    q [P, E, B], y [P, B] → [P]
    """
    _same_batch(q, y)
    error = q - y.unsqueeze(-2)  # [P, E, B]
    return 0.5 * (error * error).mean(-1).sum(-1)


def actor_loss(q: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """J_π(φ) = E[α log π(f(ε; s)|s) − min_i Q_i(s, f(ε; s))].   2018b eq. 9; 2018a eq. 12 (seed 004).

    Choice: the minimum over the critics, as 2018b's text and code and seed 001 have it (2018a's code used Q_1,
    REDQ uses the mean).

    q [P, E, B], log_prob [P, B], alpha [P, 1] → [P]
    """
    _same_batch(q, log_prob)
    return (alpha * log_prob - q.amin(dim=-2)).mean(-1)


def alpha_loss(log_alpha: Tensor, log_prob: Tensor, target_entropy: float) -> Tensor:
    """J(α) = E[−log α · (log π(a|s) + H̄)].   2018b eq. 18; seed 001 §3.3.

    Choice: log α as the factor, as in seed 001's code and the authors' (softlearning); the equation itself has α
    (CleanRL, pytorch_sac). Both vanish at entropy H̄ and have the same sign; with α the gradient in log α carries
    another factor α and dies out as α → 0.
    Choice: H̄ = −dim(A) (2018b appendix D); others use −dim(A)/2 (Brax) or 0.

    log_alpha [P, 1], log_prob [P, B] → [P]
    """
    return (-log_alpha * (log_prob.detach() + target_entropy)).mean(-1)
