"""Policy evaluation with a known model: the Bellman expectation equation (Sutton & Barto 2018, chapters 3 and 4).

V [S], Q [S, A], policy π(a|s) [S, A], discount γ in [0, 1].
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from maxent.tabular.fixed_point import MAX_SWEEPS, FixedPoint, fixed_point
from maxent.tabular.mdp import TabularMDP
from maxent.tabular.transitions import FloatArray

DIRECT_LIMIT = 2_000  # number of states up to which a dense LU factorisation is faster than sweeps
MAX_STEPS = 1e12  # an expected episode length above this means that the matrix is singular up to rounding
NEVER_ENDS = (
    "bellman_solve: expected a policy that reaches a terminal state from every state, because gamma is 1; got one that "
    "may never reach a terminal state. Choose another policy, or gamma < 1."
)


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """The value of one policy.

    v [S] (0 in terminal states) and q [S, A]; `iterations`, the number of sweeps (0 for a linear solve); `residual`,
    the largest absolute violation of the Bellman equation by v. The error of v is at most residual/(1 − γ).
    """

    v: FloatArray
    q: FloatArray
    iterations: int
    residual: float


def action_value(mdp: TabularMDP, v: FloatArray) -> FloatArray:
    """Q(s, a) = r(s, a) + γ E_{s'~p}[V(s')].   Sutton & Barto 2018, section 4.2.   v [S] → [S, A]."""
    return mdp.R + mdp.gamma * mdp.expect(v)


def state_value(q: FloatArray, policy: FloatArray) -> FloatArray:
    """V(s) = E_{a~π}[Q(s, a)].   Sutton & Barto 2018, exercise 3.18.   q, policy [S, A] → [S]."""
    v: FloatArray = (policy * q).sum(axis=-1)
    return v


def bellman_backup(mdp: TabularMDP, policy: FloatArray, v: FloatArray) -> FloatArray:
    """V(s) ← E_{a~π}[r(s, a) + γ E_{s'~p}[V(s')]].   Sutton & Barto 2018, eq. 4.5.   policy [S, A], v [S] → [S]."""
    return mdp.zero_terminal(state_value(action_value(mdp, v), policy))


def bellman_q_backup(mdp: TabularMDP, policy: FloatArray, q: FloatArray) -> FloatArray:
    """Q(s, a) ← r(s, a) + γ E_{s'~p, a'~π}[Q(s', a')].   Sutton & Barto 2018, exercise 3.17.   [S, A] → [S, A]."""
    return action_value(mdp, state_value(q, policy))


def bellman_solve(mdp: TabularMDP, policy: ArrayLike) -> Evaluation:
    """Solve the Bellman equation as a linear system, V^π = (I − γ P_π)^{-1} r_π.   policy [S, A]."""
    v = solve_chain(mdp.under(policy))
    q = action_value(mdp, v)
    residual = np.abs(mdp.zero_terminal(state_value(q, mdp.check_policy(policy))) - v).max()
    return Evaluation(v, q, iterations=0, residual=float(residual))


def solve_chain(chain: TabularMDP) -> FloatArray:
    """Return V = (I − γ P)^{-1} r of a chain with one action (`TabularMDP.under`), by LU factorisation.   → [S]."""
    transition = chain.P.dense()[:, 0, :] * ~chain.terminal  # [S, S']; terminal states have value 0
    reward = chain.R[:, 0]  # [S]
    try:
        v = np.asarray(np.linalg.solve(np.eye(chain.n_states) - chain.gamma * transition, reward), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise ValueError(NEVER_ENDS) from error
    if np.abs(v).max() > MAX_STEPS * np.abs(reward).max():  # singular up to rounding
        raise ValueError(NEVER_ENDS)
    return chain.zero_terminal(v)


def sweep_chain(
    chain: TabularMDP,
    v: FloatArray | None = None,
    *,
    tol: float = 1e-8,
    memory: int = 8,
    max_iterations: int = MAX_SWEEPS,
) -> FixedPoint:
    """Return V of a chain with one action by sweeps, from the initial guess v [S] or 0."""
    return fixed_point(
        lambda x: chain.zero_terminal(action_value(chain, x)[:, 0]),
        np.zeros(chain.n_states) if v is None else chain.zero_terminal(v),
        tol=tol,
        memory=memory,
        max_iterations=max_iterations,
    )


def evaluate_chain(chain: TabularMDP, v: FloatArray, *, tol: float) -> FloatArray:
    """Return V of a chain with one action: by factorisation up to `DIRECT_LIMIT` states, else by sweeps.   → [S].

    Sweeps start from v [S] and stop when the Bellman equation is violated by at most `tol`.
    """
    return solve_chain(chain) if chain.n_states <= DIRECT_LIMIT else sweep_chain(chain, v, tol=tol).x
