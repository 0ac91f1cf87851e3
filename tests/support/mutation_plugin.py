"""A pytest plugin: run the tests of one session on mutants of functions, instead of once.

`pytest -p mutation_plugin --mutation-job=JOB.json TESTS` reads {"functions": [[name, [test, ...]], ...], "per_kind": N
or null} and writes the survivors to JOB.json.out. A mutant dies when one of its function's own tests fails. The tests
run once unchanged first, which must pass, and on mutants in the order of the time that they took. Tests of compiled
code are left out: the compiler keeps the code that it has traced.
"""

import json
import signal
import time
from pathlib import Path
from types import FrameType

import hypothesis
import pytest
from _pytest.runner import runtestprotocol
from equation_rows import resolve
from mutants import Mutant, function_of, mutants, with_mutant

LONGEST = 20.0  # seconds; a mutant of an iteration may never end


class EndlessMutantError(Exception):
    """Raised when a test on a mutant takes too long, which counts as a failure."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutation-job", help="JSON file with the functions to mutate")


def pytest_configure(config: pytest.Config) -> None:
    """Find failures without shrinking them, from the same examples in every run."""
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", phases=phases, database=None, derandomize=True, deadline=None)
    hypothesis.settings.load_profile("mutants")


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run the job of the command line."""
    path = Path(session.config.getoption("--mutation-job"))
    job = json.loads(path.read_text(encoding="utf-8"))
    tests: dict[str, list[pytest.Item]] = {}
    for item in session.items:
        if "compiled" not in item.name:
            tests.setdefault(item.nodeid.split("[")[0], []).append(item)
    seconds, broken = {}, []
    for item in session.items:
        started = time.perf_counter()
        if "compiled" not in item.name and not passes(item):
            broken.append(item.nodeid)
        seconds[item.nodeid] = time.perf_counter() - started
    count, survivors = 0, []
    for name, own in job["functions"]:
        items = sorted((item for test in own for item in tests[test]), key=lambda item: seconds[item.nodeid])
        function = function_of(resolve(name))
        for mutant in selected(mutants(function), job["per_kind"]):
            count += 1
            with with_mutant(function, mutant):
                if all(passes(item) for item in items):
                    survivors.append([name, mutant.change, own])
    result = {"broken": broken, "mutants": count, "survivors": survivors, "seconds": seconds}
    path.with_suffix(".out").write_text(json.dumps(result), encoding="utf-8")
    return True


def selected(found: list[Mutant], per_kind: int | None) -> list[Mutant]:
    """Return the first mutants of each kind, or all of them."""
    if per_kind is None:
        return found
    kinds: dict[str, int] = {}
    chosen = []
    for mutant in found:
        kinds[mutant.kind] = kinds.get(mutant.kind, 0) + 1
        if kinds[mutant.kind] <= per_kind:
            chosen.append(mutant)
    return chosen


def passes(item: pytest.Item) -> bool:
    """Run one test with its fixtures, and return whether it passed."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise EndlessMutantError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        return all(report.passed for report in runtestprotocol(item, log=False, nextitem=None))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
