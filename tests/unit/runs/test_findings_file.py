"""The file of a run's findings."""

from pathlib import Path

import pytest

from maxent.errors import FileError
from maxent.findings import Finding
from maxent.runs.findings import FindingsSink, read_findings
from maxent.runs.observer import RunHeader


def started(path: Path, start: int = 0) -> FindingsSink:
    """Return the sink of a run that starts at a step."""
    sink = FindingsSink(path)
    sink.on_start(RunHeader("sac", "Pendulum-v1", 1, "cpu", compiled=False, steps=10_000, start=start))
    return sink


def finding(rule: str) -> Finding:
    return Finding(rule, "warning", "what", "measured", "why", "change")


def test_findings_are_a_file_from_the_first_one_on(tmp_path: Path) -> None:
    path = tmp_path / "findings.json"
    sink = started(path)
    assert not path.exists()
    sink.on_finding(finding("first"), 10)
    sink.on_finding(finding("second"), 20)
    assert read_findings(path) == [
        {"step": 10, **finding("first").to_plain()},
        {"step": 20, **finding("second").to_plain()},
    ]


@pytest.mark.parametrize(("start", "kept"), [(0, []), (10, [10]), (19, [10]), (20, [10, 20])])
def test_findings_after_the_step_of_a_resume_are_dropped(tmp_path: Path, start: int, kept: list[int]) -> None:
    path = tmp_path / "findings.json"
    sink = started(path)
    for step in (10, 20):
        sink.on_finding(finding("rule"), step)
    sink = started(path, start)
    assert [one["step"] for one in read_findings(path)] == kept
    sink.on_finding(finding("rule"), 30)
    assert [one["step"] for one in read_findings(path)] == [*kept, 30]


@pytest.mark.parametrize(
    "text", ["[]", '{"format": 1}', '{"format": 2, "findings": []}', '{"format": 1, "findings": [1]}']
)
def test_a_file_of_findings_is_checked(tmp_path: Path, text: str) -> None:
    (tmp_path / "findings.json").write_text(text)
    with pytest.raises(FileError, match=r"findings\.json"):
        read_findings(tmp_path / "findings.json")
