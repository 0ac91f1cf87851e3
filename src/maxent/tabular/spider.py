"""Seed 003's drunken spider: a learner that looks one step ahead takes the bridge, one that plans walks round the lake.

    . . . . . . .        .  land     =  bridge     ~  lake (costs 50, the end)
    . . . . . . .        P  pub      A, B  the two points that the spider can see from the pub
    B # ~ ~ ~ # .        H  home (the end)         #  rock
    P A = = = . H
    # # ~ ~ ~ # #

Every step costs 1. With probability `stumble` the spider steps to one of the two sides of where it meant to go, either
equally likely; against rock or the edge it stays. The seed gives no numbers: map, costs and this noise are ours.
`maxent tabular spider` prints `report()` and draws `draw(path)`.
"""

import math
import os
from dataclasses import dataclass
from typing import final

import numpy as np

from maxent.tabular.control import Solution, greedy_policy, value_iteration
from maxent.tabular.evaluation import action_value, bellman_solve
from maxent.tabular.mdp import TabularMDP
from maxent.tabular.transitions import FloatArray

MAP = (
    ".......",
    ".......",
    "B#~~~#.",
    "PA===.H",
    "##~~~##",
)
MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}  # the actions, clockwise
CELLS = tuple((row, column) for row, line in enumerate(MAP) for column, kind in enumerate(line) if kind != "#")
KINDS = np.array([MAP[row][column] for row, column in CELLS])  # [S]
TERMINAL = (KINDS == "~") | (KINDS == "H")  # [S]
PUB, HOME, A, B = (int(np.flatnonzero(kind == KINDS)[0]) for kind in "PHAB")
TO_A, TO_B = list(MOVES).index("right"), list(MOVES).index("up")  # the moves from the pub

STEP_COST, LAKE_COST = 1.0, 50.0
STUMBLES = (0.0, 0.02, 0.04, 0.05, 0.1, 0.2, 0.3, 0.4)


@final
@dataclass(frozen=True)
class Night:
    """What the two spiders do at one stumbling probability.

    The pick at the pub ("A" or "B"), the expected return from there and the probability of ending in the lake, for the
    one-step-greedy spider and for the one that runs value iteration; `q_a`, `q_b` are Q* of the two picks.
    """

    stumble: float
    greedy_pick: str
    greedy_return: float
    greedy_lake: float
    planned_pick: str
    planned_return: float
    planned_lake: float
    q_a: float
    q_b: float


def spider_mdp(stumble: float) -> TabularMDP:
    """The walk home at one stumbling probability p, undiscounted.   S = 29 cells, A = 4 moves."""
    if not 0.0 <= stumble <= 1.0:
        raise ValueError(f"stumble: expected a probability in [0, 1], got {stumble!r}.")
    P = _transitions(stumble)
    cost = np.where(KINDS == "~", LAKE_COST, STEP_COST)  # [S'], of entering
    R = np.where(TERMINAL[:, None], 0.0, P @ -cost)  # [S, A]
    return TabularMDP(P, R, gamma=1.0, terminal=TERMINAL, start=np.eye(len(CELLS))[PUB])


def one_step_greedy(stumble: float) -> FloatArray:
    """The policy that ends each step as near to home as it can expect to, and looks no further.   → [S, A].

    It is greedy for the reward −distance(s') (straight line) at γ = 0: the seed's "simple reward like closest distance
    to home", with a horizon of one step. To this spider the lake is just another place near home.
    """
    distance = np.array([math.dist(cell, CELLS[HOME]) for cell in CELLS])  # [S']
    P = _transitions(stumble)
    R = np.where(TERMINAL[:, None], 0.0, P @ -distance)
    mdp = TabularMDP(P, R, gamma=0.0, terminal=TERMINAL)
    return greedy_policy(action_value(mdp, np.zeros(mdp.n_states)))


def plan(stumble: float) -> Solution:
    """The optimal walk home, by value iteration."""
    return value_iteration(spider_mdp(stumble))


def lake_probability(mdp: TabularMDP, policy: FloatArray) -> float:
    """The probability that a walk from the pub ends in the lake: the value of a reward of 1 for falling in."""
    falls = np.where(TERMINAL[:, None], 0.0, mdp.P.expect((KINDS == "~").astype(np.float64)))  # [S, A]
    falling = TabularMDP(mdp.P, falls, gamma=1.0, terminal=TERMINAL)
    return max(0.0, float(bellman_solve(falling, policy).v[PUB]))  # rounding may leave −1e−17


