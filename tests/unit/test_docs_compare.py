"""The page on comparisons against the code: output as printed, sources, names in Python."""

import importlib
import re
from pathlib import Path

import pytest

from maxent.cli import main
from maxent.results.readers import episodes, events, tables
from maxent.statistics import least_seeds
from maxent.statistics.bootstrap import RESAMPLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compare.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    found: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def test_the_output_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    program, *words = blocks("")[0].split()
    assert (program, main(words)) == ("maxent", 0)
    assert capsys.readouterr().out == blocks("text")[0]


def test_the_names_in_python_exist() -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith("In Python")]
    for name in re.findall(r"`maxent\.([\w.]+)`", line):
        module, _, function = f"maxent.{name}".rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))


def test_tags_and_numbers_are_those_of_the_code() -> None:
    known = {tag for tag, _ in events.TAGS}
    assert set(re.findall(r"`((?:eval|rollout|charts)/\w+)`", PAGE)) <= known
    assert {"_step", "step", "return"} <= {*tables.STEP, *tables.RETURN}
    assert f"{RESAMPLES:,} stratified bootstrap" in PAGE
    assert episodes.PIECES == 50  # "fiftieths of the run"
    assert least_seeds() == 4  # "Three seeds against three cannot pass it"
