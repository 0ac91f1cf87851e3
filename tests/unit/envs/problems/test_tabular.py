"""The environment of a table: its moves, rewards and ends are those of the table."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy.stats import chisquare

from maxent.envs.problems.tabular import TabularEnv
from maxent.errors import UserError
from maxent.tabular import TabularMDP, random_mdp, soft_policy_solve, soft_q_iteration, state_value

GAMMA = 0.8


def corridor() -> TabularMDP:
    """Three states and a terminal fourth: action 0 goes on with probability 0.7, action 1 ends at once.

    The reward is 1 for going on and 0.25 for ending.
    """
    table = np.zeros((4, 2, 4))
    for s in range(3):
        table[s, 0, s + 1], table[s, 0, s] = 0.7, 0.3
        table[s, 1, 3] = 1.0
    reward = np.array([[1.0, 0.25]] * 3 + [[0.0, 0.0]])
    return TabularMDP(table, reward, GAMMA, terminal=[False, False, False, True], start=[1.0, 0.0, 0.0, 0.0])


def test_gymnasium_finds_nothing_wrong() -> None:
    check_env(gym.make("maxent/Tabular-v0").unwrapped)
    check_env(TabularEnv(corridor(), max_episode_steps=5), skip_render_check=True)


def test_the_registered_problem_is_the_random_one() -> None:
    env = gym.make("maxent/Tabular-v0", seed=3, states=6, actions=2, gamma=0.7, successors=2)
    same = random_mdp(3, 6, 2, successors=2, gamma=0.7)
    mdp = env.unwrapped.mdp
    assert mdp.gamma == 0.7
    np.testing.assert_array_equal(mdp.R, same.R)
    np.testing.assert_array_equal(mdp.P.dense(), same.P.dense())
    assert env.observation_space == gym.spaces.Box(0.0, 1.0, (6,), np.float32)
    assert env.action_space == gym.spaces.Discrete(2)
    env.reset(seed=0)
    ends = [env.step(np.int64(0))[2:4] for _ in range(100)]
    assert ends == [(False, False)] * 99 + [(False, True)]


@pytest.mark.parametrize("successors", [None, 3])
def test_moves_are_those_of_the_table(successors: int | None) -> None:
    """χ² of 30,000 moves against p(s'|s, a), all pairs together."""
    mdp = random_mdp(1, 5, 2, successors=successors)
    env = TabularEnv(mdp)
    obs, _ = env.reset(seed=0)
    count, rng = np.zeros((5, 2, 5)), np.random.default_rng(0)
    for action in rng.integers(2, size=30_000):
        state = int(obs.argmax())
        obs, reward, *_ = env.step(action)
        assert reward == mdp.R[state, action]
        count[state, action, obs.argmax()] += 1
    expected = count.sum(axis=-1, keepdims=True) * mdp.P.dense()
    possible = expected > 0.0
    assert count[~possible].sum() == 0
    test = chisquare(count[possible], expected[possible], ddof=mdp.n_states * mdp.n_actions - 1)
    assert test.pvalue > 0.01


@pytest.mark.parametrize("start", [None, [0.5, 0.2, 0.3, 0.0]])
def test_episodes_start_as_they_should(start: list[float] | None) -> None:
    mdp = TabularMDP(corridor().P, corridor().R, GAMMA, terminal=corridor().terminal)
    env = TabularEnv(mdp, start=start)
    firsts = [env.reset(seed=seed)[1]["state"] for seed in range(3000)]
    count = np.bincount(firsts, minlength=4)
    assert count[3] == 0
    expected = np.array([1 / 3] * 3 if start is None else start[:3])
    assert chisquare(count[:3], 3000 * expected).pvalue > 0.01


def test_observations_are_one_hot() -> None:
    env = TabularEnv(corridor())
    obs, info = env.reset(seed=0)
    assert obs.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert info == {"state": 0}
    obs, reward, terminated, truncated, info = env.step(np.int64(1))
    assert obs.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert (reward, terminated, truncated, info) == (0.25, True, False, {"state": 3})


def test_a_loop_without_a_terminal_state_goes_on() -> None:
    mdp = TabularMDP([[[0.0, 1.0]], [[0.0, 1.0]]], [0.0, 1.0], GAMMA)
    env = TabularEnv(mdp, start=[1.0, 0.0], max_episode_steps=3)
    env.reset(seed=0)
    assert [env.step(np.int64(0))[1:4] for _ in range(3)] == [
        (0.0, False, False),
        (1.0, False, False),
        (1.0, False, True),
    ]
    env.reset(seed=1)
    assert env.step(np.int64(0))[3] is False  # the limit counts from the reset


def test_returns_agree_with_the_exact_value() -> None:
    """The mean discounted return of 4,000 episodes of the soft optimal policy, within four standard errors."""
    mdp = corridor()
    policy = soft_q_iteration(mdp, 0.3).policy
    exact = float(mdp.start @ soft_policy_solve(mdp, policy, 1e-9).v)
    np.testing.assert_allclose(exact, state_value(soft_policy_solve(mdp, policy, 1e-9).q, policy)[0], atol=1e-6)
    env, rng = TabularEnv(mdp), np.random.default_rng(0)
    returns = []
    for episode in range(4000):
        obs, _ = env.reset(seed=episode)
        total, discount, terminated = 0.0, 1.0, False
        while not terminated:
            action = rng.choice(2, p=policy[obs.argmax()])
            obs, reward, terminated, *_ = env.step(action)
            total += discount * float(reward)
            discount *= GAMMA
        returns.append(total)
    assert abs(np.mean(returns) - exact) < 4 * np.std(returns) / np.sqrt(4000)


def test_the_same_seed_and_actions_give_the_same_episode() -> None:
    actions = np.random.default_rng(1).integers(4, size=50)

    def play(env: TabularEnv) -> list[int]:
        return [env.reset(seed=7)[1]["state"], *(env.step(action)[4]["state"] for action in actions)]

    first = TabularEnv(random_mdp(0))
    first.reset(seed=3)
    first.step(np.int64(0))
    assert play(first) == play(TabularEnv(random_mdp(0)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": [0.0, 0.0, 0.5, 0.5]}, "no weight on terminal states, got 0.5 on state 3"),
        ({"max_episode_steps": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TabularEnv(corridor(), **arguments)  # type: ignore[arg-type]


def test_an_action_that_is_none() -> None:
    env = TabularEnv(corridor())
    env.reset(seed=0)
    with pytest.raises(UserError, match=r"0\.\.1, got -1"):
        env.step(np.int64(-1))
