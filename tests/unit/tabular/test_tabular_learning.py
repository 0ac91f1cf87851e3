import numpy as np
import pytest
from tabular_problems import corridor

from maxent.tabular import (
    Episode,
    TabularMDP,
    bellman_solve,
    epsilon_greedy_policy,
    first_visit_monte_carlo,
    q_learning,
    q_learning_target,
    sample_episodes,
    sarsa,
    sarsa_target,
    td0,
    td_target,
    td_update,
    value_iteration,
)


def test_updates_by_hand():
    assert td_update(2.0, 10.0, 0.25) == 4.0  # 2 + ¼·8
    assert td_target(-1.0, 0.5, 6.0) == 2.0  # −1 + ½·6
    assert sarsa_target(-1.0, 0.5, 6.0) == 2.0  # the action taken next
    assert q_learning_target(-1.0, 0.5, [8.0, 6.0]) == 3.0  # the best action next
    # ε = 0.3, three actions: 0.1 each, and 0.7 more for the first of the two best.
    np.testing.assert_allclose(epsilon_greedy_policy(np.array([[5.0, 9.0, 9.0]]), 0.3), [[0.1, 0.8, 0.1]])


def test_returns_by_hand():
    # γ = ½: G_2 = 8; G_1 = 2 + 4 = 6; G_0 = 1 + 3 = 4.
    episode = Episode([0, 1, 0, 2], [0, 0, 0], [1.0, 2.0, 8.0], terminated=True)
    assert episode.returns(0.5) == [4.0, 6.0, 8.0]


def test_first_visit_monte_carlo_by_hand():
    # State 0 is visited at t = 0 and t = 2; the first visit counts, G_0 = 4. The second episode has G_0 = 2.
    episodes = [
        Episode([0, 1, 0, 2], [0, 0, 0], [1.0, 2.0, 8.0], terminated=True),
        Episode([0, 2], [0], [2.0], terminated=True),
    ]
    first = first_visit_monte_carlo(episodes, 4, 0.5)
    np.testing.assert_allclose(first.v, [(4 + 2) / 2, 6.0, 0.0, 0.0])
    np.testing.assert_array_equal(first.visits, [2, 1, 0, 0])


def test_td0_by_hand():
    # Step ½, γ = ½, V = 0. (0 → 1, r 1): V(0) = ½. (1 → 0, r 2): V(1) = ½(2 + ½·½) = 1.125.
    # (0 → 2, r 8, end): V(0) = ½ + ½(8 − ½) = 4.25.
    episode = Episode([0, 1, 0, 2], [0, 0, 0], [1.0, 2.0, 8.0], terminated=True)
    learned = td0([episode], 3, 0.5, step_size=0.5)
    np.testing.assert_allclose(learned.v, [4.25, 1.125, 0.0])
    np.testing.assert_array_equal(learned.visits, [2, 1, 0])
    # Step 1/n: V(0) = 1, V(1) = 2 + ½ = 2.5, V(0) = 1 + ½(8 − 1) = 4.5.
    np.testing.assert_allclose(td0([episode], 3, 0.5, step_size=lambda n: 1 / n).v, [4.5, 2.5, 0.0])
    # The state after the last step counts as 0, whatever V says there.
    elsewhere = td0([episode], 3, 0.5, step_size=0.5, v=np.array([0.0, 0.0, 99.0]))
    np.testing.assert_allclose(elsewhere.v, [4.25, 1.125, 99.0])


def test_td0_bootstraps_at_truncation_and_not_at_termination():
    start = np.array([0.0, 10.0])
    ended = Episode([0, 1], [0], [1.0], terminated=True)
    truncated = Episode([0, 1], [0], [1.0], terminated=False)
    assert td0([ended], 2, 0.5, step_size=1.0, v=start).v[0] == 1.0
    assert td0([truncated], 2, 0.5, step_size=1.0, v=start).v[0] == 6.0  # 1 + ½·10
    np.testing.assert_array_equal(start, [0.0, 10.0])  # the given values are not touched


def test_monte_carlo_raises_for_a_truncated_episode():
    with pytest.raises(ValueError, match="got a truncated one; raise max_steps"):
        first_visit_monte_carlo([Episode([0, 1], [0], [1.0], terminated=False)], 2, 1.0)
    with pytest.raises(ValueError, match=r"expected T \+ 1 states"):
        Episode([0, 1], [0, 0], [1.0, 1.0], terminated=True)


