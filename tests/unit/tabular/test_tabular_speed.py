"""The speed goals of issue 5, with room for a busy machine. Measured alone on one core: 0.1 s and 4 s."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import maxent.tabular
from maxent.tabular import (
    policy_iteration,
    random_mdp,
    soft_optimal_backup,
    soft_policy_iteration,
    soft_q_iteration,
    value_iteration,
)

ALPHA = 0.1


@pytest.mark.parametrize(
    "solve",
    [
        value_iteration,
        policy_iteration,
        lambda mdp, tol: soft_q_iteration(mdp, ALPHA, tol=tol),
        lambda mdp, tol: soft_policy_iteration(mdp, ALPHA, tol=tol),
    ],
    ids=["value_iteration", "policy_iteration", "soft_q_iteration", "soft_policy_iteration"],
)
def test_a_thousand_states_and_ten_actions(solve):
    mdp = random_mdp(0, 1_000, 10, gamma=0.99)
    start = time.perf_counter()
    solution = solve(mdp, tol=1e-10)  # so that the error, at most residual/(1 − γ), is below 1e-8
    assert time.perf_counter() - start < 4.0
    assert solution.residual <= 1e-10


def test_a_hundred_thousand_states_with_four_successors_each():
    mdp = random_mdp(0, 100_000, 4, successors=4, gamma=0.99)
    start = time.perf_counter()
    sweeps = soft_q_iteration(mdp, ALPHA)
    newton = soft_policy_iteration(mdp, ALPHA)
    assert time.perf_counter() - start < 60.0
    for solution in (sweeps, newton):
        assert np.abs(soft_optimal_backup(mdp, solution.q, ALPHA) - solution.q).max() <= 1e-8
    np.testing.assert_allclose(sweeps.v, newton.v, atol=2e-6)  # each within 1e-8/0.01


def test_only_numpy_is_imported():
    allowed = {"numpy", "maxent.tabular"} | set(sys.stdlib_module_names)
    for path in Path(maxent.tabular.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        if path.stem.endswith("_figure"):
            names = {name for name in names if not name.startswith("matplotlib")}  # only when something is drawn
        assert all(n.startswith("maxent.tabular") or n.partition(".")[0] in allowed for n in names), (path, names)
    program = "import sys, maxent.tabular.graph, maxent.tabular.spider; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
