import numpy as np
import pytest

from maxent.tabular import every_visit_monte_carlo, iterative_policy_evaluation
from maxent.tabular.graph import (
    SEED_TABLE,
    best_path,
    draw,
    graph_values,
    report,
    rms_error,
    seed_episodes,
    seed_slips,
    toy_graph,
)


def test_dynamic_programming_column():
    # V5 = −1/0.8, V4 = −1, V3 = −1/0.6, V2 = −1 − 0.2 − 0.8·1.25 = −2.2, V1 = −1 − 0.4·5/3 − 0.6 = −34/15 = −2.2667.
    expected = [-34 / 15, -2.2, -5 / 3, -1.0, -1.25, 0.0]
    np.testing.assert_allclose(graph_values().dp, expected)
    mdp = toy_graph()
    np.testing.assert_allclose(iterative_policy_evaluation(mdp, mdp.uniform_policy(), memory=0).v, expected, atol=1e-7)


def test_monte_carlo_column():
    # First visits. s1: 3 steps. s2: 2, 2, 3 steps. s3: first seen 2 steps from the end. s4: 1. s5: 1, 2.
    np.testing.assert_allclose(graph_values().mc, [-3.0, -7 / 3, -2.0, -1.0, -1.5, 0.0])
    # Every visit changes only the states with a loop: s3 (−2 − 1)/2, s5 (−1 − 2 − 1)/3. Neither is the −1 of the table.
    every = every_visit_monte_carlo(seed_episodes(), 6, 1.0).v
    np.testing.assert_allclose(every, [-3.0, -7 / 3, -1.5, -1.0, -4 / 3, 0.0])


def test_td0_columns():
    # Step ½, the seed's own lines: V1 −½; V3 −½, −¾; V2 −½, −¾, −1.125; V4 −½; V5 −½, −1, −1.
    np.testing.assert_allclose(graph_values().td0, [-0.5, -1.125, -0.75, -0.5, -1.0, 0.0])
    # Step 0.8.  V1 = 0.8(−1) = −0.8.  V3 = −0.8, then −0.8 + 0.8(−1 + 0.8) = −0.96.  V4 = −0.8.
    # V2 = −0.8; −0.8 + 0.8(−1 + 0 + 0.8) = −0.96 (V5 is still 0); −0.96 + 0.8(−1 − 0.8 + 0.96) = −1.632.
    # V5 = −0.8; −0.8 + 0.8(−1 − 0.8 + 0.8) = −1.6; −1.6 + 0.8(−1 + 1.6) = −1.12.
    np.testing.assert_allclose(graph_values().td0_hint, [-0.8, -1.632, -0.96, -0.8, -1.12, 0.0])


def test_the_hint_is_right_for_every_state():
    values = graph_values()
    assert (np.abs(values.td0_hint - values.dp)[:5] < np.abs(values.td0 - values.dp)[:5]).all()
    # Monte Carlo misses by −11/15, −2/15, −1/3, 0, −1/4: squares sum to 0.72917, over 5 states 0.14583, root 0.38188.
    assert rms_error(values.mc, values.dp) == pytest.approx(0.38188, abs=1e-5)


def test_the_table_of_the_seed_slips_twice():
    assert seed_slips(graph_values()) == [
        "DP V(s1): the table prints 2.667, the method gives -2.2667",
        "MC V(s3): the table prints -1, the method gives -2.0000",
    ]
    assert SEED_TABLE["DP"][0] == 2.667


def test_paths_of_highest_value():
    values = graph_values()
    assert best_path(values.dp) == ("s2", "s4", "s6")  # the seed's, for DP
    assert best_path(values.mc) == ("s2", "s4", "s6")  # and for MC
    assert best_path(values.td0) == ("s1", "s4", "s6")  # "almost"


def test_report_shows_both_tables_and_the_slips():
    text = report()
    assert "V(s1)      -2.2667    -3.0000    -0.5000    -0.8000       2.667*" in text
    assert "MC V(s3): the table prints -1, the method gives -2.0000" in text
    assert "TD(0) 0.5  s1 -> s4 -> s6" in text
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 100


def test_many_episodes_come_close():
    errors = [float(word.rstrip(",.")) for word in report().splitlines()[-1].split() if word.startswith("0.")]
    assert len(errors) == 2
    assert max(errors) < 0.05


def test_the_picture_is_a_picture(tmp_path):
    draw(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