def test_episodes_follow_the_policy_and_the_table():
    mdp = corridor(slip=0.2)
    policy = np.tile([0.25, 0.75], (5, 1))
    episodes = sample_episodes(mdp, policy, 3_000, rng=np.random.default_rng(0))
    assert all(e.terminated and e.states[-1] == 4 and 4 not in e.states[:-1] for e in episodes)
    assert all(reward == -1.0 for e in episodes for reward in e.rewards)
    starts = np.bincount([e.states[0] for e in episodes], minlength=5)
    np.testing.assert_allclose(starts / 3_000, [0.25, 0.25, 0.25, 0.25, 0.0], atol=0.032)  # 4 · √(¼·¾/3000)
    actions = np.concatenate([e.actions for e in episodes])
    assert actions.mean() == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / len(actions)))
    went_right = np.concatenate([np.diff(e.states) == 1 for e in episodes])[actions == 1]
    assert went_right.mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / len(went_right)))


def test_episodes_are_reproducible_and_truncated_at_max_steps():
    mdp = corridor()
    first, second = (
        sample_episodes(mdp, mdp.uniform_policy(), 5, rng=np.random.default_rng(7), max_steps=3) for _ in "ab"
    )
    assert [e.states for e in first] == [e.states for e in second]
    assert all(len(e.actions) <= 3 for e in first)
    assert any(not e.terminated for e in first)


def test_monte_carlo_and_td0_converge_to_the_bellman_solution():
    # Returns here have a standard deviation below 3 (γ = 0.9, costs of 1: they lie in [−10, −1]), and every cell is
    # visited in more than 3,000 episodes: a standard error below 0.055, so 0.2 is nearly four of them.
    mdp = corridor(gamma=0.9)
    policy = np.tile([0.4, 0.6], (5, 1))
    solved = bellman_solve(mdp, policy)
    exact = solved.v
    assert solved.residual < 1e-12
    episodes = sample_episodes(mdp, policy, 6_000, rng=np.random.default_rng(0))
    for estimate in (
        first_visit_monte_carlo(episodes, 5, 0.9),
        td0(episodes, 5, 0.9, step_size=lambda n: n**-0.7),
    ):
        assert estimate.visits[:4].min() > 3_000
        np.testing.assert_allclose(estimate.v, exact, atol=0.2)


def test_q_learning_converges_to_the_optimum():
    mdp = corridor(gamma=0.9)
    exact = value_iteration(mdp).q
    for epsilon in (0.3, 1.0):
        learned = q_learning(mdp, 200_000, np.random.default_rng(0), epsilon=epsilon, step_size=lambda n: n**-0.8)
        assert learned.visits.sum() == 200_000
        np.testing.assert_allclose(learned.q, exact, atol=0.1)


def test_sarsa_converges_to_the_best_epsilon_greedy_policy():
    mdp, epsilon = corridor(gamma=0.9), 0.3
    q = np.zeros((5, 2))
    for _ in range(20):  # policy iteration among the ε-greedy policies: their fixed point
        q = bellman_solve(mdp, epsilon_greedy_policy(q, epsilon)).q
    learned = sarsa(mdp, 200_000, np.random.default_rng(0), epsilon=epsilon, step_size=lambda n: n**-0.8)
    np.testing.assert_allclose(learned.q, q, atol=0.1)
    # and not to the optimum, which does not explore: that is better by more than the tolerance
    assert (value_iteration(mdp).q - q)[:3].min() > 0.2


def test_invalid_arguments_raise():
    mdp = corridor()
    with pytest.raises(ValueError, match="epsilon: expected a probability"):
        sarsa(mdp, 10, np.random.default_rng(0), epsilon=1.5, step_size=0.1)
    ends = TabularMDP(mdp.P, mdp.R, mdp.gamma, terminal=mdp.terminal, start=np.eye(5)[4])
    with pytest.raises(ValueError, match="start: expected probability 0"):
        q_learning(ends, 10, np.random.default_rng(0), epsilon=0.1, step_size=0.1)
    assert sample_episodes(ends, ends.uniform_policy(), 2, rng=np.random.default_rng(0))[0].states == [4]