def pick(mdp: TabularMDP, policy: FloatArray) -> str:
    """The point, A or B, that a policy is likelier to reach when it leaves the pub.   policy [S, A]."""
    reached = policy[PUB] @ mdp.P.dense()[PUB]  # [S']
    return "A" if reached[A] > reached[B] else "B"


def night(stumble: float) -> Night:
    """Both spiders at one stumbling probability."""
    mdp, greedy, planned = spider_mdp(stumble), one_step_greedy(stumble), plan(stumble)
    return Night(
        stumble=stumble,
        greedy_pick=pick(mdp, greedy),
        greedy_return=float(bellman_solve(mdp, greedy).v[PUB]),
        greedy_lake=lake_probability(mdp, greedy),
        planned_pick=pick(mdp, planned.policy),
        planned_return=float(planned.v[PUB]),
        planned_lake=lake_probability(mdp, planned.policy),
        q_a=float(planned.q[PUB, TO_A]),
        q_b=float(planned.q[PUB, TO_B]),
    )


def planning_switch(tol: float = 1e-6) -> float:
    """The stumbling probability at which value iteration turns from A to B: Q*(pub, A) = Q*(pub, B), by bisection."""
    low, high = 0.0, 0.4  # A is better at the first, B at the second
    while high - low > tol:
        middle = 0.5 * (low + high)
        q = plan(middle).q[PUB]
        low, high = (middle, high) if q[TO_A] > q[TO_B] else (low, middle)
    return 0.5 * (low + high)


def route(policy: FloatArray) -> list[tuple[int, int]]:
    """The cells (row, column) that a policy walks from the pub when it never stumbles.   policy [S, A]."""
    cells = [CELLS[PUB]]
    while not TERMINAL[CELLS.index(cells[-1])] and len(cells) <= len(CELLS):
        move = list(MOVES.values())[int(policy[CELLS.index(cells[-1])].argmax())]
        cells.append(_step(cells[-1], move))
    return cells


def report() -> str:
    """What both spiders choose, and what becomes of them, as plain text."""
    lines = [
        "The drunken spider of seed 003: from the pub (P) home (H), over the bridge by A or round the lake by B.",
        "",
        *(f"    {' '.join(line)}" for line in MAP),
        "",
        f"A step costs {STEP_COST:g}, the lake {LAKE_COST:g}; a stumble goes to one of the two sides.",
        "",
        f"{'':10}{'one step ahead':^26}{'value iteration':^26}{'optimal Q at the pub':^20}",
        f"{'stumble':<10}{'pick':>5}{'return':>10}{'in lake':>9}  {'pick':>5}{'return':>10}{'in lake':>9}  "
        f"{'A':>9}{'B':>9}",
    ]
    lines += [
        f"{n.stumble:<10.2f}{n.greedy_pick:>5}{n.greedy_return:>10.2f}{n.greedy_lake:>9.1%}  {n.planned_pick:>5}"
        f"{n.planned_return:>10.2f}{n.planned_lake:>9.1%}  {n.q_a:>9.2f}{n.q_b:>9.2f}"
        for n in map(night, STUMBLES)
    ]
    lines += [
        "",
        f"Value iteration turns from A to B at a stumbling probability of {planning_switch():.4f}.",
        "The one-step-greedy spider makes for A whatever the probability.",
    ]
    return "\n".join(lines) + "\n"


def draw(path: str | os.PathLike[str]) -> None:
    """The map with both routes, and how returns and drownings depend on stumbling, as one picture file."""
    from maxent.tabular.spider_figure import draw_spider

    draw_spider(path)


def _transitions(stumble: float) -> FloatArray:
    """p(s'|s, a) of the walk   → [S, A, S']."""
    moves = list(MOVES.values())
    P = np.zeros((len(CELLS), len(moves), len(CELLS)))
    for s, cell in enumerate(CELLS):
        for a in range(len(moves)):
            for aside, probability in ((0, 1.0 - stumble), (1, 0.5 * stumble), (-1, 0.5 * stumble)):
                P[s, a, CELLS.index(_step(cell, moves[(a + aside) % len(moves)]))] += probability
    return P


def _step(cell: tuple[int, int], move: tuple[int, int]) -> tuple[int, int]:
    """The cell that a move leads to; the same one if there is rock or the edge."""
    target = (cell[0] + move[0], cell[1] + move[1])
    return target if target in CELLS else cell
