import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from tabular_problems import mdps, random_policy

from maxent.tabular import (
    DenseTransitions,
    SparseTransitions,
    TabularMDP,
    from_gymnasium,
    random_mdp,
    soft_policy_iteration,
    value_iteration,
)

# Two states, two actions. From 0: action 0 stays, action 1 goes to 0 or 1 evenly. From 1: everything goes to 1.
P = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]])
R = np.array([[1.0, 2.0], [3.0, 4.0]])
PROPERTY = settings(max_examples=25, deadline=None)


def sparse_p() -> SparseTransitions:
    return SparseTransitions(
        next_state=np.array([[[0, 0], [0, 1]], [[1, 1], [1, 0]]]),  # (0, 0) and (1, 0) list one state twice
        probability=np.array([[[0.25, 0.75], [0.5, 0.5]], [[0.5, 0.5], [1.0, 0.0]]]),
    )


def test_expect_by_hand_dense_and_sparse():
    # v = [10, 20]: (0, 0) → 10;  (0, 1) → ½·10 + ½·20 = 15;  from 1 always 20.
    for transitions in (P, sparse_p()):
        mdp = TabularMDP(transitions, R, 0.9)
        np.testing.assert_allclose(mdp.expect(np.array([10.0, 20.0])), [[10.0, 15.0], [20.0, 20.0]])
        np.testing.assert_allclose(mdp.P.dense(), P)


def test_three_forms_of_reward_reduce_to_state_action():
    # r(s): the same for both actions.
    np.testing.assert_array_equal(TabularMDP(P, [1.0, 2.0], 0.9).R, [[1.0, 1.0], [2.0, 2.0]])
    # r(s, a, s') = [[[1, 9], [2, 4]], [[9, 3], [9, 5]]]: (0, 1) → ½·2 + ½·4 = 3; the 9s have probability 0.
    each = np.array([[[1.0, 9.0], [2.0, 4.0]], [[9.0, 3.0], [9.0, 5.0]]])
    np.testing.assert_allclose(TabularMDP(P, each, 0.9).R, [[1.0, 3.0], [3.0, 5.0]])
    # One for each listed successor. (0, 0): ¼·4 + ¾·8 = 7;  (0, 1): ½·2 + ½·4 = 3;  (1, 0): ½·0 + ½·6 = 3;  (1, 1): 5.
    listed = np.array([[[4.0, 8.0], [2.0, 4.0]], [[0.0, 6.0], [5.0, 9.0]]])
    np.testing.assert_allclose(TabularMDP(sparse_p(), listed, 0.9).R, [[7.0, 3.0], [3.0, 5.0]])


def test_terminal_states_have_value_0_and_their_rows_are_ignored():
    table = P.copy()
    table[1] = 0.0  # not a distribution
    for mdp in (
        TabularMDP(table, [1.0, 0.0], 1.0, terminal=[False, True]),
        TabularMDP(sparse_p(), [1.0, 0.0], 1.0, terminal=[False, True]),
    ):
        # v(1) counts 0: (0, 1) → ½·10 + ½·0 = 5.
        np.testing.assert_allclose(mdp.expect(np.array([10.0, 20.0])), [[10.0, 5.0], [0.0, 0.0]])
        np.testing.assert_array_equal(mdp.P.dense()[1], [[0.0, 1.0], [0.0, 1.0]])
        np.testing.assert_array_equal(mdp.start, [1.0, 0.0])


def test_a_reward_for_arriving_may_be_given_in_the_rows_of_the_terminal_state_too():
    arriving = np.zeros((2, 2, 2))
    arriving[:, :, 1] = 6.0  # also "from 1 to 1", which never happens
    mdp = TabularMDP(P, arriving, 1.0, terminal=[False, True])
    np.testing.assert_allclose(mdp.R, [[0.0, 3.0], [0.0, 0.0]])


