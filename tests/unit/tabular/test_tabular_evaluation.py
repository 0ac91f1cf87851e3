import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabular_problems import corridor, mdps, random_policy

from maxent.tabular import (
    NotConvergedError,
    TabularMDP,
    action_value,
    bellman_backup,
    bellman_q_backup,
    bellman_solve,
    evaluation,
    optimal_value,
    random_mdp,
    state_value,
)
from maxent.tabular.evaluation import evaluate_chain, sweep_chain
from maxent.tabular.fixed_point import fixed_point

PROPERTY = settings(max_examples=25, deadline=None)

# 0 earns 1 and goes to 1; 1 earns nothing and goes to 0 or stays, evenly. γ = ½.
# V(1) = ½(½V(0) + ½V(1)) → V(1) = V(0)/3;   V(0) = 1 + ½V(1) = 1 + V(0)/6 → V(0) = 6/5, V(1) = 2/5.
CHAIN = TabularMDP(P=[[[0.0, 1.0]], [[0.5, 0.5]]], R=[1.0, 0.0], gamma=0.5)
ONLY = np.ones((2, 1))


def test_bellman_equation_by_hand():
    solved = bellman_solve(CHAIN, ONLY)
    np.testing.assert_allclose(solved.v, [1.2, 0.4])
    np.testing.assert_allclose(solved.q, [[1.2], [0.4]])  # one action: Q = V
    assert (solved.iterations, solved.residual) == (0, pytest.approx(0.0, abs=1e-15))


@pytest.mark.parametrize("memory", [0, 1, 8])
def test_dynamic_programming_by_hand(memory):
    swept = sweep_chain(CHAIN, tol=1e-12, memory=memory)
    np.testing.assert_allclose(swept.x, [1.2, 0.4], atol=1e-11)
    assert swept.iterations > 0


def test_one_textbook_sweep_by_hand():
    # From V = (4, 2): V(0) ← 1 + ½·2 = 2;  V(1) ← 0 + ½(½·4 + ½·2) = 1.5.
    np.testing.assert_allclose(bellman_backup(CHAIN, ONLY, np.array([4.0, 2.0])), [2.0, 1.5])


@PROPERTY
@given(mdp=mdps(), seed=st.integers(0, 1000))
def test_backups_equal_explicit_sums(mdp, seed):
    rng = np.random.default_rng(seed)
    v, q, pi, p = rng.normal(size=mdp.n_states), rng.normal(size=mdp.R.shape), random_policy(mdp, seed), mdp.P.dense()
    states, actions = range(mdp.n_states), range(mdp.n_actions)
    for s in states:
        if mdp.terminal[s]:
            continue
        total = 0.0
        for a in actions:
            follow = sum(p[s, a, t] * v[t] for t in states if not mdp.terminal[t])
            follow_q = sum(p[s, a, t] * pi[t, b] * q[t, b] for t in states if not mdp.terminal[t] for b in actions)
            assert action_value(mdp, v)[s, a] == pytest.approx(mdp.R[s, a] + mdp.gamma * follow)
            assert bellman_q_backup(mdp, pi, q)[s, a] == pytest.approx(mdp.R[s, a] + mdp.gamma * follow_q)
            total += pi[s, a] * (mdp.R[s, a] + mdp.gamma * follow)
        assert bellman_backup(mdp, pi, v)[s] == pytest.approx(total)


@PROPERTY
@given(mdp=mdps(), seed=st.integers(0, 1000))
def test_solving_and_sweeping_agree(mdp, seed):
    policy = random_policy(mdp, seed)
    exact = bellman_solve(mdp, policy)
    for memory in (0, 3, 8):
        swept = sweep_chain(mdp.under(policy), tol=1e-10, memory=memory)
        np.testing.assert_allclose(swept.x, exact.v, atol=1e-10 / (1.0 - mdp.gamma))
    np.testing.assert_allclose(state_value(exact.q, policy)[~mdp.terminal], exact.v[~mdp.terminal], atol=1e-10)
    np.testing.assert_allclose(bellman_q_backup(mdp, policy, exact.q), exact.q, atol=1e-10)
    assert exact.residual < 1e-10


