"""Chapter 5: four learning methods on the drunken spider; foresight and exploration decide the result."""

import numpy as np
from common import AMBER, BLUE, GREEN, INK, ORANGE, new_figure, options, require, save, style
from matplotlib.axes import Axes

from maxent.tabular import TabularMDP, bellman_solve
from maxent.tabular.examples import spider as sp
from maxent.tabular.sampling import Walk
from maxent.tabular.transitions import FloatArray

STUMBLE, CRITIC_STEP, ACTOR_STEP, RETURN_STEP = 0.1, 0.2, 0.1, 0.002
POINTS = 30
Learned = tuple[list[float], FloatArray]  # the exact return from the pub after each share of the steps; the last policy


def softmax(theta: FloatArray) -> FloatArray:
    weight = np.exp(theta - theta.max(axis=-1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def learn(mdp: TabularMDP, steps: int, seed: int, critic: TabularMDP | None, first_q: float) -> Learned:
    """Learn a softmax policy: by a TD critic of the MDP `critic`, or by REINFORCE if `critic` is None."""
    rng = np.random.default_rng(seed)
    walk, theta, policy = Walk(mdp, rng), np.zeros_like(mdp.R), mdp.uniform_policy()
    q = np.where(mdp.terminal[:, None], 0.0, np.full_like(mdp.R, first_q))
    episode, returns, s = list[tuple[int, int]](), list[float](), sp.PUB
    for t, uniform in enumerate(rng.random(steps), start=1):
        a = min(int((uniform >= policy[s].cumsum()).sum()), mdp.n_actions - 1)
        next_s = walk.step(s, a)
        if critic is not None:
            y = critic.R[s, a] + critic.gamma * policy[next_s] @ q[next_s]
            q[s, a] += CRITIC_STEP * (y - q[s, a])
            theta[s] += ACTOR_STEP * policy[s] * (q[s] - policy[s] @ q[s])  # E_{a~π}[Q(s, a) ∇ log π(a|s)]
            policy[s] = softmax(theta[s])
        else:
            episode.append((s, a))
            if mdp.terminal[next_s]:
                to_go = 0.0
                for state, action in reversed(episode):
                    to_go += mdp.R[state, action]
                    theta[state] += RETURN_STEP * to_go * (np.eye(mdp.n_actions)[action] - policy[state])
                policy, episode = softmax(theta), []
        s = sp.PUB if mdp.terminal[next_s] else next_s
        if t % (steps // POINTS) == 0:
            returns.append(float(bellman_solve(mdp, policy).v[sp.PUB]))
    return returns, policy


def draw_map(axes: Axes, policy: FloatArray) -> None:
    shades = {"~": (0.62, 0.79, 0.91), "=": (0.85, 0.74, 0.56), "#": (0.55, 0.57, 0.6)}
    axes.imshow([[shades.get(kind, (0.93, 0.95, 0.89)) for kind in line] for line in sp.MAP])
    for s, a in np.argwhere((policy > 0.02) & ~sp.TERMINAL[:, None]):
        down, right = (0.36 * policy[s, a] * step for step in list(sp.MOVES.values())[a])
        axes.arrow(sp.CELLS[s][1], sp.CELLS[s][0], right, down, color=BLUE, width=0.03, head_width=0.16)
    for x, y, name in ((0.0, 3.34, "pub"), (1.0, 3.34, "A"), (0.3, 2.34, "B"), (6.0, 3.34, "home")):
        axes.text(x, y, name, ha="center", va="center", fontsize=10.5, weight="bold")
    axes.set_title("What the actor-critic learns (arrows: π)", fontsize=11.5, loc="left", color=INK)
    axes.set_axis_off()


def main() -> None:
    """Train all four with the same number of steps and compare them with value iteration."""
    given = options(__doc__)
    mdp, exact = sp.spider_mdp(STUMBLE), sp.compare(STUMBLE)
    distance = np.linalg.norm(np.array(sp.CELLS) - sp.CELLS[sp.HOME], axis=-1)
    near = TabularMDP(mdp.P, np.where(mdp.terminal[:, None], 0.0, mdp.P.expect(-distance)), 0.0, terminal=mdp.terminal)
    learners: dict[str, tuple[str, TabularMDP | None, float]] = {
        "actor-critic, Q from 0": (BLUE, mdp, 0.0),
        "actor-critic, Q from −60": (GREEN, mdp, -60.0),
        "whole returns, no critic": (AMBER, None, 0.0),
        "one step of foresight": (ORANGE, near, 0.0),
    }
    steps, picks, found = 15_000 if given.quick else 30_000, {}, {}
    left, right = (figure := new_figure()).subplots(1, 2, width_ratios=(1.0, 1.05))
    print(f"Stumbling {STUMBLE:.0%}, the best return is {exact.planned_return:.2f} by B, {exact.q_a:.2f} by A;")
    random_q = bellman_solve(mdp, mdp.uniform_policy()).q[sp.PUB]
    print(f"to a random walker B is worth {random_q[sp.TO_B]:.1f}, A {random_q[sp.TO_A]:.1f}:")
    for name, (colour, critic, first_q) in learners.items():
        runs = [learn(mdp, steps, seed, critic, first_q) for seed in range(1 if given.quick else 5)]
        curve = np.median([returns for returns, _ in runs], axis=0)
        left.plot(np.arange(1, POINTS + 1) / POINTS * steps / 1_000, curve, color=colour, linewidth=2.2, label=name)
        picks[name], found[name] = "".join(sp.choice_at_pub(mdp, policy) for _, policy in runs), runs[0][1]
        lake = sp.lake_probability(mdp, found[name])
        print(f"  {name}: return {curve[-1]:.2f}, picks {picks[name]}, first run ends in the lake with {lake:.1%}")
    hopeful, _, *blind = picks.values()
    claim = "a hopeful critic leads to B; whole returns and short sight lead to A"
    require(claim, {*hopeful} == {"B"} and {*"".join(blind)} == {"A"})
    left.axhline(exact.planned_return, color=INK, linestyle=":", linewidth=1.5, label="value iteration")
    draw_map(right, found["actor-critic, Q from 0"])
    style(left, f"Walking home ({STUMBLE:.0%} stumbling)", x="thousand steps walked", y="expected return from the pub")
    left.set_ylim(-62, -10)
    left.legend(fontsize=10, frameon=True, edgecolor="none", loc="center right", bbox_to_anchor=(1.0, 0.42))
    save(figure, given, __file__)


if __name__ == "__main__":
    main()
