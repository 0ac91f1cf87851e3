import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabular_problems import corridor, mdps

from maxent.tabular import (
    TabularMDP,
    bellman_solve,
    evaluation,
    greedy_policy,
    optimal_backup,
    optimal_value,
    policy_iteration,
    value_iteration,
)

PROPERTY = settings(max_examples=25, deadline=None)


def stay_or_leave(gamma: float) -> TabularMDP:
    """State 0: staying earns 1 each time, leaving earns 5 once and ends."""
    return TabularMDP(
        P=[[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]],
        R=[[1.0, 5.0], [0.0, 0.0]],
        gamma=gamma,
        terminal=[False, True],
    )


@pytest.mark.parametrize("solve", [value_iteration, policy_iteration])
def test_stay_or_leave_by_hand(solve):
    # Staying for ever is worth 1/(1 − γ): 10 at γ = 0.9, which beats 5; 2 at γ = 0.5, which does not.
    patient, hasty = solve(stay_or_leave(0.9)), solve(stay_or_leave(0.5))
    np.testing.assert_allclose(patient.v, [10.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(patient.q[0], [10.0, 5.0], atol=1e-6)
    np.testing.assert_array_equal(patient.policy[0], [1.0, 0.0])
    # At γ = 0.5, staying once and leaving next is worth 1 + 0.5·5 = 3.5.
    np.testing.assert_allclose(hasty.q[0], [3.5, 5.0], atol=1e-6)
    np.testing.assert_array_equal(hasty.policy[0], [0.0, 1.0])


def test_pieces_by_hand():
    q = np.array([[1.0, 3.0, 3.0], [-1.0, -2.0, -3.0]])
    np.testing.assert_array_equal(optimal_value(q), [3.0, -1.0])
    np.testing.assert_array_equal(greedy_policy(q), [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # the first of equals
    # From Q(0, ·) = (4, 2): stay ← 1 + 0.9·4 = 4.6, leave ← 5.
    backed_up = optimal_backup(stay_or_leave(0.9), np.array([[4.0, 2.0], [7.0, 7.0]]))
    np.testing.assert_allclose(backed_up, [[4.6, 5.0], [0.0, 0.0]])


@settings(max_examples=15, deadline=None)
@given(mdp=mdps(max_states=3))
def test_no_deterministic_policy_has_a_higher_value(mdp):
    best = np.full(mdp.n_states, -np.inf)
    for actions in itertools.product(range(mdp.n_actions), repeat=mdp.n_states):  # at most 4^3
        best = np.maximum(best, bellman_solve(mdp, np.eye(mdp.n_actions)[list(actions)]).v)
    np.testing.assert_allclose(value_iteration(mdp, tol=1e-10).v, best, atol=1e-8)
    np.testing.assert_allclose(policy_iteration(mdp, tol=1e-10).v, best, atol=1e-8)
    # The residual is the largest violation of V = max_a Q, which a rough solution shows.
    for solution in (value_iteration(mdp, tol=0.1, memory=0), policy_iteration(mdp, tol=1e3)):
        gap = np.abs(np.where(mdp.terminal, 0.0, solution.q.max(axis=1)) - solution.v)
        assert solution.residual == pytest.approx(gap.max(), rel=1e-9, abs=1e-12)


@PROPERTY
@given(mdp=mdps(), seed=st.integers(0, 1000))
def test_the_optimal_backup_contracts_by_gamma(mdp, seed):
    rng = np.random.default_rng(seed)
    q, other = 10 * rng.normal(size=(2, *mdp.R.shape))
    before, after = np.abs(q - other).max(), np.abs(optimal_backup(mdp, q) - optimal_backup(mdp, other)).max()
    assert after <= mdp.gamma * before + 1e-12


@PROPERTY
@given(mdp=mdps())
def test_plain_and_accelerated_sweeps_and_policy_iteration_agree(mdp):
    plain, accelerated, newton = value_iteration(mdp, memory=0), value_iteration(mdp), policy_iteration(mdp)
    slack = 2e-8 / (1.0 - mdp.gamma)
    np.testing.assert_allclose(accelerated.q, plain.q, atol=slack)
    np.testing.assert_allclose(newton.q, plain.q, atol=slack)
    for solution in (plain, accelerated, newton):
        assert solution.residual <= 1e-8
        np.testing.assert_allclose(optimal_backup(mdp, solution.q), solution.q, atol=slack)


@pytest.mark.parametrize("gamma", [0.95, 1.0])
def test_policy_iteration_with_sweeps_gives_the_same(gamma, monkeypatch):
    mdp = corridor(gamma=gamma, slip=0.3)
    factorised = policy_iteration(mdp)
    monkeypatch.setattr(evaluation, "DIRECT_LIMIT", 0)
    np.testing.assert_allclose(policy_iteration(mdp).v, factorised.v, atol=1e-6)


def test_undiscounted_corridor_by_hand():
    # No slipping: the cost is the number of cells to go.
    np.testing.assert_allclose(value_iteration(corridor(1.0, slip=0.0)).v, [-4.0, -3.0, -2.0, -1.0, 0.0])
