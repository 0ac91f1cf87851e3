"""Mutants of every function that docs/equations.md names: the tests of its own row have to fail on each of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from equation_rows import ROOT, ROWS
from mutants import function_of, mutants
from mutation_targets import EQUIVALENT, MORE

from maxent import objectives, tabular


def jobs() -> list[tuple[str, list[str]]]:
    """Return each function of the map with the tests of a row, once for each combination."""
    rows = {(function, tuple(row.tests)) for row in ROWS for function in row.functions}
    return sorted((function, list(tests)) for function, tests in rows)


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
    result = run([*jobs(), *MORE.items()], None, tmp_path)
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
    assert [(mutant.kind, mutant.change) for mutant in mutants(function_of(objectives.td_target))] == [
        ("sign", "reward + discount * next_value  →  -(reward + discount * next_value)"),
        ("sign", "reward + discount * next_value  →  reward - discount * next_value"),
        ("term", "reward + discount * next_value  →  reward"),
        ("term", "reward + discount * next_value  →  discount * next_value"),
        ("factor", "discount * next_value  →  discount"),
        ("factor", "discount * next_value  →  next_value"),
    ]


def test_each_mutant_is_another_program_and_checks_are_not_mutated() -> None:
    codes = [mutant.code for mutant in mutants(function_of(tabular.first_visit_monte_carlo))]
    assert len({(code.co_code, code.co_consts, code.co_names) for code in codes}) == len(codes)
    assert not any("check" in mutant.change for mutant in mutants(function_of(objectives.critic_loss)))
