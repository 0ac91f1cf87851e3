"""Optimal control for reward alone: value iteration and policy iteration.

V [S], Q [S, A], policy π(a|s) [S, A], discount γ in [0, 1].
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from maxent.tabular.evaluation import action_value, evaluate_chain
from maxent.tabular.fixed_point import MAX_SWEEPS, NotConvergedError, fixed_point
from maxent.tabular.mdp import TabularMDP
from maxent.tabular.transitions import FloatArray

MAX_POLICIES = 1_000


@final
@dataclass(frozen=True, eq=False)
class Solution:
    """An optimal policy and its value, for reward alone (control.py) or with entropy (soft.py).

    v [S] (0 in terminal states), q [S, A], policy [S, A]; `iterations`, the number of sweeps or policies; `residual`,
    the largest absolute violation of the optimality equation by v. The error of v is at most residual/(1 − γ).
    """

    v: FloatArray
    q: FloatArray
    policy: FloatArray
    iterations: int
    residual: float


def optimal_value(q: FloatArray) -> FloatArray:
    """V(s) = max_a Q(s, a).   Sutton & Barto 2018, section 3.6.   [S, A] → [S]."""
    v: FloatArray = q.max(axis=-1)
    return v


def greedy_policy(q: FloatArray) -> FloatArray:
    """π(a|s) = 1 for a = argmax_a Q(s, a), the first of equals.   Sutton & Barto 2018, eq. 4.9.   [S, A] → [S, A]."""
    policy: FloatArray = np.eye(q.shape[-1])[q.argmax(axis=-1)]
    return policy


def optimal_backup(mdp: TabularMDP, q: FloatArray) -> FloatArray:
    """Q(s, a) ← r(s, a) + γ E_{s'~p}[max_{a'} Q(s', a')].   Sutton & Barto 2018, eq. 4.2.   [S, A] → [S, A]."""
    return action_value(mdp, optimal_value(q))


def value_iteration(
    mdp: TabularMDP, *, tol: float = 1e-8, memory: int = 8, max_iterations: int = MAX_SWEEPS
) -> Solution:
    """Repeat V(s) ← max_a {r(s, a) + γ E_{s'~p}[V(s')]} from V = 0 until no value changes by more than `tol`.

    `memory=0` is the textbook method (Sutton & Barto 2018, eq. 4.10); see `fixed_point` for `memory` > 0.
    """
    solved = fixed_point(
        lambda v: mdp.zero_terminal(optimal_value(action_value(mdp, v))),
        np.zeros(mdp.n_states),
        tol=tol,
        memory=memory,
        max_iterations=max_iterations,
    )
    q = action_value(mdp, solved.x)
    residual = np.abs(mdp.zero_terminal(optimal_value(q)) - solved.x).max()
    return Solution(solved.x, q, greedy_policy(q), solved.iterations, float(residual))


def newton_tolerance(mdp: TabularMDP, residual: float, tol: float) -> float:
    """Return the tolerance for evaluating the next policy by sweeps, given the residual of the current one.

    A hundredth of the residual: more precision is wasted on a policy that will change (Dembo, Eisenstat & Steihaug
    1982). At γ = 1 a tenth of `tol`, because a policy that is greedy on an inexact V may never terminate.
    """
    return max(0.1 * tol, 0.01 * residual) if mdp.gamma < 1.0 else 0.1 * tol


def policy_iteration(mdp: TabularMDP, *, tol: float = 1e-8, max_iterations: int = MAX_POLICIES) -> Solution:
    """Alternate policy evaluation and greedy improvement (Howard 1960), starting from the uniform policy.

    This is Newton's method on the optimality equation. Stop when V violates that equation by at most `tol`.
    """
    policy, v, residual = mdp.uniform_policy(), np.zeros(mdp.n_states), float(np.abs(mdp.R).max())
    for iteration in range(1, max_iterations + 1):
        v = evaluate_chain(mdp.under(policy), v, tol=newton_tolerance(mdp, residual, tol))
        q = action_value(mdp, v)
        residual = float(np.abs(mdp.zero_terminal(optimal_value(q)) - v).max())
        policy = greedy_policy(q)
        if residual <= tol:
            return Solution(v, q, policy, iteration, residual)
    raise NotConvergedError(
        f"policy_iteration: residual {residual:.3g} after {max_iterations} policies, "
        f"expected {tol:.3g} or less; raise tol."
    )
