import numpy as np
import pytest

from maxent.tabular import bellman_solve
from maxent.tabular.examples.spider import (
    CELLS,
    MOVES,
    PUB,
    TERMINAL,
    TO_A,
    choice_at_pub,
    compare,
    one_step_greedy,
    plan,
    planning_switch,
    report,
    route,
    spider_mdp,
)
from maxent.tabular.examples.spider_figure import draw_spider

BRIDGE = [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (3, 6)]


def test_a_sober_spider_takes_the_bridge_either_way():
    assert route(one_step_greedy(0.0)) == BRIDGE
    assert route(plan(0.0).policy) == BRIDGE
    sober = compare(0.0)
    # 6 steps over the bridge. By B, Q* goes on as best it can: back to the pub, which makes 2 + 6.
    assert (sober.q_a, sober.q_b) == (pytest.approx(-6.0), pytest.approx(-8.0))


@pytest.mark.parametrize("p", [0.02, 0.1, 0.3])
def test_the_greedy_walk_in_closed_form(p):
    # A bridge cell: ahead with 1 − p for a cost of 1, else into the lake for 50. C, the cell before home: stumbling
    # stays, so it takes 1/(1 − p) steps on average. A too, and B, from where the greedy policy turns back to the pub.
    c = -1 / (1 - p)
    b3 = (1 - p) * (-1 + c) - 50 * p
    b2 = (1 - p) * (-1 + b3) - 50 * p
    b1 = (1 - p) * (-1 + b2) - 50 * p
    a = -1 / (1 - p) + b1
    # The pub: V = −1 + (1 − p)V(A) + (p/2)V(B) + (p/2)V, and V(B) = −1/(1 − p) + V.
    pub = (-1 + (1 - p) * a - (p / 2) / (1 - p)) / (1 - p)
    outcome = compare(p)
    assert outcome.greedy_return == pytest.approx(pub)
    assert outcome.greedy_lake == pytest.approx(1 - (1 - p) ** 3)  # three cells to cross


def test_the_greedy_policy_walks_to_a_at_every_probability():
    for p in np.linspace(0.0, 1.0, 21):
        assert choice_at_pub(spider_mdp(p), one_step_greedy(p)) == "A"


@pytest.mark.parametrize(
    ("p", "move"), [(0.0, "right"), (0.3, "right"), (0.64, "right"), (0.66, "down"), (0.9, "down")]
)
def test_the_first_move_of_the_greedy_policy(p, move):
    # Distances home: A 5, pub 6, B √37. Expected after "right": 5(1 − p) + √37 p/2 + 6 p/2. After "down", against the
    # rock, from where it can only stumble to A: 6(1 − p) + 5 p/2 + 6 p/2. They are equal at 1 − p = (√37 − 5) p/2,
    # p = 2/(√37 − 3) = 0.6488.
    assert list(MOVES)[one_step_greedy(p)[PUB].argmax()] == move


def test_value_iteration_switches_from_a_to_b():
    switch = planning_switch()
    assert compare(switch - 0.002).planned_choice == "A"
    assert compare(switch + 0.002).planned_choice == "B"
    # At the switch, walking over the bridge and walking round the lake are worth the same.
    assert compare(switch).q_a == pytest.approx(compare(switch).q_b, abs=1e-3)
    assert all(compare(p).planned_choice == "B" for p in (0.06, 0.1, 0.2, 0.3, 0.4))


def test_planning_has_the_higher_return():
    for p in (0.05, 0.1, 0.2, 0.4):
        outcome = compare(p)
        assert outcome.planned_return > outcome.greedy_return
        assert outcome.planned_lake < 0.01 < outcome.greedy_lake


def test_no_policy_beats_the_plan():
    mdp, solution = spider_mdp(0.1), plan(0.1)
    rng = np.random.default_rng(0)
    for _ in range(100):
        other = 0.9 * solution.policy + 0.1 * rng.dirichlet(np.ones(4), size=len(CELLS))
        assert (bellman_solve(mdp, other).v <= solution.v + 1e-6).all()


def test_the_mdp_of_the_walk():
    mdp = spider_mdp(0.1)
    assert (mdp.n_states, mdp.n_actions) == (29, 4)  # 35 cells less 6 of rock
    assert TERMINAL.sum() == 7  # six of lake, and home
    assert mdp.start[PUB] == 1.0
    # From the pub towards A: 0.9 to A, 0.05 to B, and 0.05 against the rock below.
    np.testing.assert_allclose(
        mdp.P.dense()[PUB, TO_A, [CELLS.index((3, 1)), CELLS.index((2, 0)), PUB]], [0.9, 0.05, 0.05]
    )
    # From the first bridge cell on to the next: −1 if it goes well, −50 if not. 0.9·1 + 0.1·50 = 5.9.
    assert mdp.R[CELLS.index((3, 2)), TO_A] == pytest.approx(-5.9)
    with pytest.raises(ValueError, match="stumble: expected a probability"):
        spider_mdp(-0.1)


def test_report_shows_both_choices():
    text = report()
    assert "0.10          A    -19.08    27.1%      B    -13.59     0.0%" in text
    assert f"stumbling probability of {planning_switch():.4f}" in text
    assert text.isascii()


def test_the_figure_is_a_png(tmp_path):
    draw_spider(tmp_path / "spider.png")
    assert (tmp_path / "spider.png").read_bytes().startswith(b"\x89PNG")
