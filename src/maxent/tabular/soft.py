"""The best policy when reward and entropy count: soft Q-iteration and soft policy iteration, exact.

Haarnoja et al. 2017 (soft Q-learning, arXiv 1702.08165: seed 002) and 2018a (SAC, arXiv 1801.01290: seeds 002 and 004),
for finitely many actions, so that ∫ da' is Σ_{a'}. α is written out everywhere; the SAC equations of both seeds set
α = 1 without saying so. V [S], Q [S, A], policy π(a|s) [S, A], α > 0 a number.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from maxent.tabular.control import MAX_POLICIES, Solution, newton_tolerance
from maxent.tabular.evaluation import Evaluation, action_value, evaluate_chain, solve_chain, state_value, sweep_chain
from maxent.tabular.fixed_point import MAX_SWEEPS, NotConvergedError, fixed_point
from maxent.tabular.mdp import TabularMDP
from maxent.tabular.transitions import FloatArray


def check_alpha(alpha: float) -> float:
    """α, or an error if it is not a positive number."""
    if not (math.isfinite(alpha) and alpha > 0.0):
        raise ValueError(
            f"alpha: expected a finite number > 0, got {alpha!r}; for alpha = 0 use maxent.tabular.control."
        )
    return alpha


# Equations


def entropy(policy: FloatArray) -> FloatArray:
    """H(π(·|s)) = −Σ_a π(a|s) log π(a|s), with 0 log 0 = 0.   Seed 002's objective, seed 004 eq. 1.   [S, A] → [S]."""
    log_policy = np.log(np.where(policy > 0.0, policy, 1.0))
    h: FloatArray = -(policy * log_policy).sum(axis=-1)
    return h


def soft_value(q: FloatArray, alpha: float) -> FloatArray:
    """V(s) = α log Σ_a exp(Q(s, a)/α).   2017 Theorem 1, eq. 5; seed 002 Theorem 1.   [S, A] → [S].

    Stable: the largest Q leaves the logarithm first, so no exponential exceeds 1. At least max_a Q, at most
    max_a Q + α log A.
    """
    top = q.max(axis=-1, keepdims=True)  # [S, 1]
    v: FloatArray = top[:, 0] + alpha * np.log(np.exp((q - top) / alpha).sum(axis=-1))
    return v


def soft_optimal_policy(q: FloatArray, alpha: float) -> FloatArray:
    """π(a|s) = exp((Q(s, a) − V(s))/α) with V = `soft_value`.   2017 Theorem 1, eq. 6; seed 002.   [S, A] → [S, A].

    Erratum: seed 002 divides only Q by α, exp(Q/α − V), which sums to one only if α = 1 (or V = 0).
    """
    weight = np.exp((q - q.max(axis=-1, keepdims=True)) / alpha)
    policy: FloatArray = weight / weight.sum(axis=-1, keepdims=True)
    return policy


def soft_optimal_backup(mdp: TabularMDP, q: FloatArray, alpha: float) -> FloatArray:
    """Q(s, a) ← r(s, a) + γ E_{s'~p}[α log Σ_{a'} exp(Q(s', a')/α)].   2017 Theorems 2, 3; seed 002.   [S, A] → [S, A].

    Erratum: seed 002 draws s_{t+1} ~ π; the next state comes from the dynamics p.
    """
    return action_value(mdp, soft_value(q, alpha))


def soft_state_value(q: FloatArray, policy: FloatArray, alpha: float) -> FloatArray:
    """V(s) = E_{a~π}[Q(s, a) − α log π(a|s)].   2018a eq. 3; seed 004 eq. 3, with α.   q, policy [S, A] → [S]."""
    return state_value(q, policy) + alpha * entropy(policy)


def soft_bellman_backup(mdp: TabularMDP, policy: FloatArray, q: FloatArray, *, alpha: float) -> FloatArray:
    """T^π Q(s, a) = r(s, a) + γ E_{s'~p}[V(s')], V = `soft_state_value`.   2018a eq. 2; seed 004 eq. 2.   → [S, A]."""
    return action_value(mdp, soft_state_value(q, policy, alpha))


def soft_reward(mdp: TabularMDP, policy: FloatArray, alpha: float) -> FloatArray:
    """r_π(s, a) = r(s, a) + γ α E_{s'~p}[H(π(·|s'))]: the reward with which eq. 15 of seed 004 is eq. 2.   → [S, A].

    Erratum: seed 004 does not define r_π, and the paper (2018a, appendix B.1) leaves out the γ that its eq. 2 implies.
    """
    return mdp.R + mdp.gamma * alpha * mdp.expect(entropy(policy))


def improvement_divergence(policy: FloatArray, q: FloatArray, alpha: float) -> FloatArray:
    """D_KL(π(·|s) ‖ exp(Q(s, ·)/α)/Z(s)).   2018a eq. 4, 16; seed 004 eq. 4, 16, with α.   policy, q [S, A] → [S].

    = E_{a~π}[log π(a|s) − Q(s, a)/α] + log Z(s), and α log Z is `soft_value`.
    """
    return (soft_value(q, alpha) - soft_state_value(q, policy, alpha)) / alpha


