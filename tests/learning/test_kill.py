"""kill -9 at ten random moments, resumed each time: the run ends as one that was never interrupted, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from short_runs import assert_equal, contents

from maxent.runs.checkpoint import CheckpointStore

KILLS = 10
STEPS = 8_000


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "maxent", *words, "--quiet"], env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "compiled", "storage"),
    [
        ("Pendulum-v1", "off", "ram"),
        ("Pendulum-v1", "off", "disk"),
        ("Hopper-v5", "off", "ram"),
        ("Hopper-v5", "on", "ram"),
    ],
)
def test_ten_kills(tmp_path: Path, env: str, compiled: str, storage: str) -> None:
    """The moments are random but fall between the checkpoints that divide the run into eleven parts, so none is lost
    on a process that has not begun or has ended. The run that is not interrupted has its rows in memory.
    """
    options = [
        *("--no-recipe", "--compile", compiled, "--hidden", "32", "32", "--seeds", "2", "--num-envs", "2"),
        *("--batch-size", "32", "--learning-starts", "500", "--replay-ratio", "0.5", "--buffer-size", "5000"),
        *("--log-every", "500", "--checkpoint-every", "100", "--eval-every", "2000", "--eval-episodes", "2"),
        *("--n-step", "3", "--steps", str(STEPS)),
    ]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert start("train", env, *options, "--run-dir", str(whole)).wait() == 0
    options += ["--replay-storage", storage]
    moments = random.Random(0)
    for kill in range(1, KILLS + 1):
        words = ("train", env, *options, "--run-dir", str(run)) if kill == 1 else ("resume", str(run))
        process = start(*words)
        while (CheckpointStore(run).newest or 0) < STEPS * kill // (KILLS + 1) and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.2))  # between two checkpoints, or in the middle of one
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    reached = CheckpointStore(run).newest
    assert reached is not None
    assert STEPS * KILLS // (KILLS + 1) <= reached < STEPS
    assert start("resume", str(run)).wait() == 0
    assert_equal(contents(run), contents(whole))