def test_under_a_policy_one_action_remains():
    # π(·|0) = (0.2, 0.8): r = 0.2·1 + 0.8·2 = 1.8, to 0 with 0.2·1 + 0.8·½ = 0.6. π(·|1) = (1, 0): r = 3. Bonus 10, 20.
    for transitions in (P, sparse_p()):
        chain = TabularMDP(transitions, R, 0.9).under([[0.2, 0.8], [1.0, 0.0]], bonus=[10.0, 20.0])
        np.testing.assert_allclose(chain.P.dense()[:, 0, :], [[0.6, 0.4], [0.0, 1.0]])
        np.testing.assert_allclose(chain.R, [[11.8], [23.0]])


def test_the_table_is_a_read_only_copy():
    table = P.copy()
    mdp = TabularMDP(table, R, 0.9)
    table[0, 0] = [0.0, 1.0]
    np.testing.assert_array_equal(mdp.P.dense(), P)
    for array in (mdp.P.probability, mdp.R, mdp.terminal, mdp.start):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        mdp.gamma = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"P": P[0]}, r"P: expected shape \[S, A, S\].*got \[2, 2\]"),
        ({"P": P * 0.9}, r"P: expected every row to sum to 1.*divide each row"),
        ({"P": P.astype(np.float32) / np.float32(3.0) * np.float32(3.0001)}, "sum to 1"),
        ({"P": P - 2 * np.array([1.0, -1.0])}, r"probabilities >= 0, got -2 at \(1, 0, 0\)"),
        ({"P": np.full((2, 2, 2), np.nan)}, "P: expected finite"),
        ({"R": np.zeros((2, 3))}, r"R: expected shape \[S, A\] = \[2, 2\].*got \[2, 3\]"),
        ({"R": [[np.inf, 0.0], [0.0, 0.0]]}, "R: expected finite rewards"),
        ({"gamma": 1.5}, r"gamma: expected a discount in \[0, 1\], got 1.5"),
        ({"gamma": float("nan")}, "gamma"),
        ({"gamma": 1.0}, "gamma: expected less than 1 without terminal states"),
        ({"terminal": [0, 1]}, "terminal: expected 2 booleans"),
        ({"terminal": [False, True]}, r"R: expected reward 0 in terminal states, got \[3.0, 4.0\] in state 1"),
        ({"start": [1.0]}, "start: expected one probability for each of the 2 states"),
        ({"start": [0.5, 0.4]}, "start: expected every row to sum to 1"),
    ],
)
def test_an_invalid_problem_raises(changed, message):
    with pytest.raises(ValueError, match=message):
        TabularMDP(**{"P": P, "R": R, "gamma": 0.9, **changed})


def test_invalid_successor_lists_and_policies_raise():
    with pytest.raises(ValueError, match=r"the same shape \[S, A, K\]"):
        SparseTransitions(np.zeros((2, 2, 1), dtype=int), np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="expected integers, got float64"):
        SparseTransitions(np.zeros((2, 2, 1)), np.ones((2, 2, 1)))
    with pytest.raises(ValueError, match=r"expected states 0..1, got 0..2"):
        SparseTransitions(np.array([[[0]], [[2]]]), np.ones((2, 1, 1)))
    mdp = TabularMDP(P, R, 0.9)
    with pytest.raises(ValueError, match=r"policy: expected probabilities of shape \[S, A\] = \[2, 2\], got \[2\]"):
        mdp.check_policy([0, 1])
    with pytest.raises(ValueError, match="policy: expected every row to sum to 1"):
        mdp.check_policy([[0.5, 0.4], [1.0, 0.0]])


@PROPERTY
@given(mdp=mdps())
def test_dense_and_sparse_agree(mdp):
    dense = TabularMDP(DenseTransitions(mdp.P.dense()), mdp.R, mdp.gamma, terminal=mdp.terminal)
    sparse = TabularMDP(dense.P.sparse(), mdp.R, mdp.gamma, terminal=mdp.terminal)
    policy, v = random_policy(mdp, 1), np.random.default_rng(2).normal(size=mdp.n_states)
    np.testing.assert_allclose(dense.expect(v), sparse.expect(v), atol=1e-12)
    np.testing.assert_allclose(dense.expect(v), mdp.expect(v), atol=1e-12)
    np.testing.assert_allclose(dense.under(policy).P.dense(), sparse.under(policy).P.dense(), atol=1e-12)
    for solve in (value_iteration, lambda m: soft_policy_iteration(m, 0.5)):
        np.testing.assert_allclose(solve(dense).q, solve(sparse).q, atol=1e-6)


