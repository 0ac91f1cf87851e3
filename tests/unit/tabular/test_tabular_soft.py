import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, rel_entr
from scipy.special import softmax as scipy_softmax
from tabular_problems import corridor, mdps, random_policy

from maxent.tabular import (
    TabularMDP,
    bellman_q_backup,
    entropy,
    evaluation,
    improvement_divergence,
    maxent_objective,
    random_mdp,
    sample_episodes,
    soft_bellman_backup,
    soft_optimal_backup,
    soft_optimal_policy,
    soft_policy_evaluation,
    soft_policy_improvement,
    soft_policy_iteration,
    soft_policy_solve,
    soft_q_iteration,
    soft_reward,
    soft_state_value,
    soft_value,
    value_iteration,
)

PROPERTY = settings(max_examples=25, deadline=None)
ALPHAS = st.sampled_from([0.01, 0.2, 1.0, 5.0])
SEEDS = st.integers(0, 1000)
LN2, LN3 = math.log(2.0), math.log(3.0)


# Numbers by hand


def test_soft_value_and_policy_by_hand():
    # α = 1, Q = (0, ln 3): Σ exp Q = 1 + 3 = 4. V = ln 4, π = (¼, ¾).
    # α = 2, Q = (0, 2 ln 3): the same exponents, so V = 2 ln 4 and the same π.
    for alpha in (1.0, 2.0):
        q = alpha * np.array([[0.0, LN3]])
        np.testing.assert_allclose(soft_value(q, alpha), [alpha * 2 * LN2])
        np.testing.assert_allclose(soft_optimal_policy(q, alpha), [[0.25, 0.75]])


def test_entropy_by_hand():
    # (½, ½): ln 2. (¼, ¾): ¼ ln 4 + ¾ ln(4/3) = ln 4 − ¾ ln 3. (1, 0): 0, although ln 0 is not finite.
    np.testing.assert_allclose(
        entropy(np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])), [LN2, 2 * LN2 - 0.75 * LN3, 0]
    )


def test_soft_state_value_by_hand():
    # π = (¼, ¾), Q = (4, 8), α = 2: E[Q] = 7, and 2 H = 4 ln 2 − 1.5 ln 3.
    v = soft_state_value(np.array([[4.0, 8.0]]), np.array([[0.25, 0.75]]), 2.0)
    np.testing.assert_allclose(v, [7.0 + 4 * LN2 - 1.5 * LN3])


def test_divergence_by_hand():
    # α = 1, Q = (0, ln 3): the target is (¼, ¾). D_KL((½, ½) ‖ (¼, ¾)) = ½ ln 2 + ½ ln(2/3) = ln 2 − ½ ln 3.
    divergence = improvement_divergence(np.array([[0.5, 0.5]]), np.array([[0.0, LN3]]), 1.0)
    np.testing.assert_allclose(divergence, [LN2 - 0.5 * LN3])


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_one_state_by_hand(alpha):
    # One state, r = α(0, ln 3), γ = ½: Q = r + ½V, so V = α ln Σ exp(r/α) + ½V = α ln 4 + ½V, V = 2 α ln 4, π = (¼, ¾).
    mdp = TabularMDP(np.ones((1, 2, 1)), [[0.0, alpha * LN3]], 0.5)
    for solution in (soft_q_iteration(mdp, alpha), soft_policy_iteration(mdp, alpha)):
        np.testing.assert_allclose(solution.v, [4 * alpha * LN2], atol=1e-7)
        np.testing.assert_allclose(solution.q, [[2 * alpha * LN2, 2 * alpha * LN2 + alpha * LN3]], atol=1e-7)
        np.testing.assert_allclose(solution.policy, [[0.25, 0.75]], atol=1e-7)
    # The uniform policy there: V = ½ α ln 3 + α ln 2 + ½V.
    uniform = soft_policy_solve(mdp, mdp.uniform_policy(), alpha)
    np.testing.assert_allclose(uniform.v, [alpha * LN3 + 2 * alpha * LN2])
    assert maxent_objective(mdp, mdp.uniform_policy(), alpha) == pytest.approx(alpha * (LN3 + 2 * LN2))


