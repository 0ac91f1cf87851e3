"""Mutants of every function that docs/equations.md names: the tests of its own row have to fail on each of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from equation_rows import ROOT, ROWS
from mutants import mutants

from maxent import objectives, tabular

# Functions beside the map, with their tests.
MORE = {
    "maxent.distributions.SquashedGaussian.log_prob_of": [
        "tests/unit/test_stored_actions.py::test_log_prob_of_a_hand_worked_action",
        "tests/unit/test_stored_actions.py::test_a_drawn_action_has_the_log_prob_of_its_sample",
        "tests/unit/test_stored_actions.py::test_a_tail_has_its_mean_density",
        "tests/unit/test_stored_actions.py::test_log_probs_of_stored_actions_add_up_over_dimensions",
    ],
}

EVEN = "log(1 − tanh² u) is an even function of u"
GRID = "the Gaussian weight is 0 to rounding from 9σ on, and symmetric: a wider or mirrored grid has the same sum"
EXACT = "the residual of an exact solution is rounding alone: its maximum, minimum and sign mean nothing"
ABOVE = "the first residual only sets the tolerance of sweeps, which evaluate policies above 2,000 states"
RISES = "of an exact value of the policy the improvement is at least 0, so its absolute value is itself"
RESIDUAL = "np.abs(mdp.zero_terminal({}) - v)"
SOLVED = RESIDUAL.format("state_value(q, mdp.check_policy(policy))")
HARD, SOFT = RESIDUAL.format("optimal_value(q)"), RESIDUAL.format("soft_value(q, alpha)")
SPREAD = "torch.exp(self.log_std).unsqueeze(-1) * z"
FIRST = [("np.abs(mdp.R).max()  →  np.abs(mdp.R).min()", ABOVE), ("np.abs(mdp.R)  →  mdp.R", ABOVE)]

# Mutants that are the same function, in exact arithmetic or in every use, with the reason.
EQUIVALENT: dict[str, dict[str, str]] = {
    "maxent.distributions.SquashedGaussian.entropy": {
        "9.0  →  18.0": GRID,
        f"self.mean.unsqueeze(-1) + {SPREAD}  →  self.mean.unsqueeze(-1) - {SPREAD}": GRID,
    },
    "maxent.distributions.SquashedGaussian.log_prob": {"u  →  -u": EVEN},
    "maxent.tabular.entropy": {"1.0  →  2.0": "it stands for log 0, whose factor is 0"},
    "maxent.tabular.bellman_solve": {
        f"{SOLVED}.max()  →  {SOLVED}.min()": EXACT,
        f"{SOLVED}  →  {SOLVED[7:-1]}": EXACT,
    },
    "maxent.tabular.policy_iteration": dict([*FIRST, (f"{HARD}  →  {HARD[7:-1]}", RISES)]),
    "maxent.tabular.soft_policy_iteration": dict([*FIRST, (f"{SOFT}  →  {SOFT[7:-1]}", RISES)]),
}


def jobs() -> list[tuple[str, list[str]]]:
    """Return each function of the map with the tests of a row, once for each combination."""
    rows = {(function, tuple(row.tests)) for row in ROWS for function in row.functions}
    return sorted((function, list(tests)) for function, tests in rows | {(f, tuple(t)) for f, t in MORE.items()})


def run(functions: list[tuple[str, list[str]]], per_kind: int | None, folder: Path) -> dict[str, Any]:
    """Run the tests on mutants in a process of their own; `per_kind` limits the mutants of each kind of change."""
    job = folder / "job.json"
    job.write_text(json.dumps({"functions": functions, "per_kind": per_kind}), encoding="utf-8")
    tests = sorted({test for _, own in functions for test in own})
    path = os.pathsep.join(filter(None, [str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "mutation_plugin"]
    done = subprocess.run(
        [*command, f"--mutation-job={job}", *tests],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert job.with_suffix(".out").exists(), done.stdout + done.stderr
    result: dict[str, Any] = json.loads(job.with_suffix(".out").read_text(encoding="utf-8"))
    assert result["broken"] == [], "these tests fail without any mutation"
    return result


def survivors(result: dict[str, Any]) -> list[str]:
    """Return the mutants that no test of a row noticed, but for the equivalent ones, one line each."""
    lines = []
    for name, change, tests in result["survivors"]:
        if change not in EQUIVALENT.get(name, {}):
            ids = [row.id for row in ROWS if name in row.functions and row.tests == tests]
            lines.append(f"{', '.join(ids)}: {name}: {change}: survives {', '.join(tests)}")
    return lines


def test_the_rows_own_tests_fail_on_some_mutants(tmp_path: Path) -> None:
    """One mutant of each kind for each function and row: a sign, a factor, a term, an operation."""
    result = run(jobs(), 1, tmp_path)
    assert result["mutants"] > 150
    assert survivors(result) == []


@pytest.mark.slow
def test_the_rows_own_tests_fail_on_every_mutant(tmp_path: Path) -> None:
    result = run(jobs(), None, tmp_path)
    assert survivors(result) == []
    # and no mutant is called equivalent that every row's tests notice
    survived = {(name, change) for name, change, _ in result["survivors"]}
    assert survived == {(name, change) for name, changes in EQUIVALENT.items() for change in changes}


def test_a_test_that_does_not_call_the_function_lets_every_mutant_live(tmp_path: Path) -> None:
    own = ["tests/unit/tabular/test_tabular_control.py::test_pieces_by_hand"]
    result = run([("maxent.objectives.actor_loss", own)], None, tmp_path)
    assert result["mutants"] == len(result["survivors"]) > 5
    assert len(survivors(result)) == result["mutants"]


def test_the_mutants_of_a_function_of_one_line() -> None:
    """r + γ V(s′): the signs of the sum and of the result, each term, each factor."""
    assert [(mutant.kind, mutant.change) for mutant in mutants(objectives.td_target)] == [
        ("sign", "reward + discount * next_value  →  -(reward + discount * next_value)"),
        ("sign", "reward + discount * next_value  →  reward - discount * next_value"),
        ("term", "reward + discount * next_value  →  reward"),
        ("term", "reward + discount * next_value  →  discount * next_value"),
        ("factor", "discount * next_value  →  discount"),
        ("factor", "discount * next_value  →  next_value"),
    ]


def test_each_mutant_is_another_program_and_checks_are_not_mutated() -> None:
    codes = [mutant.code for mutant in mutants(tabular.first_visit_monte_carlo)]
    assert len({(code.co_code, code.co_consts, code.co_names) for code in codes}) == len(codes)
    assert not any("check" in mutant.change for mutant in mutants(objectives.critic_loss))
