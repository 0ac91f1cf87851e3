"""The nursery for all suites of this folder, and a line for each promise at the end of a test run."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nursery import Nursery

PROMISE = "promise"
ROOT = Path(__file__).parents[2]
ELSEWHERE = (
    "tests/unit/envs/test_failures.py", "tests/unit/envs/test_time_limits.py", "tests/unit/envs/test_workers.py",
    "tests/unit/runs/test_power.py", "tests/unit/test_damaged_runs.py", "tests/unit/training/test_failing_envs.py",
)  # fmt: skip
"""Tests of promises beside the modules that keep them; the Makefile names them too."""


@pytest.fixture
def promise(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a line such as "killed at 40 random moments: 40 resumed equal" at the end of the test run."""
    return lambda line: record_property(PROMISE, line)


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    if sys.platform == "win32":
        pytest.skip("processes are forked")
    started = Nursery(tmp_path_factory.mktemp("nursery"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def faulty(nursery: Nursery) -> Nursery:
    """The nursery, where calls of the C library can be counted and made to fail."""
    if nursery.library is None or sys.platform != "linux":
        pytest.skip("file operations are counted by a small library for Linux, and cc cannot build it here")
    return nursery


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines of all promises; of a file whose tests print none, its first line and how many tests passed."""
    told: list[str] = []
    silent: dict[str, list[bool]] = {}
    for kind in ("passed", "failed"):
        for report in terminalreporter.stats.get(kind, []):
            lines = [str(line) for name, line in getattr(report, "user_properties", []) if name == PROMISE]
            told += lines
            file = report.nodeid.partition("::")[0]
            if not lines and (file.startswith("tests/faults/") or file in ELSEWHERE):
                silent.setdefault(file, []).append(kind == "passed")
    told += [f"{_first_line(Path(file))} {sum(passed)} of {len(passed)}" for file, passed in silent.items()]
    if told:
        terminalreporter.section("promises")
        for line in told:
            terminalreporter.write_line(line)


def _first_line(file: Path) -> str:
    """Return what a file of tests is about."""
    return (ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or str(file)).splitlines()[0]
