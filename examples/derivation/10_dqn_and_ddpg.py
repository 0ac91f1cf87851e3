"""Chapter 10: DQN and DDPG as the library runs them, on two problems whose solutions are known exactly."""

from typing import Any

import numpy as np
from common import BLUE, GREEN, INK, ORANGE, check, new_figure, options, require, save, style
from matplotlib.axes import Axes

import maxent
from maxent.envs.problems.linear_quadratic import LQProblem, soft_lq_solution
from maxent.envs.problems.tabular import TabularEnv
from maxent.tabular import random_mdp, value_iteration

STATES, ACTIONS, GAMMA, STARTS = 10, 3, 0.9, 500
SHARED: dict[str, Any] = {
    "gamma": GAMMA,
    "batch_size": 128,
    "buffer_size": 10_000,
    "eval_every": 0,
    "compile": "off",
    "verbose": False,
}


def dqn(axes: Axes, updates: int) -> None:
    """Compare the values of DQN with Q* of a finite MDP, with fast and with slow target copies."""
    mdp = random_mdp(0, n_states=STATES, n_actions=ACTIONS, gamma=GAMMA)
    best = value_iteration(mdp, tol=1e-10)
    obs, actions = np.eye(STATES, dtype=np.float32).repeat(ACTIONS, 0), np.tile(np.arange(ACTIONS), STATES)
    for delay, colour in ((100, BLUE), (25, GREEN)):
        agent = maxent.DQN(
            lambda: TabularEnv(mdp, max_episode_steps=100), hidden=(64,), learning_rate=2e-3, learning_starts=STARTS,
            target_delay=delay, exploration_steps=STARTS, final_epsilon=0.5, **SHARED,
        )  # fmt: skip
        agent.learn(STARTS)
        errors = [np.sqrt(np.mean((agent.q(obs, actions).reshape(mdp.R.shape) - best.q) ** 2))]
        for _ in range(updates // 200):
            agent.learn(200)
            q = agent.q(obs, actions).reshape(mdp.R.shape)
            errors.append(np.sqrt(np.mean((q - best.q) ** 2)))
        count = 200 * np.arange(len(errors))
        axes.semilogy(count, errors, "o-", color=colour, linewidth=2.2, markersize=4, label=f"copy every {delay}")
        axes.semilogy(count, errors[0] * GAMMA ** (count / delay), color=colour, linestyle=":", linewidth=1.5)
        print(f"  DQN, copy every {delay} updates: error {errors[0]:.3f}, at the end {errors[-1]:.3f}")
        if delay == 100:
            rate = (errors[-1] / errors[1]) ** (delay / (count[-1] - count[1]))
            check("the error falls with each copy by", rate, GAMMA, within=0.02)
            require("the greedy actions are the optimal ones", bool((q.argmax(1) == best.q.argmax(1)).all()))


def ddpg(policy: Axes, value: Axes, steps: int) -> None:
    """Compare policy and value of DDPG, three seeds side by side, with the solution of a linear-quadratic problem."""
    exact = soft_lq_solution(problem := LQProblem(), alpha=1e-9, gamma=GAMMA)
    s = np.linspace(-1.0, 1.0, 21, dtype=np.float32)[:, None]
    agent = maxent.DDPG(
        "maxent/LinearQuadratic-v0", seeds=3, hidden=(32, 32), tau=0.02, actor_learning_rate=3e-4,
        critic_learning_rate=3e-3, exploration_noise=0.3, learning_starts=STARTS, **SHARED,
    )  # fmt: skip
    agent.learn(steps)
    acts = np.stack([agent.predict(s, deterministic=True, member=k)[0] for k in range(3)])  # [3, 21, 1]
    q = np.stack([agent.q(s, a, member=k) for k, a in enumerate(acts)])  # [3, 21]
    gains = -(acts[..., 0] @ s[:, 0]) / float(s[:, 0] @ s[:, 0]) / problem.bound
    print(f"  DDPG: gains of the three seeds {np.round(gains, 3)}")
    check("DDPG: median gain K of the policy −K s", float(np.median(gains)), exact.K, within=0.15)
    errors = np.abs(q - exact.value(s[:, 0])).mean(-1)
    print(f"  DDPG: mean of |Q(s, mu(s)) − V*(s)| for each seed {np.round(errors, 2)}")
    policy.plot(s, acts[..., 0].T, color=ORANGE, linewidth=1.8, label=["DDPG", "_", "_"])
    value.plot(s, q.T, color=ORANGE, linewidth=1.8)
    policy.plot(s, problem.bound * exact.mean(s), color=INK, linestyle=":", linewidth=2.0, label="exact")
    value.plot(s, exact.value(s), color=INK, linestyle=":", linewidth=2.0)


def main() -> None:
    """Train both algorithms for a few seconds."""
    given = options(__doc__)
    axes = (figure := new_figure()).subplot_mosaic([["dqn", "policy"], ["dqn", "value"]], width_ratios=(1.1, 1.0))
    dqn(axes["dqn"], updates=800 if given.quick else 2_000)
    ddpg(axes["policy"], axes["value"], steps=2_000 if given.quick else 3_000)
    style(axes["dqn"], "DQN: root mean square of Q − Q*", x="updates (dotted: γ per target copy)")
    style(axes["policy"], "DDPG: action μ(s), three seeds")
    style(axes["value"], "Q(s, μ(s)) of the same critics, and V*", x="state")
    axes["dqn"].legend(fontsize=10.5, edgecolor="none")
    axes["policy"].legend(fontsize=10, edgecolor="none", ncols=3)
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
