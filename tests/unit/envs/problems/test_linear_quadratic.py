"""The linear-quadratic problem: the formula against brute force, and the environment against the formula."""

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from maxent.envs.problems.linear_quadratic import LinearQuadratic, LQProblem, soft_lq_solution
from maxent.errors import UserError

ALPHA, GAMMA = 0.05, 0.9
OTHER = LQProblem(a=0.8, b=-0.3, q=2.0, r=0.4, sigma=0.2, bound=3.0)


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized space")  # bounds other than 1 are wanted here
@pytest.mark.filterwarnings("ignore:.*A Box observation space m.*imum value is -?infinity")
def test_gymnasium_finds_nothing_wrong() -> None:
    check_env(gym.make("maxent/LinearQuadratic-v0").unwrapped)


def soft_value_iteration(problem: LQProblem, alpha: float, gamma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States [S], normalised actions [X] and Q [S, X], by plain iteration on grids that cover the actions allowed.

    ∫ over actions: the trapezoidal rule. E over the noise: Gauss-Hermite. Between states: linear interpolation.
    """
    s, x = np.linspace(-3.0, 3.0, 601), np.linspace(-1.0, 1.0, 401)
    node, weight = np.polynomial.hermite_e.hermegauss(5)
    weight = weight / weight.sum()
    u = problem.bound * x
    reward = -(problem.q * s[:, None] ** 2 + problem.r * u**2)  # [S, X]
    mean = problem.a * s[:, None] + problem.b * u  # [S, X]
    dx = np.full(len(x), x[1] - x[0])
    dx[[0, -1]] /= 2.0
    v = np.zeros(len(s))
    for _ in range(2000):
        noisy = np.interp(s[:, None] + problem.sigma * node, s, v) @ weight  # E[v(s + w)]  [S]
        q = reward + gamma * np.interp(mean, s, noisy)
        top = q.max(axis=1, keepdims=True)
        new = top[:, 0] + alpha * np.log(np.exp((q - top) / alpha) @ dx)
        change, v = np.abs(new - v).max(), new
        if change < 1e-7:
            return s, x, q
    raise AssertionError("did not converge")


@pytest.mark.parametrize(
    ("problem", "alpha", "gamma"), [(LQProblem(), ALPHA, GAMMA), (OTHER, 0.1, 0.8), (LQProblem(sigma=0.0), 0.02, 0.6)]
)
def test_the_formula_is_what_iteration_finds(problem: LQProblem, alpha: float, gamma: float) -> None:
    """Brute force knows the bounds of the action and the formula does not: that they agree says the bounds are wide."""
    exact = soft_lq_solution(problem, alpha=alpha, gamma=gamma)
    s, x, q = soft_value_iteration(problem, alpha, gamma)
    inside = np.abs(s) <= 1.0
    s, q = s[inside], q[inside]
    weight = np.exp((q - q.max(axis=1, keepdims=True)) / alpha)
    v = q.max(axis=1) + alpha * np.log(weight.sum(axis=1) * (x[1] - x[0]))
    policy = weight / weight.sum(axis=1, keepdims=True)
    mean = policy @ x
    std = np.sqrt((policy * (x - mean[:, None]) ** 2).sum(axis=1))

    scale = np.abs(exact.value(s)).max()
    np.testing.assert_allclose(v, exact.value(s), rtol=0, atol=0.002 * scale)
    np.testing.assert_allclose(v[0] - v[len(v) // 2], -exact.P, rtol=0.005)  # V(−1) − V(0) = −P
    np.testing.assert_allclose(v[len(v) // 2], exact.c, rtol=0.005, atol=0.0005 * scale)
    np.testing.assert_allclose(mean, exact.mean(s), rtol=0, atol=0.005 * abs(exact.K))
    np.testing.assert_allclose(std, exact.std, rtol=0.005)
    near = np.abs(x - exact.mean(s)[:, None]) < 3 * exact.std
    gap = q - exact.q_value(s[:, None], x)
    assert np.abs(gap[near]).max() < 0.003 * scale


@pytest.mark.parametrize("problem", [LQProblem(), OTHER, LQProblem(b=0.0, a=0.5), LQProblem(q=0.0, a=0.5)])
def test_the_formula_is_a_fixed_point(problem: LQProblem) -> None:
    """Q = r + γE[V(s')] and V = E[Q − α log π], in closed form from the moments of x."""
    sol = soft_lq_solution(problem, alpha=ALPHA, gamma=GAMMA)
    s, x = np.linspace(-2.0, 2.0, 9)[:, None], np.linspace(-1.0, 1.0, 7)
    u = problem.bound * x
    second = (problem.a * s + problem.b * u) ** 2 + problem.sigma**2  # E[s'²]
    backup = -(problem.q * s**2 + problem.r * u**2) + GAMMA * (sol.c - sol.P * second)
    np.testing.assert_allclose(sol.q_value(s, x), backup, rtol=1e-12)
    m = sol.mean(s)
    mean_q = sol.q_value(s, m) - sol.q_xx * sol.std**2  # Q is quadratic, so E[Q] is Q at the mean − M·variance
    entropy = 0.5 * math.log(2.0 * math.pi * math.e * sol.std**2)
    np.testing.assert_allclose(sol.value(s), mean_q + ALPHA * entropy, rtol=1e-12)


def test_a_solution_worked_by_hand() -> None:
    # B = R = 1, a = 1, q = 1, γ = 0.5: 0.5P² + (1 − 0.5 − 0.5)P − 1 = 0, so P = √2, M = 1 + √2/2, K = (√2/2)/M = √2 − 1
    sol = soft_lq_solution(LQProblem(b=1.0, r=1.0, bound=1.0, sigma=0.0), alpha=0.1, gamma=0.5)
    assert pytest.approx(math.sqrt(2.0)) == sol.P
    assert sol.q_xx == pytest.approx(1.0 + math.sqrt(0.5))
    assert pytest.approx(math.sqrt(2.0) - 1.0) == sol.K
    assert sol.std == pytest.approx(math.sqrt(0.05 / (1.0 + math.sqrt(0.5))))
    assert sol.c == pytest.approx(0.1 * math.log(math.pi * 0.1 / (1.0 + math.sqrt(0.5))))  # (α/2) / (1 − γ) = α


def test_a_squashed_gaussian_comes_close_enough() -> None:
    """The best policy of the form tanh(N(μ, σ)) loses α·KL per step: far below 3 % of the value at every start."""
    sol = soft_lq_solution(LQProblem(), alpha=ALPHA, gamma=GAMMA)
    assert 0.05 < sol.std < 0.15
    s = np.linspace(-LQProblem.start, LQProblem.start, 21)
    assert np.abs(sol.mean(s)).max() < 0.5
    x = np.linspace(-1.0, 1.0, 20_001)[1:-1]
    for state in s:
        m = float(sol.mean(state))
        log_target = -0.5 * ((x - m) / sol.std) ** 2 - math.log(sol.std)
        sigma = sol.std / (1.0 - m**2)  # the slope of tanh at its mean
        log_squashed = -0.5 * ((np.arctanh(x) - math.atanh(m)) / sigma) ** 2 - math.log(sigma) - np.log(1.0 - x**2)
        density = np.exp(log_squashed) / math.sqrt(2.0 * math.pi)
        divergence = float((density * (log_squashed - log_target)).sum() * (x[1] - x[0]))
        assert ALPHA * divergence / (1.0 - GAMMA) < 0.01 * abs(float(sol.value(state)))


def test_the_best_policy_earns_its_value() -> None:
    """The mean of Σγᵗ(r + α·entropy) over 2,000 episodes of 100 steps, and how far they stray."""
    env = LinearQuadratic()
    sol = env.solution(alpha=ALPHA, gamma=GAMMA)
    rng = np.random.default_rng(0)
    bonus = ALPHA * 0.5 * math.log(2.0 * math.pi * math.e * sol.std**2)
    gain, farthest = [], 0.0
    for episode in range(2000):
        obs, _ = env.reset(seed=episode)
        total = -float(sol.value(obs[0]))
        for t in range(100):
            x = sol.mean(obs) + sol.std * rng.normal(size=1)
            obs, reward, terminated, truncated, _ = env.step((2.0 * x).astype(np.float32))
            assert not terminated and not truncated
            total += GAMMA**t * (float(reward) + bonus)
            farthest = max(farthest, abs(float(obs[0])))
        gain.append(total)
    assert abs(np.mean(gain)) < 4 * np.std(gain) / np.sqrt(len(gain))
    assert np.std(gain) / np.sqrt(len(gain)) < 0.01
    assert farthest < 1.3


def test_a_step_worked_by_hand() -> None:
    env = LinearQuadratic(a=0.5, b=2.0, q=3.0, r=0.25, sigma=0.0, bound=4.0)
    obs, _ = env.reset(seed=0)
    s = env._state
    assert obs[0] == np.float32(s) and abs(s) <= 1.0
    obs, reward, *_ = env.step(np.array([1.0], np.float32))
    assert obs[0] == np.float32(0.5 * s + 2.0)
    assert reward == pytest.approx(-(3.0 * s**2 + 0.25))
    s = env._state
    obs, reward, *_ = env.step(np.array([9.0], np.float32))  # held at 4
    assert obs[0] == np.float32(0.5 * s + 8.0)
    assert reward == pytest.approx(-(3.0 * s**2 + 4.0))


def test_the_noise_has_its_spread_and_the_start_its_range() -> None:
    env = LinearQuadratic(sigma=0.3, start=2.0)
    starts, noise = [], []
    for seed in range(2000):
        starts.append(float(env.reset(seed=seed)[0][0]))
        noise.append(env.step(np.zeros(1, np.float32))[0][0] - starts[-1])
    assert np.std(noise) == pytest.approx(0.3, rel=4 / np.sqrt(4000))
    assert abs(np.mean(noise)) < 4 * 0.3 / np.sqrt(2000)
    assert np.std(starts) == pytest.approx(2.0 / np.sqrt(3.0), rel=0.05)
    assert np.abs(starts).max() <= 2.0


def test_the_same_seed_and_actions_give_the_same_episode() -> None:
    actions = np.random.default_rng(1).uniform(-2, 2, (25, 1)).astype(np.float32)

    def play(env: LinearQuadratic) -> list[np.ndarray]:
        return [env.reset(seed=7)[0], *(env.step(action)[0] for action in actions)]

    first = LinearQuadratic()
    first.reset(seed=3)
    first.step(actions[0])
    np.testing.assert_array_equal(play(first), play(LinearQuadratic()))


def test_the_registered_environment_takes_arguments_and_is_cut_after_25_steps() -> None:
    env = gym.make("maxent/LinearQuadratic-v0", r=0.75, bound=3.0)
    assert env.unwrapped.problem == LQProblem(r=0.75, bound=3.0)
    assert env.action_space == gym.spaces.Box(-3.0, 3.0, (1,), np.float32)
    env.reset(seed=0)
    ends = [env.step(np.zeros(1, np.float32))[2:4] for _ in range(25)]
    assert ends == [(False, False)] * 24 + [(False, True)]


def test_what_has_no_solution_is_refused() -> None:
    with pytest.raises(UserError, match="r, bound > 0"):
        LQProblem(r=0.0)
    with pytest.raises(UserError, match=r"alpha > 0 and 0 <= gamma < 1, got 0\.0 and 0\.9"):
        soft_lq_solution(LQProblem(), alpha=0.0, gamma=0.9)
