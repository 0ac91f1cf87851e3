"""A drunken spider walks home: looking one step ahead it takes the bridge, planning it walks round the lake.

    . . . . . . .        .  land     =  bridge     ~  lake (costs 50, the end)
    . . . . . . .        P  pub      A, B  the two points next to the pub
    B # ~ ~ ~ # .        H  home (the end)         #  rock
    P A = = = . H
    # # ~ ~ ~ # #

Every step costs 1. With probability `stumble` the spider moves to the left or to the right of its intended direction,
each equally likely; a move into rock or over the edge leaves it where it is.
`maxent tabular spider` prints `report()`; `spider_figure` draws the map and the results.
"""

import math
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
class Comparison:
    """The one-step-greedy policy and the planned one at one stumbling probability.

    For each: the choice at the pub ("A" or "B"), the expected return from there and the probability of ending in the
    lake. `q_a` and `q_b` are Q* of the two choices.
    """

    stumble: float
    greedy_choice: str
    greedy_return: float
    greedy_lake: float
    planned_choice: str
    planned_return: float
    planned_lake: float
    q_a: float
    q_b: float


def spider_mdp(stumble: float) -> TabularMDP:
    """Return the undiscounted MDP of the walk home.   S = 29 cells, A = 4 moves."""
    if not 0.0 <= stumble <= 1.0:
        raise ValueError(f"stumble: expected a probability in [0, 1], got {stumble!r}; 0.1 is the figure's.")
    P = _transitions(stumble)
    cost = np.where(KINDS == "~", LAKE_COST, STEP_COST)  # [S'], of entering
    R = np.where(TERMINAL[:, None], 0.0, P @ -cost)  # [S, A]
    return TabularMDP(P, R, gamma=1.0, terminal=TERMINAL, start=np.eye(len(CELLS))[PUB])


def one_step_greedy(stumble: float) -> FloatArray:
    """Return the policy that minimises the expected distance to home after one step.   → [S, A].

    It is greedy for the reward −distance(s') (straight line) at γ = 0, so the lake is as good as any other cell at the
    same distance.
    """
    distance = np.array([math.dist(cell, CELLS[HOME]) for cell in CELLS])  # [S']
    P = _transitions(stumble)
    R = np.where(TERMINAL[:, None], 0.0, P @ -distance)
    mdp = TabularMDP(P, R, gamma=0.0, terminal=TERMINAL)
    return greedy_policy(action_value(mdp, np.zeros(mdp.n_states)))


def plan(stumble: float) -> Solution:
    """Return the optimal policy and its values, by value iteration."""
    return value_iteration(spider_mdp(stumble))


def lake_probability(mdp: TabularMDP, policy: FloatArray) -> float:
    """Return the probability of ending in the lake from the pub: the value of a reward of 1 for falling in."""
    falls = np.where(TERMINAL[:, None], 0.0, mdp.P.expect((KINDS == "~").astype(np.float64)))  # [S, A]
    falling = TabularMDP(mdp.P, falls, gamma=1.0, terminal=TERMINAL)
    return max(0.0, float(bellman_solve(falling, policy).v[PUB]))  # rounding may leave −1e−17


def choice_at_pub(mdp: TabularMDP, policy: FloatArray) -> str:
    """Return the point, "A" or "B", that the policy is more likely to reach from the pub.   policy [S, A]."""
    reached = policy[PUB] @ mdp.P.dense()[PUB]  # [S']
    return "A" if reached[A] > reached[B] else "B"


def compare(stumble: float) -> Comparison:
    """Evaluate the one-step-greedy and the planned policy at one stumbling probability."""
    mdp, greedy, planned = spider_mdp(stumble), one_step_greedy(stumble), plan(stumble)
    return Comparison(
        stumble=stumble,
        greedy_choice=choice_at_pub(mdp, greedy),
        greedy_return=float(bellman_solve(mdp, greedy).v[PUB]),
        greedy_lake=lake_probability(mdp, greedy),
        planned_choice=choice_at_pub(mdp, planned.policy),
        planned_return=float(planned.v[PUB]),
        planned_lake=lake_probability(mdp, planned.policy),
        q_a=float(planned.q[PUB, TO_A]),
        q_b=float(planned.q[PUB, TO_B]),
    )


def planning_switch(tol: float = 1e-6) -> float:
    """Return the stumbling probability with Q*(pub, A) = Q*(pub, B), found by bisection."""
    low, high = 0.0, 0.4  # A is better at the first, B at the second
    while high - low > tol:
        middle = 0.5 * (low + high)
        q = plan(middle).q[PUB]
        low, high = (middle, high) if q[TO_A] > q[TO_B] else (low, middle)
    return 0.5 * (low + high)


def route(policy: FloatArray) -> list[tuple[int, int]]:
    """Return the cells (row, column) that a policy visits from the pub without stumbling.   policy [S, A]."""
    cells = [CELLS[PUB]]
    while not TERMINAL[CELLS.index(cells[-1])] and len(cells) <= len(CELLS):
        move = list(MOVES.values())[int(policy[CELLS.index(cells[-1])].argmax())]
        cells.append(_step(cells[-1], move))
    return cells


def report() -> str:
    """Return the map and the results of both policies as plain text."""
    lines = [
        "A drunken spider walks from the pub (P) home (H), over the bridge (=) by A or round the lake (~) by B.",
        "",
        *(f"    {' '.join(line)}" for line in MAP),
        "",
        f"A step costs {STEP_COST:g}, falling into the lake {LAKE_COST:g}; # is rock.",
        "A stumble moves the spider to the left or to the right of its intended direction. The one-step policy",
        "minimises the distance to home after one step; value iteration maximises the return.",
        "",
        f"{'':10}{'one step ahead':^26}{'value iteration':^26}{'optimal Q at the pub':^20}",
        f"{'stumble':<10}{'to':>5}{'return':>10}{'in lake':>9}  {'to':>5}{'return':>10}{'in lake':>9}  "
        f"{'A':>9}{'B':>9}",
    ]
    lines += [
        f"{n.stumble:<10.2f}{n.greedy_choice:>5}{n.greedy_return:>10.2f}{n.greedy_lake:>9.1%}  {n.planned_choice:>5}"
        f"{n.planned_return:>10.2f}{n.planned_lake:>9.1%}  {n.q_a:>9.2f}{n.q_b:>9.2f}"
        for n in map(compare, STUMBLES)
    ]
    lines += [
        "",
        f"Value iteration switches from A to B at a stumbling probability of {planning_switch():.4f}.",
        "The one-step policy walks to A at every probability.",
    ]
    return "\n".join(lines) + "\n"


def _transitions(stumble: float) -> FloatArray:
    """Return p(s'|s, a).   → [S, A, S']."""
    moves = list(MOVES.values())
    P = np.zeros((len(CELLS), len(moves), len(CELLS)))
    for s, cell in enumerate(CELLS):
        for a in range(len(moves)):
            for turn, probability in ((0, 1.0 - stumble), (1, 0.5 * stumble), (-1, 0.5 * stumble)):
                P[s, a, CELLS.index(_step(cell, moves[(a + turn) % len(moves)]))] += probability
    return P


def _step(cell: tuple[int, int], move: tuple[int, int]) -> tuple[int, int]:
    """Return the cell that a move leads to: the same cell against rock or the edge."""
    target = (cell[0] + move[0], cell[1] + move[1])
    return target if target in CELLS else cell
