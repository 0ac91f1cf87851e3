"""Signals and processes: what ends a run leaves a checkpoint and no process behind."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from maxent.envs.making import EnvSource
from maxent.runs.folder import RunFolder

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")

PATIENCE = 60.0
"""Seconds after which something that has to happen counts as missed, on a loaded machine too."""

RUN = """
import sys
if __name__ == "__main__":
    from maxent.cli import main
    from maxent.training import stop
    stop.GRACE = 1.0
    sys.exit(main(sys.argv[1:]))
"""

ENVS = """
import time
from pathlib import Path
import gymnasium as gym
import numpy as np


class Line(gym.Env):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,))
    action_space = gym.spaces.Box(-1.0, 1.0, (1,))

    def __init__(self, hang=None, fail=0):
        self.hang, self.fail, self.steps = hang, fail, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = np.zeros(1, np.float32)
        return self.at, {}

    def step(self, action):
        self.steps += 1
        if self.hang and self.steps % 60 == 0:
            Path(self.hang).touch()
            while True:
                time.sleep(0.01)
        if self.fail and self.steps % self.fail == 0:
            raise RuntimeError("the simulator broke")
        time.sleep(0.002)
        self.at = self.at + np.float32(action)
        return self.at, float(-abs(self.at[0])), False, bool(abs(self.at[0]) > 3), {}


gym.register("Line-v0", entry_point=Line)
"""


class Started:
    """A run of `maxent train` in a process group of its own."""

    def __init__(self, folder: Path, options: Sequence[str] = (), env_args: Sequence[str] = ()) -> None:
        (folder / "lines.py").write_text(ENVS)
        (folder / "run.py").write_text(RUN)
        self.run = folder / "run"
        command = [
            sys.executable, str(folder / "run.py"), "train", "lines:Line-v0", "--steps", "1000000", "--hidden", "8",
            "--learning-starts", "20", "--batch-size", "8", "--log-every", "20", "--eval-every", "0",
            "--compile", "off", "--run-dir", str(self.run), *options,
        ]  # fmt: skip
        command += ["--env-arg", *env_args] if env_args else []
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True, cwd=folder,
        )  # fmt: skip

    def wait_for(self, path: Path) -> None:
        """Wait until a file exists, and a CSV has a row."""
        until = time.monotonic() + PATIENCE
        while not path.exists() or (path.suffix == ".csv" and path.read_text().count("\n") < 2):
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < until, f"{path} does not come"
            time.sleep(0.05)

    def group(self) -> list[int]:
        """Return the processes of its group, and of its children in other groups."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[2]) == self.process.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found

    def end(self, code: int) -> str:
        """Check the exit code and that no process is left; return what it printed."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == code, errors
        until = time.monotonic() + PATIENCE
        while self.group() and time.monotonic() < until:
            time.sleep(0.05)
        assert self.group() == []
        return errors


def step_of(run: Path) -> int:
    """Return the step of the newest checkpoint."""
    newest = RunFolder.open(run).checkpoints.newest
    assert newest is not None
    return int(newest)


@pytest.mark.parametrize("workers", [False, True], ids=["in process", "workers"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_to_the_process_group_saves_the_run(
    tmp_path: Path, workers: bool, number: signal.Signals, code: int
) -> None:
    """As Slurm, systemd, docker and a closed terminal send it."""
    started = Started(tmp_path, ["--workers", "--num-envs", "2"] if workers else [])
    started.wait_for(started.run / "metrics.csv")
    assert len(started.group()) >= (3 if workers else 1)
    os.killpg(started.process.pid, number)
    errors = started.end(code)
    assert "a checkpoint is written" in errors
    assert step_of(started.run) > 0


@pytest.mark.parametrize("workers", [False, True], ids=["in process", "workers"])
def test_one_interrupt_ends_a_run_whose_environment_hangs(tmp_path: Path, workers: bool) -> None:
    hangs = tmp_path / "hangs"
    started = Started(tmp_path, ["--workers"] if workers else [], [f"hang={hangs}"])
    started.wait_for(hangs)
    os.kill(started.process.pid, signal.SIGINT)
    assert "a checkpoint is written" in started.end(130)
    assert step_of(started.run) == 59


def test_a_killed_run_takes_its_hanging_workers_along(tmp_path: Path) -> None:
    hangs = tmp_path / "hangs"
    started = Started(tmp_path, ["--workers", "--num-envs", "2"], [f"hang={hangs}"])
    started.wait_for(hangs)
    os.kill(started.process.pid, signal.SIGKILL)
    started.end(-signal.SIGKILL)


def test_steps_over_their_time_limit_end_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    """Four times another process takes over; each comes 59 steps far."""
    hangs = tmp_path / "hangs"
    started = Started(tmp_path, ["--workers", "--step-timeout", "1"], [f"hang={hangs}"])
    errors = started.end(2)
    assert "environment 0 of member 0, step " in errors
    assert "expected the end of the step within 1 s (step_timeout)" in errors
    assert f"maxent resume {started.run}" in errors
    assert step_of(started.run) == 5 * 60 - 1


@pytest.mark.parametrize("workers", [False, True], ids=["in process", "workers"])
def test_an_environment_that_raises_ends_the_run_with_a_checkpoint(tmp_path: Path, workers: bool) -> None:
    """The first time in this process; in a worker, the fifth time within 1,000 steps."""
    started = Started(tmp_path, ["--workers"] if workers else [], ["fail=60"])
    errors = started.end(2)
    assert "RuntimeError: the simulator broke" in errors
    assert 'lines.py", line ' in errors  # the traceback, of the worker too
    assert f"maxent resume {started.run}" in errors
    assert step_of(started.run) == (5 * 60 - 1 if workers else 59)


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    started = Started(tmp_path, ["--workers", "--num-envs", "2"])
    started.wait_for(started.run / "metrics.csv")
    before = started.group()
    os.kill(max(before), signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    while not set(started.group()) - set(before):
        assert started.process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    rows = (started.run / "metrics.csv").read_text().count("\n")
    while (started.run / "metrics.csv").read_text().count("\n") < rows + 2:  # it goes on
        assert started.process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    os.kill(started.process.pid, signal.SIGTERM)
    started.end(143)
    with (started.run / "metrics.csv").open(newline="") as file:
        assert list(csv.DictReader(file))[-1]["rollout/ep_dropped"] == "1.0"


def test_the_workers_of_a_source_ignore_the_signals_of_the_group() -> None:
    """And programs that an environment starts do not inherit it: a handler, not SIG_IGN."""
    from maxent.envs.lanes import Lanes

    lanes = Lanes.open(EnvSource.of("Pendulum-v1"), members=1, envs_per_member=1, seeds=[0], workers=True)
    lanes.reset()
    (process,) = lanes._fleet.processes  # type: ignore[attr-defined]
    masks = dict(
        line.split(":\t") for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        bit = 1 << (number - 1)
        assert int(masks["SigCgt"], 16) & bit
        assert not int(masks["SigIgn"], 16) & bit
        assert not int(masks["SigBlk"], 16) & bit
    lanes.close()
