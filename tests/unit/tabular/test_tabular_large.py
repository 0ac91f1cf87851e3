"""Large problems. Costs are counted in sweeps and products, which do not depend on the machine."""

import numpy as np
import pytest

from maxent.tabular import (
    policy_iteration,
    random_mdp,
    soft_optimal_backup,
    soft_policy_iteration,
    soft_q_iteration,
    value_iteration,
)
from maxent.tabular.transitions import SparseTransitions

ALPHA = 0.1


@pytest.mark.parametrize(
    "solve",
    [
        value_iteration,
        policy_iteration,
        lambda mdp, tol: soft_q_iteration(mdp, ALPHA, tol=tol),
        lambda mdp, tol: soft_policy_iteration(mdp, ALPHA, tol=tol),
    ],
    ids=["value_iteration", "policy_iteration", "soft_q_iteration", "soft_policy_iteration"],
)
def test_a_thousand_states_and_ten_actions(solve):
    mdp = random_mdp(0, 1_000, 10, gamma=0.99)
    solution = solve(mdp, tol=1e-10)  # so that the error, at most residual/(1 − γ), is below 1e-8
    assert solution.residual <= 1e-10
    assert solution.iterations <= 30  # plain sweeps would need log(1e-10)/log(0.99) = 2,300


def test_a_hundred_thousand_states_with_four_successors_each(monkeypatch):
    mdp = random_mdp(0, 100_000, 4, successors=4, gamma=0.99)
    calls = 0
    expect = SparseTransitions.expect

    def counted(transitions, v):
        nonlocal calls
        calls += 1
        return expect(transitions, v)

    monkeypatch.setattr(SparseTransitions, "expect", counted)
    sweeps = soft_q_iteration(mdp, ALPHA)
    assert calls == sweeps.iterations + 1
    newton = soft_policy_iteration(mdp, ALPHA)
    assert calls < 500  # plain sweeps would need log(1e-8)/log(0.99) = 1,800 for the first alone
    for solution in (sweeps, newton):
        assert np.abs(soft_optimal_backup(mdp, solution.q, ALPHA) - solution.q).max() <= 1e-8
    np.testing.assert_allclose(sweeps.v, newton.v, atol=2e-6)  # each within 1e-8/0.01
