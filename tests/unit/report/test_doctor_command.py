"""`maxent doctor`: its output, its exit codes and mistakes of the user."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maxent.cli import main
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.report import doctor
from maxent.report.doctor import Examination, examine

SMALL: dict[str, Any] = {"hidden": (8, 8), "batch_size": 8, "steps": 1_000, "learning_starts": 100}


class TestCommand:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Measure a small run."""

        def small(source: EnvSource, algo: str | None = None, *, steps: int = 0) -> Examination:
            return examine(source, algo, steps=steps, settings=SMALL)

        monkeypatch.setattr(doctor, "examine", small)

    def test_a_healthy_environment(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor", "ailing_envs:Ailing-v0", "--steps", "500"]) == 0
        out = capsys.readouterr().out
        assert out.startswith("ailing_envs:Ailing-v0: no faults, no warnings, no notes\n  observations 3 numbers")

    def test_a_fault_is_exit_code_1(self, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["doctor", "ailing_envs:Ailing-v0", "--env-arg", "report=terminated", "--steps", "500"]
        assert main(words) == 1
        out = capsys.readouterr().out
        assert ": 1 fault, no warnings, no notes\n" in out
        assert "\n\nFAULT truncation: a limit of steps is reported as a termination\n  measured  all 5 random" in out

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["doctor", "ailing_envs:Ailing-v0", "--env-arg", "report=terminated", "--steps", "500", "--json"]
        assert main(words) == 1
        data = json.loads(capsys.readouterr().out)
        assert list(data) == ["env", "facts", "numbers", "findings"]
        assert [(one["rule"], one["level"]) for one in data["findings"]] == [("truncation", "fault")]
        assert list(data["findings"][0]) == ["rule", "level", "what", "measured", "why", "change"]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["Pendulm-v1"], "did you mean"),
            (["Pendulum-v1", "--steps", "9"], "steps: expected at least 100, got 9"),
            (["Pendulum-v1", "--algo", "ppo"], "ppo"),
            (["CartPole-v1", "--algo", "td3"], "td3 is for continuous"),
            (["Pendulum-v1", "--env-arg", "colour=red"], "expected arguments of the environment"),
        ],
    )
    def test_mistakes_of_the_user(self, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor", *words]) == 2
        assert said in capsys.readouterr().err


def test_damaged_findings_of_a_run_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    spoiled: list[Callable[[], object]] = [
        lambda: (tmp_path / "findings.json").write_text('{"format": 1, "findings": [{"step": 1}]}'),
        lambda: (tmp_path / "findings.json").write_text('{"format": 1, "findings": {}}'),
        lambda: (tmp_path / "findings.json").write_text("["),
        lambda: ((tmp_path / "findings.json").unlink(), (tmp_path / "findings.json").symlink_to("/dev/zero")),
    ]
    for spoil in spoiled:
        spoil()
        assert main(["doctor", str(tmp_path)]) == 2
        assert str(tmp_path / "findings.json") in capsys.readouterr().err


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(UserError, match="expected at least 100, got 0"):
        doctor.require_examinable(0)