def test_a_terminal_state_earns_no_entropy():
    # Two ways to the end, both costing 1: V = −1 + α ln 2, and the end itself 0 although it "has" two actions.
    mdp = TabularMDP(
        P=[[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], R=[-1.0, 0.0], gamma=1.0, terminal=[False, True]
    )
    for solution in (soft_q_iteration(mdp, 0.5), soft_policy_iteration(mdp, 0.5)):
        np.testing.assert_allclose(solution.v, [-1.0 + 0.5 * LN2, 0.0])
        np.testing.assert_allclose(solution.q, [[-1.0, -1.0], [0.0, 0.0]])
    np.testing.assert_allclose(soft_policy_solve(mdp, mdp.uniform_policy(), 0.5).v, [-1.0 + 0.5 * LN2, 0.0])
    np.testing.assert_allclose(soft_reward(mdp, mdp.uniform_policy(), 0.5)[0], [-1.0, -1.0])  # nothing follows


def test_soft_reward_by_hand():
    # One state, γ = ½, α = 2, uniform over two actions: r_π = r + ½·2·ln 2.
    mdp = TabularMDP(np.ones((1, 2, 1)), [[1.0, 3.0]], 0.5)
    np.testing.assert_allclose(soft_reward(mdp, mdp.uniform_policy(), 2.0), [[1.0 + LN2, 3.0 + LN2]])


# The equations, as properties of random problems


@PROPERTY
@given(mdp=mdps(), seed=SEEDS, alpha=ALPHAS)
def test_soft_backups_contract_by_gamma_in_the_max_norm(mdp, seed, alpha):
    rng, policy = np.random.default_rng(seed), random_policy(mdp, seed)
    q, other = 10 * rng.normal(size=(2, *mdp.R.shape))
    before = np.abs(q - other).max()
    for backup in (
        lambda x: soft_bellman_backup(mdp, policy, x, alpha=alpha),
        lambda x: soft_optimal_backup(mdp, x, alpha),
    ):
        assert np.abs(backup(q) - backup(other)).max() <= mdp.gamma * before + 1e-12


@PROPERTY
@given(mdp=mdps(), seed=SEEDS, alpha=ALPHAS)
def test_soft_policy_evaluation_is_the_limit_of_its_backup(mdp, seed, alpha):
    policy = random_policy(mdp, seed)
    q = np.zeros_like(mdp.R)
    for _ in range(600):  # Lemma 1 as it stands; 0.95^600 = 4e-14
        q = soft_bellman_backup(mdp, policy, q, alpha=alpha)
    for evaluated in (
        soft_policy_solve(mdp, policy, alpha),
        soft_policy_evaluation(mdp, policy, alpha, tol=1e-11),
        soft_policy_evaluation(mdp, policy, alpha, tol=1e-11, memory=0),
    ):
        np.testing.assert_allclose(evaluated.q, q, atol=1e-8)
        np.testing.assert_allclose(evaluated.v, mdp.zero_terminal(soft_state_value(q, policy, alpha)), atol=1e-8)
        assert evaluated.residual < 1e-10  # of V = E[Q − α log π], whichever way it was solved


@PROPERTY
@given(mdp=mdps(), seed=SEEDS, alpha=ALPHAS)
def test_soft_reward_makes_the_ordinary_backup_soft(mdp, seed, alpha):
    # 2018a appendix B.1: Q ← r_π + γ E[Q(s', a')] is T^π of eq. 2, for any Q.
    policy, q = random_policy(mdp, seed), np.random.default_rng(seed).normal(size=mdp.R.shape)
    ordinary = bellman_q_backup(mdp, policy, q) - mdp.R + soft_reward(mdp, policy, alpha)
    np.testing.assert_allclose(ordinary, soft_bellman_backup(mdp, policy, q, alpha=alpha), atol=1e-10)


@PROPERTY
@given(mdp=mdps(), seed=SEEDS, alpha=ALPHAS)
def test_improvement_minimises_the_divergence(mdp, seed, alpha):
    q, policy = np.random.default_rng(seed).normal(size=mdp.R.shape), random_policy(mdp, seed)
    target = scipy_softmax(q / alpha, axis=1)
    direct = rel_entr(policy, np.maximum(target, 1e-300)).sum(axis=1)
    np.testing.assert_allclose(improvement_divergence(policy, q, alpha), direct, rtol=1e-9, atol=1e-10)
    improved = soft_policy_improvement(q, alpha)
    np.testing.assert_allclose(improvement_divergence(improved, q, alpha), 0.0, atol=1e-10)
    # 2018a eq. 17: the new policy's divergence is no larger than the old one's.
    assert (improvement_divergence(improved, q, alpha) <= improvement_divergence(policy, q, alpha) + 1e-10).all()


@PROPERTY
@given(mdp=mdps(), seed=SEEDS, alpha=ALPHAS)
def test_soft_policy_improvement_never_lowers_q(mdp, seed, alpha):
    old = random_policy(mdp, seed)
    q_old = soft_policy_solve(mdp, old, alpha)
    new = soft_policy_improvement(q_old.q, alpha)
    q_new = soft_policy_solve(mdp, new, alpha)
    slack = 1e-9 * (1.0 + np.abs(q_new.q).max())
    # 2018a eq. 18: E_{a~π_new}[Q_old − α log π_new] ≥ V_old; the left side is the largest of all, α log Σ exp(Q/α).
    assert (mdp.zero_terminal(soft_state_value(q_old.q, new, alpha)) >= q_old.v - slack).all()
    largest = alpha * logsumexp(q_old.q / alpha, axis=1)
    np.testing.assert_allclose(soft_state_value(q_old.q, new, alpha), largest, rtol=1e-9, atol=1e-9)
    # 2018a eq. 19: Q_old ≤ T Q_old ≤ T T Q_old ≤ … ≤ Q_new with T of the new policy, so lemma 2: Q_new ≥ Q_old.
    q = q_old.q
    for _ in range(5):
        following = soft_bellman_backup(mdp, new, q, alpha=alpha)
        assert (following >= q - slack).all()
        assert (q_new.q >= following - slack).all()
        q = following
    assert (q_new.q >= q_old.q - slack).all()


@PROPERTY
@given(mdp=mdps(), alpha=ALPHAS)
def test_soft_policy_iteration_and_soft_q_iteration_agree(mdp, alpha):
    newton, sweeps = soft_policy_iteration(mdp, alpha), soft_q_iteration(mdp, alpha)
    plain = soft_q_iteration(mdp, alpha, memory=0)
    slack = 2e-8 / (1.0 - mdp.gamma)
    for other in (sweeps, plain):
        np.testing.assert_allclose(newton.q, other.q, atol=slack)
        np.testing.assert_allclose(newton.policy, other.policy, atol=2 * slack / alpha)
    # Q* is the soft Q of the optimal policy: the sum of later rewards and entropies under it.
    optimal = soft_policy_solve(mdp, newton.policy, alpha)
    np.testing.assert_allclose(optimal.q, newton.q, atol=slack)
    np.testing.assert_allclose(optimal.v, newton.v, atol=slack)
    assert optimal.residual < 1e-10
    # The residual is the largest violation of V = α log Σ exp(Q/α), which a rough solution shows.
    rough = soft_q_iteration(mdp, alpha, tol=0.1, memory=0)
    gap = np.abs(np.where(mdp.terminal, 0.0, soft_value(rough.q, alpha)) - rough.v)
    assert rough.residual == pytest.approx(gap.max(), rel=1e-9, abs=1e-12)
    for solution in (newton, sweeps, plain):
        assert solution.residual <= 1e-8
        # 2017 Theorems 1 and 2: V = α log Σ exp(Q/α), Q = r + γ E[V], π = exp((Q − V)/α).
        live = ~mdp.terminal
        np.testing.assert_allclose(solution.v[live], soft_value(solution.q, alpha)[live], atol=slack)
        np.testing.assert_allclose(soft_optimal_backup(mdp, solution.q, alpha), solution.q, atol=slack)
        boltzmann = np.exp((solution.q - soft_value(solution.q, alpha)[:, None]) / alpha)
        np.testing.assert_allclose(solution.policy, boltzmann, atol=1e-10)


@PROPERTY
@given(mdp=mdps(), alpha=ALPHAS)
def test_the_entropy_bonus_is_bounded_and_vanishes_with_alpha(mdp, alpha):
    # 0 ≤ α H ≤ α log A at each step, so Q* ≤ Q_soft ≤ Q* + γ α log A/(1 − γ).
    hard = value_iteration(mdp, tol=1e-10).q
    for a in (alpha, 1e-7):
        soft = soft_policy_iteration(mdp, a, tol=1e-10).q
        assert (soft >= hard - 1e-8).all()
        assert (soft <= hard + mdp.gamma * a * math.log(mdp.n_actions) / (1.0 - mdp.gamma) + 1e-8).all()


def test_small_alpha_gives_the_greedy_policy_and_large_alpha_the_uniform_one():
    mdp = random_mdp(0, 10, 4)
    hard = value_iteration(mdp)
    np.testing.assert_allclose(soft_policy_iteration(mdp, 1e-4).policy, hard.policy, atol=1e-6)
    # Q differs between actions by 10 at most (rewards in [0, 1], γ = 0.9), so by 1e-5 in Q/α; π within 1e-5 of ¼.
    np.testing.assert_allclose(soft_policy_iteration(mdp, 1e6).policy, mdp.uniform_policy(), atol=1e-5)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 5.0])
