"""The file that says how a run ended."""

from pathlib import Path

import pytest

from maxent.errors import UserError
from maxent.runs.ending import EndingSink, read_ending
from maxent.runs.observer import RunHeader

HEADER = RunHeader(algo="sac", env="Tiny-v0", members=1, device="cpu", compiled=False, steps=10)


def test_the_reason_is_there_until_the_run_continues(tmp_path: Path) -> None:
    path = tmp_path / "ending.json"
    sink = EndingSink(path)
    sink.on_start(HEADER)
    assert read_ending(path) is None
    sink.on_end("hung_up")
    assert read_ending(path) == "hung_up"
    EndingSink(path).on_start(HEADER)
    assert read_ending(path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 1}', '{"format": 2, "reason": "failed"}', '{"format": 1, "reason": "\\u001b[2J"}']
)
def test_the_file_is_checked(tmp_path: Path, text: str) -> None:
    (tmp_path / "ending.json").write_text(text)
    with pytest.raises(UserError, match=r"ending\.json") as caught:
        read_ending(tmp_path / "ending.json")
    assert str(caught.value).isprintable()


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ending.json").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="symbolic link"):
        read_ending(tmp_path / "ending.json")
