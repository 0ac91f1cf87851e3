"""A toy graph of six states without choices, evaluated by dynamic programming, Monte Carlo and TD(0).

`maxent tabular graph` prints `report()`; `graph_figure` draws the same values.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np

from maxent.tabular.evaluation import bellman_solve
from maxent.tabular.learning import first_visit_monte_carlo, td0
from maxent.tabular.mdp import TabularMDP
from maxent.tabular.sampling import Episode, sample_episodes
from maxent.tabular.transitions import FloatArray

STATES = ("s1", "s2", "s3", "s4", "s5", "s6")
REWARDS = (-1.0, -1.0, -1.0, -1.0, -1.0, 0.0)  # for leaving each state
EDGES = {
    ("s1", "s3"): 0.4,
    ("s1", "s4"): 0.6,
    ("s2", "s4"): 0.2,
    ("s2", "s5"): 0.8,
    ("s3", "s3"): 0.4,
    ("s3", "s6"): 0.6,
    ("s4", "s6"): 1.0,
    ("s5", "s5"): 0.2,
    ("s5", "s6"): 0.8,
}
EPISODES = ("s1 s3 s3 s6", "s2 s4 s6", "s2 s5 s6", "s2 s5 s5 s6")
SMALL_STEP, LARGE_STEP = 0.5, 0.8
MANY_EPISODES = 2_000


@final
@dataclass(frozen=True, eq=False)
class GraphValues:
    """V of every state [6] by each method; `td0_small` and `td0_large` use the step sizes SMALL_STEP and LARGE_STEP."""

    dp: FloatArray
    mc: FloatArray
    td0_small: FloatArray
    td0_large: FloatArray


def toy_graph() -> TabularMDP:
    """Return the graph as an undiscounted MDP with one action; it starts in s1 or s2 with equal probability."""
    P = np.zeros((6, 1, 6))
    for (source, target), probability in EDGES.items():
        P[STATES.index(source), 0, STATES.index(target)] = probability
    return TabularMDP(
        P,
        R=np.array(REWARDS),
        gamma=1.0,
        terminal=np.array([name == "s6" for name in STATES]),
        start=np.array([0.5, 0.5, 0.0, 0.0, 0.0, 0.0]),
    )


def graph_episodes() -> list[Episode]:
    """Return the four recorded episodes."""
    paths = [[STATES.index(name) for name in path.split()] for path in EPISODES]
    return [Episode(path, [0] * (len(path) - 1), [REWARDS[s] for s in path[:-1]], terminated=True) for path in paths]


def graph_values() -> GraphValues:
    """Return the values of all methods; the model-free ones use the four episodes."""
    mdp, episodes = toy_graph(), graph_episodes()
    return GraphValues(
        dp=bellman_solve(mdp, mdp.uniform_policy()).v,
        mc=first_visit_monte_carlo(episodes, mdp.n_states, mdp.gamma).v,
        td0_small=td0(episodes, mdp.n_states, mdp.gamma, step_size=SMALL_STEP).v,
        td0_large=td0(episodes, mdp.n_states, mdp.gamma, step_size=LARGE_STEP).v,
    )


def best_path(v: FloatArray) -> tuple[str, ...]:
    """Return the path from the better of s1 and s2 that always moves to the successor of highest value.   v [6]."""
    path = [max("s1", "s2", key=lambda name: float(v[STATES.index(name)]))]
    while path[-1] != "s6":
        successors = [target for source, target in EDGES if source == path[-1] and target != source]
        path.append(max(successors, key=lambda name: float(v[STATES.index(name)])))
    return tuple(path)


def rms_error(v: FloatArray, exact: FloatArray) -> float:
    """Return the root mean squared error over s1 to s5; s6 is 0 by definition.   [6], [6]."""
    return float(np.sqrt(np.mean((v[:5] - exact[:5]) ** 2)))


def report() -> str:
    """Return the graph, its episodes, how each method computes its values, and the values, as plain text."""
    values, episodes = graph_values(), graph_episodes()
    lines = [
        "A graph of six states without choices. s6 is terminal, there is no discount.",
        "",
        "Transitions:          probability  reward",
        *(
            f"  {source} -> {target}              {probability:5.1f}  {REWARDS[STATES.index(source)]:6g}"
            for (source, target), probability in EDGES.items()
        ),
        "",
        "Episodes:",
        *(
            f"  {i}  {' -> '.join(path.split()):24}  rewards {' '.join(f'{r:g}' for r in episode.rewards)}"
            for i, (path, episode) in enumerate(zip(EPISODES, episodes, strict=True), 1)
        ),
        "",
        "DP, dynamic programming: the Bellman equation of every state, with V(s6) = 0.",
        *_bellman_lines(values.dp),
        "",
        "MC, first-visit Monte Carlo: the mean return after the first visit to a state in each episode.",
        *_monte_carlo_lines(episodes, values.mc),
        "",
        "TD(0): from V = 0, after every step from s to s', V(s) <- V(s) + step size * (reward + V(s') - V(s)).",
    ]
    for step_size in (SMALL_STEP, LARGE_STEP):
        lines += [f"  step size {step_size:g}", *_td0_lines(episodes, step_size)]
    return "\n".join([*lines, "", *_comparison_lines(values), _many_episodes_line(values.dp)]) + "\n"


def _bellman_lines(v: FloatArray) -> list[str]:
    terms = defaultdict(list)
    for (source, target), probability in EDGES.items():
        terms[source].append(f"{probability:g} V({target})")
    return [
        f"  V({s}) = {REWARDS[STATES.index(s)]:g} + {' + '.join(terms[s])} = {v[STATES.index(s)]:.4f}" for s in terms
    ]


def _monte_carlo_lines(episodes: Sequence[Episode], v: FloatArray) -> list[str]:
    returns = defaultdict(list)
    for episode in episodes:
        to_go = episode.returns(1.0)
        for s in dict.fromkeys(episode.states[:-1]):
            returns[s].append(f"{to_go[episode.states.index(s)]:g}")
    return [
        f"  V({STATES[s]}) = ({' '.join(returns[s]).replace(' -', ' - ')}) / {len(returns[s])} = {v[s]:.4f}"
        for s in sorted(returns)
    ]


def _td0_lines(episodes: Sequence[Episode], step_size: float) -> list[str]:
    """Return one line per episode with the value after each update."""
    v, lines = np.zeros(6), []
    for i, episode in enumerate(episodes, 1):
        updates = []
        for t, (s, next_s) in enumerate(pairwise(episode.states)):
            step = Episode([s, next_s], [0], [episode.rewards[t]], terminated=next_s == STATES.index("s6"))
            v = td0([step], 6, 1.0, step_size=step_size, v=v).v
            updates.append(f"V({STATES[s]}) = {v[s]:.4g}")
        lines.append(f"    episode {i}: {', '.join(updates)}")
    return lines


def _comparison_lines(values: GraphValues) -> list[str]:
    columns = {
        "DP": values.dp,
        "MC": values.mc,
        f"TD(0) {SMALL_STEP:g}": values.td0_small,
        f"TD(0) {LARGE_STEP:g}": values.td0_large,
    }
    lines = [f"{'Values:':7}" + "".join(f"{head:>11}" for head in columns)]
    lines += [f"V({s})  " + "".join(f"{v[i]:11.4f}" for v in columns.values()) for i, s in enumerate(STATES)]
    errors = "".join(f"{rms_error(v, values.dp):11.4f}" for v in columns.values())
    return [
        *lines,
        f"{'error':7}{errors}    (root mean square over s1 to s5, against DP)",
        "",
        "The path of highest values:",
        *(f"  {head:10} {' -> '.join(best_path(v))}" for head, v in columns.items()),
        "  TD(0) prefers s1, which it has visited once: V(s1) has moved only part of the way down from 0.",
        "",
        f"A step size of {LARGE_STEP:g} brings every state closer to DP than {SMALL_STEP:g} does.",
    ]


def _many_episodes_line(exact: FloatArray) -> str:
    mdp = toy_graph()
    episodes = sample_episodes(mdp, mdp.uniform_policy(), MANY_EPISODES, rng=np.random.default_rng(0))
    mc = first_visit_monte_carlo(episodes, mdp.n_states, mdp.gamma).v
    td = td0(episodes, mdp.n_states, mdp.gamma, step_size=lambda n: n**-0.8).v
    return (
        f"After {MANY_EPISODES:,} sampled episodes: error of MC {rms_error(mc, exact):.4f}, "
        f"of TD(0) with step size n^-0.8 (n visits) {rms_error(td, exact):.4f}."
    )
