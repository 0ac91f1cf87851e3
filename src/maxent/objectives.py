"""The mathematics of the updates: tensors in, tensors out, one function per equation.

Shapes: P members, E critics, B batch, K actions of a finite set or proposals of a continuous one. Every loss reduces
over the batch axis only, by the mean, and answers one number per member [P]; the caller sums members, whose gradients
are then independent.

Papers: "2018a" is Soft Actor-Critic (1801.01290v2), "2018b" Soft Actor-Critic Algorithms and Applications
(1812.05905v2), "2017" Reinforcement Learning with Deep Energy-Based Policies (1702.08165v2).
Where libraries disagree in silence, the choice made here stands beside the equation, with its alternatives.
"""

import math

import torch
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


def critic_loss(q: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """J_Q(θ) = Σ_i E[½ (Q_i(s, a) − y)²].   2018a eq. 7 (seed 004 eq. 7), 2018b eq. 5.

    Choice: with the ½ of the papers (seed 001, CleanRL and Spinning Up leave it out; under Adam the two differ only
    through ε), and summed over the critics, so that each critic's gradient does not depend on how many there are
    (SB3 sums with ½; pytorch_sac sums without).
    The weight of a transition is that of prioritised replay (1511.05952 §3.4).

    q [P, E, B], y and weight [P, B] → [P]
    """
    _same_batch(q, y)
    error = q - y.unsqueeze(-2)  # [P, E, B]
    square = error * error
    if weight is not None:
        _same_batch(q, weight)
        square = weight.unsqueeze(-2) * square
    return 0.5 * square.mean(-1).sum(-1)


def actor_loss(q: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """J_π(φ) = E[α log π(f(ε; s)|s) − min_i Q_i(s, f(ε; s))].   2018b eq. 9; 2018a eq. 12 (seed 004).

    Choice: the minimum over the critics, as 2018b's text and code and seed 001 have it (2018a's code used Q_1,
    REDQ uses the mean).

    q [P, E, B], log_prob [P, B], alpha [P, 1] → [P]
    """
    _same_batch(q, log_prob)
    return (alpha * log_prob - q.amin(dim=-2)).mean(-1)


def alpha_loss(log_alpha: Tensor, log_prob: Tensor, target_entropy: float | Tensor) -> Tensor:
    """J(α) = E[−log α · (log π(a|s) + H̄)].   2018b eq. 18; seed 001 §3.3.

    Choice: log α as the factor, as in seed 001's code and the authors' (softlearning); the equation itself has α
    (CleanRL, pytorch_sac). Both vanish at entropy H̄ and have the same sign; with α the gradient in log α carries
    another factor α and dies out as α → 0.
    Choice: H̄ = −dim(A) (2018b appendix D); others use −dim(A)/2 (Brax) or 0.

    log_alpha [P, 1], log_prob [P, B], target_entropy a number or [1] → [P]
    """
    return (-log_alpha * (log_prob.detach() + target_entropy)).mean(-1)


# Soft Actor-Critic with a state value (2018a): seeds 000, 002 and 004.


def state_value_loss(value: Tensor, soft: Tensor) -> Tensor:
    """J_V(ψ) = E[½ (V_ψ(s) − (Q(s, a) − α log π(a|s)))²].   2018a eq. 5 (seed 004 eq. 5), seed 000 §1.

    Its gradient, with a ~ π fixed, is ∇V_ψ(s) (V_ψ(s) − Q(s, a) + α log π(a|s)): 2018a eq. 6.

    value [P, B], soft [P, B], which `soft_value` answers → [P]
    """
    if value.shape != soft.shape:
        raise ValueError(f"beside values of shape {list(value.shape)}: expected the same, got {list(soft.shape)}.")
    return 0.5 * ((value - soft) ** 2).mean(-1)


# Finite sets of actions: expectations are sums, so nothing has to be sampled.


def expected_soft_value(q: Tensor, log_probs: Tensor, alpha: Tensor) -> Tensor:
    """V(s) = Σ_a π(a|s) (min_i Q_i(s, a) − α log π(a|s)).   2018a eq. 3 as an exact sum; 1910.07207 eq. 10.

    q [P, E, B, K], log_probs [P, B, K], alpha [P, 1] → [P, B]
    """
    _same_actions(q, log_probs)
    return (log_probs.exp() * (q.amin(dim=1) - alpha.unsqueeze(-1) * log_probs)).sum(-1)


def expected_actor_loss(q: Tensor, log_probs: Tensor, alpha: Tensor) -> Tensor:
    """J_π(φ) = E[Σ_a π(a|s) (α log π(a|s) − min_i Q_i(s, a))].   2018a eq. 10; 1910.07207 eq. 12.

    This is −V of the policy: the KL divergence to the Boltzmann policy times α, without its normaliser.

    q [P, E, B, K], log_probs [P, B, K], alpha [P, 1] → [P]
    """
    return -expected_soft_value(q, log_probs, alpha).mean(-1)


def expected_value(q: Tensor, probs: Tensor) -> Tensor:
    """E_{a∼π}[Q(s, a)] = Σ_a π(a|s) min_i Q_i(s, a): the critic's target in seed 003's actor-critic.

    q [P, E, B, K], probs [P, B, K] → [P, B]
    """
    _same_actions(q, probs)
    return (probs * q.amin(dim=1)).sum(-1)


def hard_value(q: Tensor) -> Tensor:
    """V(s) = max_a min_i Q_i(s, a): Q-learning's value (seed 003 eq. 9; 1312.5602 eq. 1).

    q [P, E, B, K] → [P, B]
    """
    return q.amin(dim=1).amax(-1)


def double_value(q: Tensor, chooser: Tensor) -> Tensor:
    """V(s) = min_i Q̂_i(s, argmax_a Q(s, a)): one network chooses, the other judges (1509.06461 eq. 4).

    q, chooser [P, E, B, K] → [P, B]
    """
    best = chooser.amin(dim=1).argmax(-1, keepdim=True)  # [P, B, 1]
    return q.amin(dim=1).gather(-1, best).squeeze(-1)


def log_sum_exp_value(q: Tensor, alpha: float) -> Tensor:
    """V(s) = α log Σ_a exp(Q(s, a)/α).   2017 theorem 1 (seed 002), over a finite set.

    q [P, E, B, K] → [P, B]
    """
    return alpha * torch.logsumexp(q.amin(dim=1) / alpha, dim=-1)


def boltzmann_log_probs(q: Tensor, alpha: float) -> Tensor:
    """Log π(a|s) = (Q(s, a) − V(s))/α.   2017 theorem 1; seed 002 leaves out that V is divided by α as well.

    q [P, E, B, K] → [P, B, K]
    """
    return torch.log_softmax(q.amin(dim=1) / alpha, dim=-1)


# Soft Q-learning on continuous actions (2017).


def importance_value(q: Tensor, log_density: Tensor, alpha: float) -> Tensor:
    """V(s) = α log E_{a∼q}[exp(Q(s, a)/α)/q(a)], by the mean over K proposals.   2017 eq. 10 (seed 002).

    The estimate of the mean is unbiased, its logarithm too low on average (Jensen); both vanish with K.

    q [P, E, K, B], log_density [P, K, B] of the proposals → [P, B]
    """
    _same_actions(q, log_density)
    exponent = q.amin(dim=1) / alpha - log_density  # [P, K, B]
    return alpha * (torch.logsumexp(exponent, dim=1) - math.log(exponent.shape[1]))


# Deterministic policies.


def deterministic_actor_loss(q: Tensor) -> Tensor:
    """J(φ) = −E[Q_1(s, μ(s))].   1509.02971 eq. 6; 1802.09477 algorithm 1.

    Choice: the first critic, as in TD3's algorithm; the minimum would be SAC's.

    q [P, E, B] → [P]
    """
    return -q[:, 0].mean(-1)


# Policy gradients.


def policy_gradient_loss(log_prob: Tensor, signal: Tensor) -> Tensor:
    """J(θ) = −E[log π(a|s) · signal], whose gradient is that of theorem 1 of seed 003 (Williams 1992) with a minus.

    signal is the return, the reward to go, an advantage or Q; no gradient flows through it.

    log_prob, signal [P, B] → [P]
    """
    if log_prob.shape != signal.shape:
        raise ValueError(f"beside log π of shape {list(log_prob.shape)}: expected the same, got {list(signal.shape)}.")
    return -(log_prob * signal.detach()).mean(-1)


def recurrence(term: Tensor, factor: Tensor) -> Tensor:
    """x_t = term_t + factor_t x_{t+1} along the last axis, x_T = 0, in log₂ T passes (Hillis and Steele 1986).

    Each pass doubles how many steps ahead `term` has taken in: a loop over T would be unrolled by the compiler.

    term, factor [..., T] → [..., T]
    """
    steps, reach = term.shape[-1], 1
    while reach < steps:
        term = torch.cat([term[..., :-reach] + factor[..., :-reach] * term[..., reach:], term[..., -reach:]], -1)
        factor = torch.cat([factor[..., :-reach] * factor[..., reach:], torch.zeros_like(factor[..., -reach:])], -1)
        reach *= 2
    return term


def reward_to_go(reward: Tensor, discount: Tensor, ended: Tensor, next_value: Tensor) -> Tensor:
    """G_t = r_t + γ G_{t+1} inside an episode, and G_t = r_t + γ (1 − terminated) V(s_{t+1}) where the data end.

    The data end at the last step of an episode and at the last step of the batch. Without a V, next_value is zero:
    then a truncated or unfinished episode counts for nothing beyond its last step.

    reward, discount, ended, next_value [..., T], time along the last axis → [..., T]
    """
    last = ended.clone()
    last[..., -1] = True
    return recurrence(torch.where(last, reward + discount * next_value, reward), torch.where(last, 0.0, discount))


def episode_return(to_go: Tensor, ended: Tensor) -> Tensor:
    """Σ_k γᵏ r_k of the whole episode, the same at all of its steps: the signal that theorem 1 of seed 003 means.

    It is the reward to go at the episode's first step, or at its first step in the batch.

    to_go, ended [..., T] → [..., T]
    """
    first = torch.cat([torch.ones_like(ended[..., :1]), ended[..., :-1]], -1).flip(-1)
    backwards = recurrence(torch.where(first, to_go.flip(-1), 0.0), torch.where(first, 0.0, torch.ones_like(to_go)))
    return backwards.flip(-1)


def _same_actions(q: Tensor, probs: Tensor) -> None:
    """Refuse probabilities that are not [P, B, K] beside q [P, E, B, K], or densities of another shape."""
    expected = (q.shape[0], *q.shape[2:])
    if probs.shape != expected:
        raise ValueError(
            f"beside q of shape {list(q.shape)}: expected the shape {list(expected)}, got {list(probs.shape)}."
        )


def trajectory_log_prob(log_start: Tensor, log_policy: Tensor, log_transition: Tensor) -> Tensor:
    """Log p(τ) = log p(s_0) + Σ_t (log π(a_t|s_t) + log p(s_{t+1}|s_t, a_t)): seed 003, proof of theorem 1.

    Only log π depends on θ, so ∇ log p(τ) = Σ_t ∇ log π(a_t|s_t): a policy gradient needs no model. Nothing here learns
    from it; it says what the theorem is about, and its test proves the theorem by summing over every trajectory.

    log_start [...], log_policy and log_transition [..., T], time along the last axis → [...]
    """
    return log_start + (log_policy + log_transition).sum(-1)