def soft_policy_improvement(q: FloatArray, alpha: float) -> FloatArray:
    """π_new(·|s) = argmin_π D_KL(π(·|s) ‖ exp(Q^{π_old}(s, ·)/α)/Z(s)).   2018a eq. 4; seeds 002, 004.   → [S, A].

    A table can hold every policy, so the minimum is 0, at exp(Q/α)/Z itself.
    """
    return soft_optimal_policy(q, alpha)


def maxent_objective(mdp: TabularMDP, policy: ArrayLike, alpha: float) -> float:
    """J(π) = E_π[Σ_t γ^t (r(s_t, a_t) + α H(π(·|s_t)))] = E_{s~start}[V^π(s)].   2018a eq. 1; seed 004 eq. 1.

    With γ, which both seeds leave out of their objective; discounted as in seed 004 eq. 14 at t = 0.
    """
    return float(mdp.start @ soft_policy_solve(mdp, policy, alpha).v)


# Algorithms


def soft_policy_solve(mdp: TabularMDP, policy: ArrayLike, alpha: float) -> Evaluation:
    """V^π = (I − γ P_π)^{-1} (r_π + α H_π): soft policy evaluation as one linear system.   policy [S, A]."""
    pi = mdp.check_policy(policy)
    v = solve_chain(soft_chain(mdp, pi, alpha))
    return _soft_evaluation(mdp, pi, v, alpha, iterations=0)


def soft_policy_evaluation(
    mdp: TabularMDP,
    policy: ArrayLike,
    alpha: float,
    *,
    tol: float = 1e-8,
    memory: int = 8,
    max_iterations: int = MAX_SWEEPS,
) -> Evaluation:
    """Q^{k+1} = T^π Q^k converges to the soft Q of π.   2018a Lemma 1; seed 002.   policy [S, A].

    Runs on V^k = E_π[Q^k − α log π], which is all that T^π reads of Q^k. `memory=0` is the lemma's plain sequence.
    Erratum: seed 002 writes Q^{k+1} = T^π, without the Q^k.
    """
    pi = mdp.check_policy(policy)
    v = sweep_chain(soft_chain(mdp, pi, alpha), tol=tol, memory=memory, max_iterations=max_iterations)
    return _soft_evaluation(mdp, pi, v.x, alpha, iterations=v.iterations)


def soft_chain(mdp: TabularMDP, policy: FloatArray, alpha: float) -> TabularMDP:
    """The process with one action whose ordinary value is the soft value of π: reward r_π(s) + α H(π(·|s))."""
    return mdp.under(policy, bonus=check_alpha(alpha) * entropy(policy))


def soft_policy_iteration(
    mdp: TabularMDP, alpha: float, *, tol: float = 1e-8, max_iterations: int = MAX_POLICIES
) -> Solution:
    """Soft evaluation and soft improvement in turn, from the uniform policy.   2018a Theorem 1; seed 002.

    Newton's method on V(s) = α log Σ_a exp(Q(s, a)/α), so a handful of policies. The returned policy is the improvement
    of the last Q; `v` is the value of the policy before it, and no state gains more than `residual` by one choice.
    """
    check_alpha(alpha)
    policy, v, residual = mdp.uniform_policy(), np.zeros(mdp.n_states), float(np.abs(mdp.R).max())
    for iteration in range(1, max_iterations + 1):
        v = evaluate_chain(soft_chain(mdp, policy, alpha), v, tol=newton_tolerance(mdp, residual, tol))
        q = action_value(mdp, v)
        policy = soft_policy_improvement(q, alpha)
        residual = float(np.abs(mdp.ground(soft_value(q, alpha)) - v).max())
        if residual <= tol:
            return Solution(v, q, policy, iteration, residual)
    raise NotConvergedError(
        f"soft_policy_iteration: residual {residual:.3g} after {max_iterations} policies; raise tol."
    )


def soft_q_iteration(
    mdp: TabularMDP, alpha: float, *, tol: float = 1e-8, memory: int = 8, max_iterations: int = MAX_SWEEPS
) -> Solution:
    """Q ← r + γ E_{s'~p}[V(s')], V ← α log Σ_a exp(Q/α), from V = 0.   2017 Theorem 3; seed 002.

    `memory=0` is the theorem's plain iteration; see `fixed_point` for the others.
    """
    check_alpha(alpha)
    solved = fixed_point(
        lambda v: mdp.ground(soft_value(action_value(mdp, v), alpha)),
        np.zeros(mdp.n_states),
        tol=tol,
        memory=memory,
        max_iterations=max_iterations,
    )
    q = action_value(mdp, solved.x)
    residual = np.abs(mdp.ground(soft_value(q, alpha)) - solved.x).max()
    return Solution(solved.x, q, soft_optimal_policy(q, alpha), solved.iterations, float(residual))


def _soft_evaluation(
    mdp: TabularMDP, policy: FloatArray, v: FloatArray, alpha: float, *, iterations: int
) -> Evaluation:
    q = action_value(mdp, v)
    residual = np.abs(mdp.ground(soft_state_value(q, policy, alpha)) - v).max()
    return Evaluation(v, q, iterations, float(residual))
