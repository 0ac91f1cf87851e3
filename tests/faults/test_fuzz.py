"""A short run of the fuzzer; `python tests/faults/fuzz_files.py --count 100000` is the long one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_files import Result, fuzz


def failures(count: int, seed: int, root: Path) -> list[Result]:
    results = list(fuzz(count, seed=seed, root=root))
    assert [result.number for result in results] == list(range(count))
    kinds = {result.outcome for result in results}
    assert {"read", "refused"} <= kinds  # it does mutate, and it does read
    return [result for result in results if result.outcome.startswith("failed")]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory and time are those of Unix")
def test_mutants_of_every_kind_of_file_are_read_or_refused_by_a_sentence(tmp_path: Path) -> None:
    assert failures(200, 1, tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory and time are those of Unix")
def test_many_mutants_are_read_or_refused_by_a_sentence(tmp_path: Path) -> None:
    assert failures(10_000, 2, tmp_path) == []
