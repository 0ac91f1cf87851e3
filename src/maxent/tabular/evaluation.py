"""What a policy is worth, computed from the model: the Bellman equation of seed 003, solved or iterated.

With a discount γ, which seed 003 leaves out (γ = 1 gives its equations). V [S], Q [S, A], policy π(a|s) [S, A].
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from maxent.tabular.fixed_point import MAX_SWEEPS, FixedPoint, fixed_point
from maxent.tabular.krylov import bicgstab
from maxent.tabular.mdp import TabularMDP
from maxent.tabular.transitions import FloatArray

DIRECT_LIMIT = 2_000  # states up to which factorising a dense [S, S] matrix beats sweeping
MAX_STEPS = 1e12  # an episode expected to take longer than this does not end
NEVER_ENDS = (
    "bellman_solve: expected a policy that reaches a terminal state from everywhere, because gamma is 1; got one that "
    "can stay away for ever. Choose another policy, or gamma < 1."
)


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """The value of one policy.

    v [S] (0 in terminal states) and q [S, A]; `iterations` sweeps (0 for a linear solve); `residual`, the largest
    violation of the Bellman equation by v. The error of v is at most residual/(1 − γ).
    """

    v: FloatArray
    q: FloatArray
    iterations: int
    residual: float


def action_value(mdp: TabularMDP, v: FloatArray) -> FloatArray:
    """Q(s, a) = r(s, a) + γ E_{s'~p}[V(s')].   Seed 003 eq. 6, with γ.   v [S] → [S, A]."""
    return mdp.R + mdp.gamma * mdp.expect(v)


def state_value(q: FloatArray, policy: FloatArray) -> FloatArray:
    """V(s) = E_{a~π}[Q(s, a)]: the outer expectation of seed 003 eq. 4.   q, policy [S, A] → [S]."""
    v: FloatArray = (policy * q).sum(axis=-1)
    return v


def bellman_backup(mdp: TabularMDP, policy: FloatArray, v: FloatArray) -> FloatArray:
    """V(s) ← E_{a~π}[r(s, a) + γ E_{s'~p}[V(s')]].   Seed 003 eq. 4, with γ.   policy [S, A], v [S] → [S]."""
    return mdp.ground(state_value(action_value(mdp, v), policy))


def bellman_q_backup(mdp: TabularMDP, policy: FloatArray, q: FloatArray) -> FloatArray:
    """Q(s, a) ← r(s, a) + γ E_{s'~p, a'~π}[Q(s', a')].   Seed 003, after Definition 2, with γ.   [S, A] → [S, A]."""
    return action_value(mdp, state_value(q, policy))


def bellman_solve(mdp: TabularMDP, policy: ArrayLike) -> Evaluation:
    """V^π = (I − γ P_π)^{-1} r_π: the Bellman equation as a linear system, solved exactly.   policy [S, A]."""
    v = solve_chain(mdp.under(policy))
    return _evaluation(mdp, mdp.check_policy(policy), v, iterations=0)


def iterative_policy_evaluation(
    mdp: TabularMDP,
    policy: ArrayLike,
    *,
    tol: float = 1e-8,
    memory: int = 8,
    max_iterations: int = MAX_SWEEPS,
) -> Evaluation:
    """Dynamic programming: `bellman_backup` of every state, again and again, from V = 0.   policy [S, A].

    `memory=0` is the textbook sweep; see `fixed_point` for the others.
    """
    v = sweep_chain(mdp.under(policy), tol=tol, memory=memory, max_iterations=max_iterations)
    return _evaluation(mdp, mdp.check_policy(policy), v.x, iterations=v.iterations)


def solve_chain(chain: TabularMDP) -> FloatArray:
    """V = (I − γ P)^{-1} r of a process with one action (`TabularMDP.under`), by LU factorisation.   → [S]."""
    transition = chain.P.dense()[:, 0, :] * ~chain.terminal  # [S, S']; what follows a terminal state counts 0
    reward = chain.R[:, 0]  # [S]
    try:
        v = np.asarray(np.linalg.solve(np.eye(chain.n_states) - chain.gamma * transition, reward), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise ValueError(NEVER_ENDS) from error
    if np.abs(v).max() > MAX_STEPS * np.abs(reward).max():  # a pivot that should be 0 was only rounded away
        raise ValueError(NEVER_ENDS)
    return chain.ground(v)


def sweep_chain(
    chain: TabularMDP,
    v: FloatArray | None = None,
    *,
    tol: float = 1e-8,
    memory: int = 8,
    max_iterations: int = MAX_SWEEPS,
) -> FixedPoint:
    """The same V by sweeps, from v [S] or 0."""
    return fixed_point(
        lambda x: chain.ground(action_value(chain, x)[:, 0]),
        np.zeros(chain.n_states) if v is None else chain.ground(v),
        tol=tol,
        memory=memory,
        max_iterations=max_iterations,
    )


def evaluate_chain(chain: TabularMDP, v: FloatArray, *, tol: float) -> FloatArray:
    """The same V by whichever is quickest: factorised when small, else a Krylov method from the guess v [S].   → [S].

    `tol` bounds the violation of the Bellman equation. Where the Krylov method breaks down, sweeps do the work.
    """
    if chain.n_states <= DIRECT_LIMIT:
        return solve_chain(chain)
    guess = chain.ground(v)
    reward = chain.R[:, 0]
    solved = bicgstab(lambda x: x - chain.gamma * chain.expect(x)[:, 0], reward, guess, tol=tol)
    return sweep_chain(chain, guess, tol=tol).x if solved is None else chain.ground(solved)


def _evaluation(mdp: TabularMDP, policy: FloatArray, v: FloatArray, *, iterations: int) -> Evaluation:
    q = action_value(mdp, v)
    residual = np.abs(mdp.ground(state_value(q, policy)) - v).max()
    return Evaluation(v, q, iterations, float(residual))
