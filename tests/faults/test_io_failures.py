"""The n-th file operation fails: the command goes on or ends with one sentence, and nothing earlier is damaged."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from nursery import Ended, Fault, Nursery, left_over
from short_runs import SMALL

STEPS = 60
OPTIONS = {"hidden", "batch_size", "learning_starts", "buffer_size", "log_every", "checkpoint_every", "compile"}
FAULTS = [("ENOSPC", False), ("ENOSPC", True), ("EIO", False), ("EIO", True), ("short", False), ("short", True)]
"""Kinds of faults, and whether all calls after the first one fail as well."""

STRIDE = int(os.environ.get("MAXENT_FAULT_STRIDE", "6"))
"""The long form lets each operation fail in one of the six ways, by turns; 3 in two of them, 1 in all."""


def train_words(run: Path) -> list[str]:
    words = ["train", "Pendulum-v1", "--run-dir", str(run), "--steps", str(STEPS), "--quiet", "--eval-every", "50"]
    words += ["--eval-episodes", "1", "--env-arg", "max_episode_steps=25"]
    for name in sorted(OPTIONS):
        value = SMALL[name]
        words += ["--" + name.replace("_", "-"), *map(str, value if isinstance(value, tuple) else (value,))]
    return words


class Tried:
    """Counts how commands with a fault ended."""

    def __init__(self) -> None:
        self.finished = self.refused = self.untouched = 0

    def note(self, ended: Ended, what: str) -> None:
        """Check that a command ended in order."""
        assert ended.status in (0, 2), f"{what}: exit code {ended.status}\n{ended.said}"
        assert "Traceback" not in ended.said, f"{what}: {ended.said}"
        if ended.failed == 0:  # no call of this kind came after that number
            self.untouched += 1
            return
        if ended.status == 0:
            self.finished += 1
            return
        self.refused += 1
        sentences = [line for line in ended.said.splitlines() if line.startswith("maxent: ")]
        assert len(sentences) == 1, f"{what}: {ended.said}"

    def __str__(self) -> str:
        total = self.finished + self.refused
        return f"{total} commands with a failing file operation: {self.finished} finished, {self.refused} ended with"


def finish(nursery: Nursery, run: Path, expected: dict[str, Any], what: str, picture: bool) -> None:
    """Finish a run without faults and compare it with its twin."""
    words = ["resume", str(run), "--quiet"] if (run / "config.json").exists() else train_words(run)
    ended = nursery.run("command", words=words, picture=picture)
    assert ended.status == 0, f"{what}: {ended.said}"
    found = nursery.do("contents", run=run)
    assert [name for name in expected if found.get(name) != expected[name]] == [], what
    assert left_over(run) == [], what


def fail_at(
    faulty: Nursery,
    folder: Path,
    kinds: Iterable[tuple[str, bool]],
    numbers: Callable[[int], range],
    picture: bool,
) -> Tried:
    """Let each of these file operations of a training and of a resume fail."""
    tried, run, before = Tried(), folder / "run", folder / "before"
    whole = faulty.run("command", words=train_words(run), fault=Fault(str(run)))
    assert whole.status == 0, whole.said
    expected = faulty.do("contents", run=run)
    shutil.rmtree(run)
    faulty.run("command", words=train_words(run), fault=Fault(str(run), whole.calls // 2, "kill"))
    run.rename(before)
    for kind, lasting in kinds:
        for resumes in (False, True):
            reads = kind == "EIO"
            for number in numbers(_calls(faulty, run, before, resumes, reads, picture)):
                words = _prepare(run, before, resumes)
                fault = Fault(str(run), number, kind, lasting, reads)
                ended = faulty.run("command", words=words, fault=fault, picture=picture)
                what = f"{words[0]}, call {number}, {kind}{', lasting' if lasting else ''}"
                tried.note(ended, what)
                finish(faulty, run, expected, what, picture)
    return tried


def _prepare(run: Path, before: Path, resumes: bool) -> list[str]:
    """Put the folder into the state before the command, and return the command."""
    shutil.rmtree(run, ignore_errors=True)
    if resumes:
        shutil.copytree(before, run)
        return ["resume", str(run), "--quiet"]
    return train_words(run)


def _calls(faulty: Nursery, run: Path, before: Path, resumes: bool, reads: bool, picture: bool) -> int:
    """Return how many file operations a command makes that no fault disturbs."""
    words = _prepare(run, before, resumes)
    ended = faulty.run("command", words=words, fault=Fault(str(run), reads=reads), picture=picture)
    assert ended.status == 0, ended.said
    assert ended.calls > 50
    return ended.calls


def test_failing_file_operations(faulty: Nursery, tmp_path: Path, promise: Callable[[str], None]) -> None:
    tried = fail_at(faulty, tmp_path, [("ENOSPC", True), ("EIO", False)], lambda count: range(11, count, 97), True)
    assert tried.refused > 0
    promise(f"{tried} one sentence; all resumed equal")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[f"{kind}-{lasting}" for kind, lasting in FAULTS])
def test_every_file_operation_fails(
    faulty: Nursery, tmp_path: Path, promise: Callable[[str], None], number: int
) -> None:
    tried = fail_at(faulty, tmp_path, [FAULTS[number]], lambda count: range(number % STRIDE, count, STRIDE), False)
    kind, lasting = FAULTS[number]
    assert tried.finished + tried.refused > 30 or kind == "short"
    promise(f"{kind}{' from then on' if lasting else ''}: {tried} one sentence; all resumed equal")
