import re

import numpy as np
import pytest

from maxent.tabular import bellman_solve, td0
from maxent.tabular.evaluation import sweep_chain
from maxent.tabular.examples.graph import (
    EDGES,
    EPISODES,
    STATES,
    best_path,
    graph_episodes,
    graph_values,
    report,
    rms_error,
    toy_graph,
)
from maxent.tabular.examples.graph_figure import draw_graph

PRINTED = {  # the table of the document that the graph is from (docs/equations.md, 003-34 to 003-39), s1 to s6
    "dp": (2.667, -2.2, -1.667, -1.0, -1.25, 0.0),
    "mc": (-3.0, -2.333, -1.0, -1.0, -1.5, 0.0),
    "td0_small": (-0.5, -1.125, -0.75, -0.5, -1.0, 0.0),
}


def test_dynamic_programming_column():
    # V5 = −1/0.8, V4 = −1, V3 = −1/0.6, V2 = −1 − 0.2 − 0.8·1.25 = −2.2, V1 = −1 − 0.4·5/3 − 0.6 = −34/15 = −2.2667.
    expected = [-34 / 15, -2.2, -5 / 3, -1.0, -1.25, 0.0]
    np.testing.assert_allclose(graph_values().dp, expected)
    mdp = toy_graph()
    np.testing.assert_allclose(sweep_chain(mdp, memory=0).x, expected, atol=1e-7)
    solved = bellman_solve(mdp, mdp.uniform_policy())
    np.testing.assert_allclose(solved.q, np.array(expected)[:, None], atol=1e-14)  # one action: Q = V
    assert solved.residual < 1e-14


def test_monte_carlo_column():
    # First visits. s1: 3 steps. s2: 2, 2, 3 steps. s3: first seen 2 steps from the end. s4: 1. s5: 1, 2.
    np.testing.assert_allclose(graph_values().mc, [-3.0, -7 / 3, -2.0, -1.0, -1.5, 0.0])
    assert [episode.returns(1.0)[0] for episode in graph_episodes()] == [-3.0, -2.0, -2.0, -3.0]
    # With γ = ½ the first has 1 + ½ + ¼ and 1 + ½ and 1.
    assert graph_episodes()[0].returns(0.5) == [-1.75, -1.5, -1.0]


def test_td0_columns():
    # Step ½: V1 −½; V3 −½, −¾; V2 −½, −¾, −1.125; V4 −½; V5 −½, −1, −1.
    np.testing.assert_allclose(graph_values().td0_small, [-0.5, -1.125, -0.75, -0.5, -1.0, 0.0])
    # Step 0.8.  V1 = 0.8(−1) = −0.8.  V3 = −0.8, then −0.8 + 0.8(−1 + 0.8) = −0.96.  V4 = −0.8.
    # V2 = −0.8; −0.8 + 0.8(−1 + 0 + 0.8) = −0.96 (V5 is still 0); −0.96 + 0.8(−1 − 0.8 + 0.96) = −1.632.
    # V5 = −0.8; −0.8 + 0.8(−1 − 0.8 + 0.8) = −1.6; −1.6 + 0.8(−1 + 1.6) = −1.12.
    np.testing.assert_allclose(graph_values().td0_large, [-0.8, -1.632, -0.96, -0.8, -1.12, 0.0])
    # The end counts as 0, whatever V says there, and the number of steps from each state is reported.
    elsewhere = td0(graph_episodes(), 6, 1.0, step_size=0.5, v=np.array([0.0, 0.0, 0.0, 0.0, 0.0, 99.0]))
    np.testing.assert_allclose(elsewhere.v, [-0.5, -1.125, -0.75, -0.5, -1.0, 99.0])
    np.testing.assert_array_equal(elsewhere.visits, [1, 3, 2, 1, 3, 0])


def test_the_larger_step_is_closer_for_every_state():
    values = graph_values()
    assert (np.abs(values.td0_large - values.dp)[:5] < np.abs(values.td0_small - values.dp)[:5]).all()
    # Monte Carlo misses by −11/15, −2/15, −1/3, 0, −1/4: squares sum to 0.72917, over 5 states 0.14583, root 0.38188.
    assert rms_error(values.mc, values.dp) == pytest.approx(0.38188, abs=1e-5)


def test_the_printed_table_has_two_errors():
    values = graph_values()
    differing = {
        (method, state)
        for method, column in PRINTED.items()
        for state, printed, value in zip(STATES, column, getattr(values, method), strict=True)
        if abs(printed - value) > 5e-4  # it is printed with three decimals
    }
    assert differing == {("dp", "s1"), ("mc", "s3")}  # −2.2667 and −2, as derived above


def test_paths_of_highest_value():
    values = graph_values()
    assert best_path(values.dp) == ("s2", "s4", "s6")
    assert best_path(values.mc) == ("s2", "s4", "s6")
    assert best_path(values.td0_small) == ("s1", "s4", "s6")


def test_report_shows_the_problem_and_the_calculations():
    text = report()
    for (source, target), probability in EDGES.items():
        assert f"  {source} -> {target}                {probability:.1f}      -1\n" in text
    for path in EPISODES:
        steps = path.count(" ")
        assert f"{' -> '.join(path.split()):24}  rewards {' '.join(['-1'] * steps)}\n" in text
    for line in (
        "V(s2) = -1 + 0.2 V(s4) + 0.8 V(s5) = -2.2000",
        "V(s2) = (-2 - 2 - 3) / 3 = -2.3333",
        "V(s3) = (-2) / 1 = -2.0000",
        "episode 4: V(s2) = -1.125, V(s5) = -1, V(s5) = -1",
        "episode 4: V(s2) = -1.632, V(s5) = -1.6, V(s5) = -1.12",
        "V(s1)      -2.2667    -3.0000    -0.5000    -0.8000",
        "TD(0) 0.5  s1 -> s4 -> s6",
    ):
        assert f"{line}\n" in text
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 110


def test_the_printed_updates_end_at_the_values():
    text = report()
    for step_size, v in ((0.5, graph_values().td0_small), (0.8, graph_values().td0_large)):
        block = text.split(f"step size {step_size:g}\n")[1].split("step size")[0].split("\n\n")[0]
        last = dict(re.findall(r"V\((s\d)\) = (-[\d.]+)", block))
        assert {s: float(value) for s, value in last.items()} == pytest.approx(dict(zip(STATES[:5], v, strict=False)))


def test_many_episodes_come_close():
    errors = [float(word.rstrip(",.")) for word in report().splitlines()[-1].split() if word.startswith("0.")]
    assert len(errors) == 2
    assert max(errors) < 0.05


def test_the_figure_is_a_png(tmp_path):
    draw_graph(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