def test_no_sampled_policy_has_a_higher_soft_value(alpha):
    mdp = random_mdp(1, 5, 3, gamma=0.9)
    solution = soft_policy_iteration(mdp, alpha, tol=1e-11)
    best = soft_policy_solve(mdp, solution.policy, alpha).v  # [S]
    np.testing.assert_allclose(best, solution.v, atol=1e-8)
    first = soft_policy_iteration(mdp, alpha, tol=1e3)  # a rough solution shows the residual
    assert first.residual == pytest.approx(np.abs(soft_value(first.q, alpha) - first.v).max())
    assert maxent_objective(mdp, solution.policy, alpha) == pytest.approx(mdp.start @ best)
    for i in range(1_000):
        rival = random_policy(mdp, i, concentration=(0.1, 1.0, 10.0)[i % 3])
        if i % 2:  # half of them close to the optimum, where a wrong optimum would show
            rival = 0.95 * solution.policy + 0.05 * rival
        assert (soft_policy_solve(mdp, rival, alpha).v <= best + 1e-9).all()


def test_soft_policy_iteration_climbs():
    mdp, alpha = random_mdp(2, 8, 3, gamma=0.95), 0.1
    policy, q = random_policy(mdp, 0, concentration=0.2), np.full((8, 3), -np.inf)
    for _ in range(10):
        following = soft_policy_solve(mdp, policy, alpha).q
        assert (following >= q - 1e-10).all()
        policy, q = soft_policy_improvement(following, alpha), following
    np.testing.assert_allclose(q, soft_q_iteration(mdp, alpha, tol=1e-11).q, atol=1e-8)
    solution = soft_policy_iteration(mdp, alpha, tol=1e-11)
    np.testing.assert_allclose(solution.q, q, atol=1e-8)
    np.testing.assert_allclose(solution.policy, policy, atol=1e-6)
    # Its first policy is the uniform one, and its first step the improvement of that.
    first = soft_policy_iteration(mdp, alpha, tol=1e3)
    uniform = soft_policy_solve(mdp, mdp.uniform_policy(), alpha)
    assert first.iterations == 1
    np.testing.assert_allclose(first.q, uniform.q, atol=1e-12)
    np.testing.assert_allclose(first.policy, soft_policy_improvement(uniform.q, alpha), atol=1e-12)
    assert first.residual == pytest.approx(np.abs(soft_value(uniform.q, alpha) - uniform.v).max())


