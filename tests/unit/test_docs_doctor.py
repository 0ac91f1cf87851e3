"""The page on doctor and watcher against the code: output as printed, and a row for every rule."""

import re
import sys
from pathlib import Path

import gymnasium as gym
import pytest

from maxent.cli import main
from maxent.diagnosis import episodes, spaces, watch
from maxent.report import cost, doctor

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text("utf-8")
MEASURED = ("speed", "time", "memory")
"""Facts that differ between machines, or with the recipe's settings."""


def blocks(language: str) -> list[str]:
    found: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def repeatable(output: str) -> list[str]:
    """Return the lines that are the same on every machine."""
    return [line for line in output.strip().splitlines() if not line.strip().startswith(MEASURED)]


@pytest.mark.parametrize(("command", "code"), [(0, 0), (1, 1)])
def test_the_output_is_that_of_the_command(
    command: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment of the page draws its positions from a stream without a seed: its facts are not compared."""
    (module,) = blocks("python")
    (tmp_path / "my_env.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    program, *words = blocks("")[command].split()
    assert (program, main(words)) == ("maxent", code)
    printed, shown = repeatable(capsys.readouterr().out), repeatable(blocks("text")[command])
    random = ("  observations", "  rewards", "  episodes") if command else ()
    assert [line for line in printed if not line.startswith(random)] == [
        line for line in shown if not line.startswith(random)
    ]
    sys.modules.pop("my_env", None)
    gym.registry.pop("Push-v0", None)


def test_every_rule_has_a_row() -> None:
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    names = [rule.name for rule in watch.RULES]
    texts = [Path(str(module.__file__)).read_text("utf-8") for module in (episodes, spaces, doctor, cost)]
    names += [name for text in texts for name in re.findall(r"Finding\(\s*\"([a-z-]+)\"", text)]
    assert rows == set(names)


@pytest.mark.parametrize("rule", watch.RULES, ids=lambda rule: rule.name)
def test_the_patience_is_that_of_the_code(rule: watch.Rule) -> None:
    (patience,) = re.findall(rf"^\| `{rule.name}` \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert patience == f"{rule.steps:,} steps" + (f", {rule.updates:,} updates" if rule.updates else "")
