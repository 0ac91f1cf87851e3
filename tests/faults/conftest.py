"""The nursery for all suites of this folder, and a line for each promise at the end of a test run."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nursery import Nursery

PROMISE = "promise"


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
    """Print the lines of all promises."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, [])]
    lines = [line for report in reports for name, line in getattr(report, "user_properties", []) if name == PROMISE]
    if lines:
        terminalreporter.section("promises")
        for line in lines:
            terminalreporter.write_line(str(line))
