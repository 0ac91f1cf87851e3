"""The user's algorithm on the command line, from the folder where its module lies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mixed_sac  # noqa: F401 - for `list algos` in this process
import pytest
from short_runs import assert_equal, contents, metrics

from maxent.cli import main

OPTIONS = [
    *("--env-arg", "max_episode_steps=25", "--no-recipe", "--quiet", "--compile", "off", "--hidden", "8", "8"),
    *("--batch-size", "8", "--learning-starts", "20", "--buffer-size", "120", "--log-every", "20"),
    *("--checkpoint-every", "30", "--eval-every", "50", "--eval-episodes", "1"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the user's module in it."""
    shutil.copy(Path(__file__).with_name("mixed_sac.py"), tmp_path)
    return tmp_path


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `maxent` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "maxent", *words], cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def train(folder: Path, name: str, steps: int) -> subprocess.CompletedProcess[str]:
    words = ("--algo", "mixed_sac:MySAC", "--optimism", "0.6", "--steps", str(steps), "--run-dir", name)
    return command(folder, "train", "Pendulum-v1", *words, *OPTIONS)


def test_trained_resumed_and_evaluated(folder: Path) -> None:
    """90 steps at once equal 60 and then the rest; the file alone imports nothing."""
    for name, steps in (("whole", 90), ("run", 60)):
        done = train(folder, name, steps)
        assert done.returncode == 0, done.stderr
    refused = command(folder, "resume", "run", "--steps", "90", "--quiet")
    assert refused.returncode == 2
    assert "The algorithm mixed_sac:MySAC is not part of maxent" in refused.stderr
    assert "Traceback" not in refused.stderr
    resumed = command(folder, "resume", "run", "--steps", "90", "--algo", "mixed_sac:MySAC", "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    whole, run = contents(folder / "whole"), contents(folder / "run")
    # the end of the first part was logged and evaluated, as no step of the whole run was at 60
    for name in ("critic", "actor", "target_critic"):
        key = f"checkpoint/learner/{name}/layer_0.weight"
        assert run[key] == whole[key]
    assert float(metrics(folder / "run")[-1]["train/critic_spread"]) > 0.0
    evaluated = command(folder, "eval", "run", "--episodes", "2", "--algo", "mixed_sac:MySAC", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert '"members"' in evaluated.stdout


def test_a_run_again_is_the_same(folder: Path) -> None:
    for name in ("one", "other"):
        assert train(folder, name, 60).returncode == 0
    assert_equal(contents(folder / "one"), contents(folder / "other"))


def test_help_shows_its_setting(folder: Path) -> None:
    shown = command(folder, "train", "--algo", "mixed_sac:MySAC", "--help")
    assert shown.returncode == 0, shown.stderr
    assert "--optimism" in shown.stdout
    assert "Share of the critics' mean in the targets" in " ".join(shown.stdout.replace("│", " ").split())


def test_a_value_that_its_record_refuses_is_a_sentence(folder: Path) -> None:
    refused = command(folder, "train", "Pendulum-v1", "--algo", "mixed_sac:MySAC", "--optimism", "2")
    assert refused.returncode == 2
    assert "optimism: expected a number from 0 to 1, got 2.0" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_it_is_listed_where_its_module_is_imported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "algos"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "mixed_sac:MySAC" in line]
    assert "SAC with less pessimistic targets" in line
    assert "continuous" in line
