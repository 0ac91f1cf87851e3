"""Optimal control for reward and entropy: soft Q-iteration and soft policy iteration.

Haarnoja et al. 2017 (soft Q-learning, arXiv 1702.08165) and 2018a (SAC, arXiv 1801.01290) for finitely many actions,
so that ∫ da' is Σ_{a'}. α is written out everywhere; 2018a omits it (section 3.2).
V [S], Q [S, A], policy π(a|s) [S, A], α > 0 a number.
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
    """Return α; raise if it is not a finite positive number."""
    if not (math.isfinite(alpha) and alpha > 0.0):
        raise ValueError(
            f"alpha: expected a finite number > 0, got {alpha!r}; for alpha = 0 use maxent.tabular.control."
        )
    return alpha


# Equations


def entropy(policy: FloatArray) -> FloatArray:
    """H(π(·|s)) = −Σ_a π(a|s) log π(a|s), with 0 log 0 = 0.   2018a eq. 1.   [S, A] → [S]."""
    log_policy = np.log(np.where(policy > 0.0, policy, 1.0))
    h: FloatArray = -(policy * log_policy).sum(axis=-1)
    return h


def soft_value(q: FloatArray, alpha: float) -> FloatArray:
    """V(s) = α log Σ_a exp(Q(s, a)/α).   2017 Theorem 1, eq. 5.   [S, A] → [S].

    max_a Q is subtracted before the exponential, so that none overflows. max_a Q ≤ V ≤ max_a Q + α log A.
    """
    top = q.max(axis=-1, keepdims=True)  # [S, 1]
    v: FloatArray = top[:, 0] + alpha * np.log(np.exp((q - top) / alpha).sum(axis=-1))
    return v


def soft_optimal_policy(q: FloatArray, alpha: float) -> FloatArray:
    """π(a|s) = exp((Q(s, a) − V(s))/α) with V = `soft_value`.   2017 Theorem 1, eq. 6.   [S, A] → [S, A]."""
    weight = np.exp((q - q.max(axis=-1, keepdims=True)) / alpha)
    policy: FloatArray = weight / weight.sum(axis=-1, keepdims=True)
    return policy


def soft_optimal_backup(mdp: TabularMDP, q: FloatArray, alpha: float) -> FloatArray:
    """Q(s, a) ← r(s, a) + γ E_{s'~p}[α log Σ_{a'} exp(Q(s', a')/α)].   2017 Theorems 2, 3.   [S, A] → [S, A]."""
    return action_value(mdp, soft_value(q, alpha))


def soft_state_value(q: FloatArray, policy: FloatArray, alpha: float) -> FloatArray:
    """V(s) = E_{a~π}[Q(s, a) − α log π(a|s)].   2018a eq. 3, with α.   q, policy [S, A] → [S]."""
    return state_value(q, policy) + alpha * entropy(policy)


def soft_bellman_backup(mdp: TabularMDP, policy: FloatArray, q: FloatArray, *, alpha: float) -> FloatArray:
    """T^π Q(s, a) = r(s, a) + γ E_{s'~p}[V(s')], V = `soft_state_value`.   2018a eq. 2.   → [S, A]."""
    return action_value(mdp, soft_state_value(q, policy, alpha))


def soft_reward(mdp: TabularMDP, policy: FloatArray, alpha: float) -> FloatArray:
    """r_π(s, a) = r(s, a) + γ α E_{s'~p}[H(π(·|s'))].   2018a appendix B.1.   → [S, A].

    With r_π as reward the ordinary Bellman backup of Q is the soft one.
    Deviation: the paper omits γ, which its eq. 2 implies.
    """
    return mdp.R + mdp.gamma * alpha * mdp.expect(entropy(policy))


def improvement_divergence(policy: FloatArray, q: FloatArray, alpha: float) -> FloatArray:
    """D_KL(π(·|s) ‖ exp(Q(s, ·)/α)/Z(s)).   2018a eq. 4, 16, with α.   policy, q [S, A] → [S].

    = E_{a~π}[log π(a|s) − Q(s, a)/α] + log Z(s), and α log Z is `soft_value`.
    """
    return (soft_value(q, alpha) - soft_state_value(q, policy, alpha)) / alpha


def soft_policy_improvement(q: FloatArray, alpha: float) -> FloatArray:
    """π_new(·|s) = argmin_π D_KL(π(·|s) ‖ exp(Q^{π_old}(s, ·)/α)/Z(s)).   2018a eq. 4.   → [S, A].

    Tabular policies are unrestricted, so the minimum is 0, at exp(Q/α)/Z itself.
    """
    return soft_optimal_policy(q, alpha)


def maxent_objective(mdp: TabularMDP, policy: ArrayLike, alpha: float) -> float:
    """J(π) = E_π[Σ_t γ^t (r(s_t, a_t) + α H(π(·|s_t)))] = E_{s~start}[V^π(s)].   2018a eq. 1.

    Deviation: discounted. The paper's eq. 1 has no γ; its eq. 14 sums the discounted objective over all first steps.
    """
    return float(mdp.start @ soft_policy_solve(mdp, policy, alpha).v)


# Algorithms


def soft_policy_solve(mdp: TabularMDP, policy: ArrayLike, alpha: float) -> Evaluation:
    """Solve soft policy evaluation as a linear system, V^π = (I − γ P_π)^{-1} (r_π + α H_π).   policy [S, A]."""
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
    """Repeat Q^{k+1} = T^π Q^k, which converges to the soft Q of π.   2018a Lemma 1.   policy [S, A].

    The iteration is on V^k = E_π[Q^k − α log π], through which alone T^π depends on Q^k. `memory=0` is the lemma's
    sequence.
    """
    pi = mdp.check_policy(policy)
    v = sweep_chain(soft_chain(mdp, pi, alpha), tol=tol, memory=memory, max_iterations=max_iterations)
    return _soft_evaluation(mdp, pi, v.x, alpha, iterations=v.iterations)


def soft_chain(mdp: TabularMDP, policy: FloatArray, alpha: float) -> TabularMDP:
    """Return the chain whose value is the soft value of π: its reward is r_π(s) + α H(π(·|s))."""
    return mdp.under(policy, bonus=check_alpha(alpha) * entropy(policy))


def soft_policy_iteration(
    mdp: TabularMDP, alpha: float, *, tol: float = 1e-8, max_iterations: int = MAX_POLICIES
) -> Solution:
    """Alternate soft policy evaluation and improvement, from the uniform policy.   2018a Theorem 1.

    This is Newton's method on V(s) = α log Σ_a exp(Q(s, a)/α), so a few policies suffice. The returned policy is the
    improvement for the returned q; v is the value of the policy before it, and one more backup raises v by at most
    `residual`.
    """
    check_alpha(alpha)
    policy, v, residual = mdp.uniform_policy(), np.zeros(mdp.n_states), float(np.abs(mdp.R).max())
    for iteration in range(1, max_iterations + 1):
        v = evaluate_chain(soft_chain(mdp, policy, alpha), v, tol=newton_tolerance(mdp, residual, tol))
        q = action_value(mdp, v)
        policy = soft_policy_improvement(q, alpha)
        residual = float(np.abs(mdp.zero_terminal(soft_value(q, alpha)) - v).max())
        if residual <= tol:
            return Solution(v, q, policy, iteration, residual)
    raise NotConvergedError(
        f"soft_policy_iteration: residual {residual:.3g} after {max_iterations} policies, "
        f"expected {tol:.3g} or less; raise tol."
    )


def soft_q_iteration(
    mdp: TabularMDP, alpha: float, *, tol: float = 1e-8, memory: int = 8, max_iterations: int = MAX_SWEEPS
) -> Solution:
    """Repeat Q ← r + γ E_{s'~p}[V(s')], V ← α log Σ_a exp(Q/α) from V = 0.   2017 Theorem 3.

    `memory=0` is the theorem's iteration; see `fixed_point` for `memory` > 0.
    """
    check_alpha(alpha)
    solved = fixed_point(
        lambda v: mdp.zero_terminal(soft_value(action_value(mdp, v), alpha)),
        np.zeros(mdp.n_states),
        tol=tol,
        memory=memory,
        max_iterations=max_iterations,
    )
    q = action_value(mdp, solved.x)
    residual = np.abs(mdp.zero_terminal(soft_value(q, alpha)) - solved.x).max()
    return Solution(solved.x, q, soft_optimal_policy(q, alpha), solved.iterations, float(residual))


def _soft_evaluation(
    mdp: TabularMDP, policy: FloatArray, v: FloatArray, alpha: float, *, iterations: int
) -> Evaluation:
    q = action_value(mdp, v)
    residual = np.abs(mdp.zero_terminal(soft_state_value(q, policy, alpha)) - v).max()
    return Evaluation(v, q, iterations, float(residual))
