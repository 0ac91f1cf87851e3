"""Linear dynamics and quadratic costs in one dimension: continuous control with a closed-form soft solution.

`soft_lq_solution` returns value, Q and policy exactly, to compare with those of a learned agent.
"""

import math
from dataclasses import dataclass
from typing import Any, SupportsFloat, final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError


@final
@dataclass(frozen=True)
class LQProblem:
    """s' = a·s + b·u + w with w ~ N(0, sigma²), reward −(q·s² + r·u²), |u| ≤ bound.

    With the defaults, γ = 0.9 and α = 0.05 the optimal policy stays far from the bounds in all states that an episode
    visits: in units of the bound its standard deviation is 0.082 and its mean at most 0.46, six of them away.

    Args:
        a: the factor of the state.
        b: the factor of the action.
        q: the cost of the squared state.
        r: the cost of the squared action, more than 0.
        sigma: the standard deviation of the noise.
        bound: the largest action.
        start: an episode starts uniformly in [-start, start].
    """

    a: float = 1.0
    b: float = 0.5
    q: float = 1.0
    r: float = 0.5
    sigma: float = 0.1
    bound: float = 2.0
    start: float = 1.0

    def __post_init__(self) -> None:
        if not (self.r > 0.0 and self.q >= 0.0 and self.sigma >= 0.0 and self.bound > 0.0 and self.start >= 0.0):
            raise UserError(f"LQProblem: expected r, bound > 0 and q, sigma, start >= 0, got {self}.")


@final
@dataclass(frozen=True)
class SoftLQSolution:
    """V(s) = −P s² + c, and π(·|s) = N(−K s, std²) over the normalised action x = u/bound in (−1, 1).

    Q(s, x) = −(q_ss s² + 2 q_sx s x + q_xx x²) + q_0. Entropy is that of x, as with a policy squashed by tanh.
    """

    P: float
    c: float
    K: float
    std: float
    q_ss: float
    q_sx: float
    q_xx: float
    q_0: float

    def value(self, s: NDArray[Any]) -> NDArray[np.float64]:
        """Return V(s).   s [...] → [...]"""
        return self.c - self.P * np.square(np.asarray(s, np.float64))

    def q_value(self, s: NDArray[Any], x: NDArray[Any]) -> NDArray[np.float64]:
        """Return Q(s, x).   s, x [...] → [...]"""
        state, action = np.asarray(s, np.float64), np.asarray(x, np.float64)
        cost = self.q_ss * state**2 + 2.0 * self.q_sx * state * action + self.q_xx * action**2
        quality: NDArray[np.float64] = self.q_0 - cost
        return quality

    def mean(self, s: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean of the policy in normalised units.   s [...] → [...]"""
        return -self.K * np.asarray(s, np.float64)


def soft_lq_solution(problem: LQProblem, *, alpha: float, gamma: float) -> SoftLQSolution:
    """Solve Q = r + γ E[V(s')], V = α log ∫ exp(Q/α) dx (Haarnoja et al. 2017, arXiv 1702.08165, eq. 5).

    With x = u/bound, B = b·bound and R = r·bound², put V = −P s² + c into the backup and E[s'²] = (a s + B x)² + σ²:

        Q(s, x) = −q s² − R x² − γP (a s + B x)² + γ (c − P σ²)
                = −M (x + K s)² − (q + γ a² P − M K²) s² + γ (c − P σ²),   M = R + γ B² P,  K = γ a B P / M.

    exp(Q/α) is a Gaussian in x: π = N(−K s, α/(2M)), and its integral adds (α/2) log(πα/M). Comparing with −P s² + c,

        P = q + γ a² P − M K² = q + γ a² P R / M,  that is  γB² P² + (R − γB² q − γa² R) P − q R = 0  with P ≥ 0,
        c = [(α/2) log(πα/M) − γ P σ²] / (1 − γ).

    Deviation: the integral is over all x, but the environment allows |x| ≤ 1 only; with the defaults less than 1e-9
    of the probability lies outside.
    """
    if not (alpha > 0.0 and 0.0 <= gamma < 1.0):
        raise UserError(f"soft_lq_solution: expected alpha > 0 and 0 <= gamma < 1, got {alpha} and {gamma}.")
    a, q, noise = problem.a, problem.q, problem.sigma**2
    B, R = problem.b * problem.bound, problem.r * problem.bound**2
    P = _positive_root(gamma * B**2, R - gamma * B**2 * q - gamma * a**2 * R, -q * R)
    M = R + gamma * B**2 * P
    c = (0.5 * alpha * math.log(math.pi * alpha / M) - gamma * P * noise) / (1.0 - gamma)
    return SoftLQSolution(
        P=P,
        c=c,
        K=gamma * a * B * P / M,
        std=math.sqrt(alpha / (2.0 * M)),
        q_ss=q + gamma * a**2 * P,
        q_sx=gamma * a * B * P,
        q_xx=M,
        q_0=gamma * (c - P * noise),
    )


@final
class LinearQuadratic(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Episodes of an `LQProblem`, which never terminate.

    Observation: s [1]. Action: u [1] in [-bound, bound], clipped. The arguments are those of `LQProblem`.
    """

    def __init__(
        self,
        *,
        a: float = LQProblem.a,
        b: float = LQProblem.b,
        q: float = LQProblem.q,
        r: float = LQProblem.r,
        sigma: float = LQProblem.sigma,
        bound: float = LQProblem.bound,
        start: float = LQProblem.start,
    ) -> None:
        self.problem = LQProblem(a, b, q, r, sigma, bound, start)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.action_space = gym.spaces.Box(-bound, bound, (1,), np.float32)
        self._state = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw the first state from the starting range."""
        super().reset(seed=seed)
        self._state = float(self.np_random.uniform(-self.problem.start, self.problem.start))
        return np.array([self._state], np.float32), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """Take one step; the reward is that of the state before it."""
        problem, s = self.problem, self._state
        u = min(max(float(np.asarray(action).reshape(1)[0]), -problem.bound), problem.bound)
        self._state = problem.a * s + problem.b * u + problem.sigma * float(self.np_random.normal())
        return np.array([self._state], np.float32), -(problem.q * s**2 + problem.r * u**2), False, False, {}

    def solution(self, *, alpha: float, gamma: float) -> SoftLQSolution:
        """Return the optimal policy of this environment and its values: `soft_lq_solution`."""
        return soft_lq_solution(self.problem, alpha=alpha, gamma=gamma)


def _positive_root(square: float, linear: float, constant: float) -> float:
    """Return the non-negative root of square·x² + linear·x + constant, for square ≥ 0 ≥ constant."""
    if square == 0.0:
        return -constant / linear if constant else 0.0
    return (-linear + math.sqrt(linear**2 - 4.0 * square * constant)) / (2.0 * square)