def test_random_problems_are_reproducible():
    first, second, other = random_mdp(3, 5, 2), random_mdp(3, 5, 2), random_mdp(4, 5, 2)
    np.testing.assert_array_equal(first.P.dense(), second.P.dense())
    assert not np.array_equal(first.R, other.R)
    assert isinstance(first.P, DenseTransitions)
    garnet = random_mdp(3, 5, 2, successors=3, gamma=0.5)
    assert isinstance(garnet.P, SparseTransitions)
    assert garnet.P.probability.shape == (5, 2, 3)
    assert garnet.gamma == 0.5


def test_frozen_lake_without_slipping():
    mdp = from_gymnasium(gym.make("FrozenLake-v1", is_slippery=False), gamma=0.9)
    assert (mdp.n_states, mdp.n_actions) == (17, 4)  # 16 cells and the added end
    # The 4x4 map's shortest safe way has 6 moves; only the last earns 1, discounted 5 times.
    assert value_iteration(mdp).v[0] == pytest.approx(0.9**5)
    np.testing.assert_array_equal(mdp.start, np.eye(17)[0])


def test_frozen_lake_with_slipping_keeps_three_outcomes():
    mdp = from_gymnasium(gym.make("FrozenLake-v1"), gamma=0.9)
    # Cell 14 lies left of the goal, on the bottom edge. Action right (2): on to the goal, or aside: up to cell 10, or
    # down against the edge, back in 14; a third each. Reaching the goal earns 1 and ends.
    np.testing.assert_allclose(mdp.P.dense()[14, 2, [10, 14, 16]], [1 / 3, 1 / 3, 1 / 3])
    assert mdp.R[14, 2] == pytest.approx(1 / 3)


def test_cliff_walking():
    mdp = from_gymnasium(gym.make("CliffWalking-v1"), gamma=1.0)
    # From the bottom left corner: up, 11 to the right, down. 13 moves at −1 each.
    assert value_iteration(mdp).v[36] == pytest.approx(-13.0)


def test_taxi_policy_earns_its_value_in_the_environment():
    env = gym.make("Taxi-v4")
    mdp = from_gymnasium(env, gamma=1.0)
    assert (mdp.n_states, mdp.n_actions) == (501, 6)
    solution = value_iteration(mdp)
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        expected, earned, terminated = solution.v[observation], 0.0, False
        while not terminated:  # Taxi is deterministic and γ = 1: the return is the value, exactly
            observation, reward, terminated, truncated, _ = env.step(int(solution.policy[observation].argmax()))
            assert not truncated
            earned += float(reward)
        assert earned == pytest.approx(expected)


def test_a_state_may_end_one_walk_and_continue_another():
    class Table:
        P = {  # noqa: RUF012
            0: {0: [(0.5, 1, 2.0, True), (0.5, 1, 4.0, False)]},
            1: {0: [(1.0, 1, 8.0, True)]},
        }

        @property
        def unwrapped(self):
            return self

    # V(1) = 8. V(0) = ½·2 (ends in 1) + ½·(4 + 0.5·8) = 1 + 4 = 5.
    mdp = from_gymnasium(Table(), gamma=0.5)
    np.testing.assert_allclose(value_iteration(mdp).v, [5.0, 8.0, 0.0])


def test_an_environment_without_a_table_raises():
    with pytest.raises(ValueError, match=r"transition table at env\.unwrapped\.P.*got CartPoleEnv"):
        from_gymnasium(gym.make("CartPole-v1"))