@pytest.mark.parametrize("gamma", [0.99, 1.0])
def test_above_the_direct_limit_a_chain_is_evaluated_by_sweeps(gamma, monkeypatch):
    mdp = corridor(gamma=gamma, slip=0.4)
    chain = mdp.under(mdp.uniform_policy())
    exact = bellman_solve(mdp, mdp.uniform_policy()).v
    monkeypatch.setattr(evaluation, "DIRECT_LIMIT", 0)
    np.testing.assert_allclose(evaluate_chain(chain, np.zeros(5), tol=1e-10), exact, atol=1e-7)


def test_acceleration_saves_most_sweeps():
    mdp = random_mdp(0, 300, 4, successors=3, gamma=0.99)
    chain = mdp.under(mdp.uniform_policy())
    plain, accelerated = sweep_chain(chain, memory=0), sweep_chain(chain)
    assert plain.iterations > 1_000
    assert accelerated.iterations < plain.iterations / 20
    np.testing.assert_allclose(accelerated.x, plain.x, atol=2e-6)  # both within 1e-8·0.99/0.01 of V


def test_a_combination_that_raises_the_residual_is_dropped():
    # Without the safeguard, the residual of this problem (maxima: kinks everywhere) rises for several sweeps in a row.
    mdp = random_mdp(0, 100, 4, successors=2, gamma=0.99)
    residuals = []

    def backup(v):
        following = optimal_value(action_value(mdp, v))
        residuals.append(np.abs(following - v).max())
        return following

    solved = fixed_point(backup, np.zeros(100))
    lowest = np.minimum.accumulate(residuals)
    assert (lowest[2:] < lowest[:-2]).all()  # it falls at least every second sweep
    assert (np.diff(residuals) > 0).any()  # and combinations were in fact dropped
    assert solved.iterations == len(residuals)
    assert solved.residual == residuals[-1] <= 1e-8


def test_a_backup_that_does_not_converge_raises():
    with pytest.raises(NotConvergedError, match="after 50 sweeps, expected 1e-08 or less; raise max_iterations"):
        fixed_point(lambda x: x + 1.0, np.zeros(2), memory=0, max_iterations=50)
    with pytest.raises(ValueError, match="expected tol > 0"):
        fixed_point(lambda x: x, np.zeros(2), tol=0.0)


def test_undiscounted_episodes_by_hand():
    # With slip ½ both actions are a fair coin: a walk on 0..4 that costs 1 a step and stays in 0 for leaving left.
    # Let d(s) = V(s) − V(s + 1). V(0) = −1 + ½V(0) + ½V(1) gives d(0) = −2; V(s) = −1 + ½V(s − 1) + ½V(s + 1) gives
    # d(s) = d(s − 1) − 2. So d = −2, −4, −6, −8 and, from V(4) = 0 back, V = −20, −18, −14, −8.
    mdp = corridor(gamma=1.0, slip=0.5)
    np.testing.assert_allclose(bellman_solve(mdp, mdp.uniform_policy()).v, [-20.0, -18.0, -14.0, -8.0, 0.0])


def test_an_undiscounted_policy_that_never_terminates_raises():
    mdp = corridor(gamma=1.0, slip=0.0)
    always_left = np.tile([1.0, 0.0], (5, 1))
    with pytest.raises(ValueError, match="reaches a terminal state from every state"):
        bellman_solve(mdp, always_left)
    # Random numbers leave I − P singular only up to rounding for some of these, and then the factorisation succeeds.
    for seed in range(6):
        P = np.zeros((5, 1, 5))
        P[:4, 0, :4] = np.random.default_rng(seed).dirichlet(np.ones(4), size=4)
        closed = TabularMDP(P, [-1.0, -1.0, -1.0, -1.0, 0.0], 1.0, terminal=np.arange(5) == 4)
        with pytest.raises(ValueError, match="reaches a terminal state from every state"):
            bellman_solve(closed, np.ones((5, 1)))
