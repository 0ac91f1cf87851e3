"""Seed 003's toy graph: six states, no choices, and the same values found in three ways.

`maxent tabular graph` prints `report()` and draws `draw(path)`. The numbers that the seed prints are kept here next to
ours, and where they differ the report says so.
"""

import os
from dataclasses import dataclass
from typing import final

import numpy as np

from maxent.tabular.evaluation import bellman_solve
from maxent.tabular.learning import first_visit_monte_carlo, td0
from maxent.tabular.mdp import TabularMDP
from maxent.tabular.sampling import Episode, sample_episodes
from maxent.tabular.transitions import FloatArray

STATES = ("s1", "s2", "s3", "s4", "s5", "s6")
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
SEED_EPISODES = ("s1 s3 s3 s6", "s2 s4 s6", "s2 s5 s6", "s2 s5 s5 s6")
SEED_STEP_SIZE, HINTED_STEP_SIZE = 0.5, 0.8
SEED_TABLE = {  # as printed, errors included; s1 to s6
    "DP": (2.667, -2.2, -1.667, -1.0, -1.25, 0.0),
    "MC": (-3.0, -2.333, -1.0, -1.0, -1.5, 0.0),
    "TD(0)": (-0.5, -1.125, -0.75, -0.5, -1.0, 0.0),
}
PRINTED_TO = 5e-4  # the seed rounds to three decimals
MANY_EPISODES = 2_000


@final
@dataclass(frozen=True, eq=False)
class GraphValues:
    """V of every state [6] by dynamic programming, first-visit Monte Carlo, TD(0), and TD(0) with the hinted step."""

    dp: FloatArray
    mc: FloatArray
    td0: FloatArray
    td0_hint: FloatArray


def toy_graph() -> TabularMDP:
    """Seed 003, TD Learning: r(s6) = 0, −1 elsewhere, γ = 1. One action, which is no choice. It starts in s1 or s2."""
    P = np.zeros((6, 1, 6))
    for (source, target), probability in EDGES.items():
        P[STATES.index(source), 0, STATES.index(target)] = probability
    return TabularMDP(
        P,
        R=np.array([-1.0, -1.0, -1.0, -1.0, -1.0, 0.0]),
        gamma=1.0,
        terminal=np.array([name == "s6" for name in STATES]),
        start=np.array([0.5, 0.5, 0.0, 0.0, 0.0, 0.0]),
    )


def seed_episodes() -> list[Episode]:
    """The four episodes that seed 003 is given."""
    paths = [[STATES.index(name) for name in path.split()] for path in SEED_EPISODES]
    return [Episode(path, [0] * (len(path) - 1), [-1.0] * (len(path) - 1), terminated=True) for path in paths]


def graph_values() -> GraphValues:
    """The seed's table, computed."""
    mdp, episodes = toy_graph(), seed_episodes()
    return GraphValues(
        dp=bellman_solve(mdp, mdp.uniform_policy()).v,
        mc=first_visit_monte_carlo(episodes, mdp.n_states, mdp.gamma).v,
        td0=td0(episodes, mdp.n_states, mdp.gamma, step_size=SEED_STEP_SIZE).v,
        td0_hint=td0(episodes, mdp.n_states, mdp.gamma, step_size=HINTED_STEP_SIZE).v,
    )


def best_path(v: FloatArray) -> tuple[str, ...]:
    """From the better of s1 and s2, always on to the successor of highest value: the seed's "best path".   v [6]."""
    path = [max("s1", "s2", key=lambda name: float(v[STATES.index(name)]))]
    while path[-1] != "s6":
        ahead = [target for source, target in EDGES if source == path[-1] and target != source]
        path.append(max(ahead, key=lambda name: float(v[STATES.index(name)])))
    return tuple(path)


def rms_error(v: FloatArray, exact: FloatArray) -> float:
    """Root of the mean squared error over s1 to s5; s6 is 0 by definition.   [6], [6]."""
    return float(np.sqrt(np.mean((v[:5] - exact[:5]) ** 2)))


def seed_slips(values: GraphValues) -> list[str]:
    """Each entry of the seed's table that its own method does not give."""
    ours = _computed(values)
    return [
        f"{method} V({state}): the table prints {printed:g}, the method gives {value:.4f}"
        for method, column in SEED_TABLE.items()
        for state, printed, value in zip(STATES, column, ours[method], strict=True)
        if abs(printed - value) > PRINTED_TO
    ]


def report() -> str:
    """The tables of seed 003, where they slip, and what more samples do, as plain text."""
    values = graph_values()
    columns = {
        "DP": values.dp,
        "MC": values.mc,
        f"TD(0) {SEED_STEP_SIZE:g}": values.td0,
        f"TD(0) {HINTED_STEP_SIZE:g}": values.td0_hint,
    }
    heads = "".join(f"{head:>11}" for head in columns)
    printed_heads = "".join(f"{head:>9}" for head in SEED_TABLE)
    lines = [
        "The toy graph of seed 003: reward -1 for leaving s1 to s5, 0 in s6, no discount, four episodes.",
        "",
        f"{'computed here':>51}{'printed in the seed':>31}",
        f"{'':7}{heads}    {printed_heads}",
    ]
    for i, state in enumerate(STATES):
        computed = "".join(f"{v[i]:11.4f}" for v in columns.values())
        printed = "".join(
            f"{column[i]:8.3f}" + ("*" if abs(column[i] - _computed(values)[method][i]) > PRINTED_TO else " ")
            for method, column in SEED_TABLE.items()
        )
        lines.append(f"V({state})  {computed}    {printed}".rstrip())
    errors = "".join(f"{rms_error(v, values.dp):11.4f}" for v in columns.values())
    lines += [f"{'error':7}{errors}    (root mean square over s1 to s5, against DP)", ""]
    lines += ["Where the seed's table slips (*); its text has the right number in both places:"]
    lines += [f"  {slip}" for slip in seed_slips(values)]
    lines += ["", "The path of highest values:"]
    lines += [f"  {head:10} {' -> '.join(best_path(v))}" for head, v in columns.items()]
    lines += [
        "  TD(0) prefers s1, which it has seen only once: V(s1) has come only part of the way down from 0.",
        "",
        f"The hint: a step size of {HINTED_STEP_SIZE:g} brings every state closer to DP than {SEED_STEP_SIZE:g} does.",
        _many_episodes(values.dp),
    ]
    return "\n".join(lines) + "\n"


def draw(path: str | os.PathLike[str]) -> None:
    """The graph with its probabilities and values, and the four estimates side by side, as one picture file."""
    from maxent.tabular.graph_figure import draw_graph

    draw_graph(graph_values(), path)


def _computed(values: GraphValues) -> dict[str, FloatArray]:
    """Our counterpart of each column that the seed prints."""
    return {"DP": values.dp, "MC": values.mc, "TD(0)": values.td0}


def _many_episodes(exact: FloatArray) -> str:
    mdp = toy_graph()
    episodes = sample_episodes(mdp, mdp.uniform_policy(), MANY_EPISODES, rng=np.random.default_rng(0))
    mc = first_visit_monte_carlo(episodes, mdp.n_states, mdp.gamma).v
    td = td0(episodes, mdp.n_states, mdp.gamma, step_size=lambda n: n**-0.8).v
    return (
        f"After {MANY_EPISODES:,} episodes: error of MC {rms_error(mc, exact):.4f}, "
        f"of TD(0) with step size n^-0.8 {rms_error(td, exact):.4f}."
    )
