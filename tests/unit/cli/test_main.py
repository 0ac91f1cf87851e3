"""Exit codes and signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import SMALL, TINY, Said

import maxent
from maxent.agent import Agent
from maxent.cli import USAGE
from maxent.runs.checkpoint import CheckpointStore


class TestMain:
    @pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
    def test_usage(self, say: Callable[..., Said], words: list[str]) -> None:
        assert say(*words) == Said(0, USAGE, "")

    def test_version(self, say: Callable[..., Said]) -> None:
        assert say("--version").out == f"maxent {maxent.__version__}\n"

    def test_ctrl_c_before_training(self, say: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Agent, "train", interrupted)
        assert say("train", TINY, *SMALL) == Said(130, "", "maxent: interrupted.\n")


def start(*words: object) -> subprocess.Popen[str]:
    """A command in a process of its own, in the folder of `tiny_world`."""
    return subprocess.Popen(
        [sys.executable, "-m", "maxent", *map(str, words)],
        cwd=Path(__file__).parents[2] / "support", env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_ctrl_c_and_sigterm_say_how_to_resume(tmp_path: Path) -> None:
    signals = {"ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM}
    processes = {
        name: start("train", TINY, *SMALL, "--steps", 10**6, "--run-dir", tmp_path / name, "--quiet")
        for name in signals
    }
    for name, process in processes.items():
        while (CheckpointStore(tmp_path / name).newest or 0) == 0 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signals[name])
    for name, process in processes.items():
        out, err = process.communicate()
        assert process.returncode == 128 + signals[name]
        assert out == ""
        assert (
            err == f"Interrupted; a checkpoint is written. Go on with: maxent resume {tmp_path / name} --env {TINY}\n"
        )
        assert maxent.load(tmp_path / name, verbose=False).num_timesteps > 0
        assert (tmp_path / name / "last" / "policy.json").exists()


def test_a_reader_that_goes_away_is_no_error() -> None:
    """As in `maxent list envs | head -1`."""
    process = start("list", "envs")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), err) == (0, "")
