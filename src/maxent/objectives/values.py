"""Values and TD targets: soft, hard, of finite sets of actions and by importance sampling."""

import math

import torch
from torch import Tensor

from maxent.objectives.aggregates import Aggregate, minimum
from maxent.objectives.shapes import check_batch, check_shape


def soft_value(q: Tensor, log_prob: Tensor, alpha: Tensor, *, aggregate: Aggregate = minimum) -> Tensor:
    """V(s) = min_i Q_i(s, a) − α log π(a|s), a ~ π.   2018a eq. 3, with α and twin critics (2018b).

    q [P, E, B], log_prob [P, B], alpha [P, 1] → [P, B]
    """
    check_batch("log_prob", log_prob, q)
    return aggregate(q) - alpha * log_prob


def td_target(reward: Tensor, discount: Tensor, next_value: Tensor) -> Tensor:
    """Y = r + γⁿ (1 − terminated) V(s′).   2018a eq. 8.

    Truncation is not termination: a truncated episode keeps the discount γⁿ, and V is that of its true final
    observation.

    reward, discount, next_value [P, B] → [P, B]
    """
    return reward + discount * next_value


def soft_return(reward: Tensor, path_discount: Tensor, path_entropy: Tensor, alpha: Tensor) -> Tensor:
    """R = Σ_{k<n} γᵏ r_k + α Σ_{0<k<n} γᵏ H(π(·|s_k)): the n-step return with the entropy of the steps in between.

    With y = R + γⁿ V(s_n) this unfolds n times the soft Bellman equation Q = r + γ E[Q − α log π] (2018a eq. 2, 3); the
    first action has no entropy of its own in Q. Exact where the actions are those of π; in a replay they are those of
    older policies, as for any n-step return without correction.
    Choice: the entropy, and not −log π of the stored actions, whose mean it is for actions of π. For those of another
    policy −log π is a cross-entropy without bound: for uniform ones and a Gaussian with σ = 0.1 it is 39 nats on
    average, where the entropy is −0.9.

    reward [P, B] of n steps, path_discount and path_entropy [P, (n − 1)·B] of the steps 1 … n − 1, alpha [P, 1]
    → [P, B]
    """
    check_shape("path_entropy", path_entropy, tuple(path_discount.shape))
    bonus = (path_discount * path_entropy).reshape(reward.shape[0], -1, reward.shape[1]).sum(1)  # [P, B]
    return reward + alpha * bonus


# Finite sets of actions: expectations are exact sums, no sampling is needed.


def expected_soft_value(q: Tensor, log_probs: Tensor, alpha: Tensor, *, aggregate: Aggregate = minimum) -> Tensor:
    """V(s) = Σ_a π(a|s) (min_i Q_i(s, a) − α log π(a|s)).   2018a eq. 3 as an exact sum; 1910.07207 eq. 10.

    q [P, E, B, K], log_probs [P, B, K], alpha [P, 1] → [P, B]
    """
    check_batch("log_probs", log_probs, q)
    return (log_probs.exp() * (aggregate(q) - alpha.unsqueeze(-1) * log_probs)).sum(-1)


def expected_value(q: Tensor, probs: Tensor, *, aggregate: Aggregate = minimum) -> Tensor:
    """E_{a∼π}[Q(s, a)] = Σ_a π(a|s) min_i Q_i(s, a): expected SARSA (Sutton & Barto 2018, section 6.6).

    q [P, E, B, K], probs [P, B, K] → [P, B]
    """
    check_batch("probs", probs, q)
    return (probs * aggregate(q)).sum(-1)


def hard_value(q: Tensor, *, aggregate: Aggregate = minimum) -> Tensor:
    """V(s) = max_a min_i Q_i(s, a): the value of Q-learning (1312.5602 eq. 1; Sutton & Barto 2018, eq. 6.8).

    q [P, E, B, K] → [P, B]
    """
    return aggregate(q).amax(-1)


def double_value(q: Tensor, chooser: Tensor, *, aggregate: Aggregate = minimum) -> Tensor:
    """V(s) = min_i Q̂_i(s, argmax_a min_i Q_i(s, a)): `chooser` selects the action, q values it (1509.06461 eq. 4).

    q, chooser [P, E, B, K] → [P, B]
    """
    best = aggregate(chooser).argmax(-1, keepdim=True)  # [P, B, 1]
    return aggregate(q).gather(-1, best).squeeze(-1)


def log_sum_exp_value(q: Tensor, alpha: float, *, aggregate: Aggregate = minimum) -> Tensor:
    """V(s) = α log Σ_a exp(Q(s, a)/α).   2017 theorem 1, over a finite set.

    q [P, E, B, K] → [P, B]
    """
    return alpha * torch.logsumexp(aggregate(q) / alpha, dim=-1)


def boltzmann_log_probs(q: Tensor, alpha: float, *, aggregate: Aggregate = minimum) -> Tensor:
    """Log π(a|s) = (Q(s, a) − V(s))/α.   2017 theorem 1.

    q [P, E, B, K] → [P, B, K]
    """
    return torch.log_softmax(aggregate(q) / alpha, dim=-1)


# Continuous actions.


def importance_value(q: Tensor, log_density: Tensor, alpha: float, *, aggregate: Aggregate = minimum) -> Tensor:
    """V(s) = α log E_{a∼q}[exp(Q(s, a)/α)/q(a)], by the mean over K proposals.   2017 eq. 10.

    The estimate of the mean is unbiased, its logarithm too low on average (Jensen); the bias vanishes with K.

    q [P, E, K, B], log_density [P, K, B] of the proposals → [P, B]
    """
    check_batch("log_density", log_density, q)
    exponent = aggregate(q) / alpha - log_density  # [P, K, B]
    return alpha * (torch.logsumexp(exponent, dim=1) - math.log(exponent.shape[1]))