@pytest.mark.parametrize("gamma", [0.95, 1.0])
def test_soft_policy_iteration_with_sweeps_gives_the_same(gamma, monkeypatch):
    mdp = corridor(gamma=gamma, slip=0.3)
    factorised = soft_policy_iteration(mdp, 0.3)
    monkeypatch.setattr(evaluation, "DIRECT_LIMIT", 0)
    np.testing.assert_allclose(soft_policy_iteration(mdp, 0.3).q, factorised.q, atol=1e-6)


def test_soft_value_equals_the_mean_return_with_entropy():
    # V^π(s_0) = E[Σ γ^t (r_t + α H(π(·|s_t)))], estimated from 4,000 episodes: within 4 standard errors.
    mdp, alpha = corridor(gamma=0.9), 0.7
    policy = random_policy(mdp, 0)
    bonus = alpha * entropy(policy)
    earned = []
    for episode in sample_episodes(mdp, policy, 4_000, rng=np.random.default_rng(1)):
        steps = zip(episode.states[:-1], episode.rewards, strict=True)
        earned.append(sum(0.9**t * (r + bonus[s]) for t, (s, r) in enumerate(steps)))
    error = 4.0 * np.std(earned) / math.sqrt(len(earned))
    assert np.mean(earned) == pytest.approx(maxent_objective(mdp, policy, alpha), abs=error)
