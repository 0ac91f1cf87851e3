"""Policy gradients, and the returns that they are weighted with."""

import torch
from torch import Tensor

from maxent.objectives.shapes import check_shape


def policy_gradient_loss(log_prob: Tensor, signal: Tensor) -> Tensor:
    """J(θ) = −E[log π(a|s) · signal], whose gradient is minus the policy gradient (Williams 1992).

    signal is the return, the reward to go, an advantage or Q; no gradient flows through it.

    log_prob, signal [P, B] → [P]
    """
    check_shape("signal", signal, tuple(log_prob.shape))
    return -(log_prob * signal.detach()).mean(-1)


def recurrence(term: Tensor, factor: Tensor) -> Tensor:
    """x_t = term_t + factor_t x_{t+1} along the last axis, x_T = 0, in log₂ T passes (Hillis and Steele 1986).

    Each pass doubles the number of later steps that `term` includes; the compiler would unroll a loop over T.

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

    The data end at the last step of an episode and at the last step of the batch. Without a V, pass zeros as
    next_value: a truncated or unfinished episode then earns nothing beyond its last step.

    reward, discount, ended, next_value [..., T], time along the last axis → [..., T]
    """
    last = ended.clone()
    last[..., -1] = True
    return recurrence(torch.where(last, reward + discount * next_value, reward), torch.where(last, 0.0, discount))


def episode_return(to_go: Tensor, ended: Tensor) -> Tensor:
    """Σ_k γᵏ r_k of the whole episode, the same at all of its steps: the signal of REINFORCE (Williams 1992).

    It is the reward to go at the episode's first step, or at its first step in the batch.

    to_go, ended [..., T] → [..., T]
    """
    first = torch.cat([torch.ones_like(ended[..., :1]), ended[..., :-1]], -1).flip(-1)
    backwards = recurrence(torch.where(first, to_go.flip(-1), 0.0), torch.where(first, 0.0, torch.ones_like(to_go)))
    return backwards.flip(-1)


def trajectory_log_prob(log_start: Tensor, log_policy: Tensor, log_transition: Tensor) -> Tensor:
    """Log p(τ) = log p(s_0) + Σ_t (log π(a_t|s_t) + log p(s_{t+1}|s_t, a_t)).

    Only log π depends on θ, so ∇ log p(τ) = Σ_t ∇ log π(a_t|s_t): a policy gradient needs no model of the
    environment. No algorithm calls it; its tests derive the policy gradient from it by summing over every trajectory.

    log_start [...], log_policy and log_transition [..., T], time along the last axis → [...]
    """
    return log_start + (log_policy + log_transition).sum(-1)
