"""Worker processes: they end with the run, leave Ctrl-C to the main process, and check the data that they send."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv
from toy_envs import Drift, Homebound

from maxent.envs.faults import EnvironmentFault
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.errors import UserError

STILL = np.zeros((2, 1), np.float32)


def open_workers() -> tuple[Lanes, AsyncVectorEnv]:
    lanes = Lanes.open(EnvSource.of(Drift), members=1, envs_per_member=2, seeds=[0], workers=True)
    lanes.reset()
    vector = lanes._fleet._env  # type: ignore[attr-defined]
    return lanes, vector


def test_workers_are_as_the_same_environments_in_this_process() -> None:
    lanes, _ = open_workers()
    local = Lanes.open(EnvSource.of(Drift), members=1, envs_per_member=2, seeds=[0])
    local.reset()
    for _ in range(15):
        one, other = lanes.step(STILL), local.step(STILL)
        np.testing.assert_array_equal(one.next_obs["float"], other.next_obs["float"])
        np.testing.assert_array_equal(one.obs["float"], other.obs["float"])
        assert one.episodes == other.episodes
    assert lanes.state().json == local.state().json
    lanes.close()


def test_close_ends_the_workers_and_may_be_repeated() -> None:
    lanes, vector = open_workers()
    assert len(vector.processes) == 2
    assert all(process.is_alive() for process in vector.processes)
    lanes.close()
    lanes.close()
    assert not any(process.is_alive() for process in vector.processes)


def test_an_interrupt_is_left_to_the_main_process() -> None:
    before = signal.getsignal(signal.SIGINT)
    lanes, vector = open_workers()
    for process in vector.processes:
        os.kill(process.pid, signal.SIGINT)
    assert lanes.step(STILL).live.all()
    assert signal.getsignal(signal.SIGINT) is before  # here it works as before
    lanes.close()


def test_a_worker_that_dies_is_a_fault_and_the_others_end() -> None:
    lanes, vector = open_workers()
    vector.processes[0].kill()
    vector.processes[0].join()
    with pytest.raises(EnvironmentFault, match="worker process"):
        lanes.step(STILL)
    lanes.close()
    assert not any(process.is_alive() for process in vector.processes)


def test_a_worker_that_cannot_start_is_explained() -> None:
    source = EnvSource.of(partial(Homebound, os.getpid()))
    with pytest.raises(UserError, match="__main__"):
        Lanes.open(source, members=1, envs_per_member=2, seeds=[0], workers=True)


PARENT = """
import sys, time
sys.path[:0] = sys.argv[1:]
if __name__ == "__main__":
    from test_workers import open_workers
    lanes, vector = open_workers()
    print(*[process.pid for process in vector.processes], flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_killed_run_leaves_no_worker(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    here = Path(__file__).parent
    command = [sys.executable, str(script), str(here), str(here.parents[1] / "support")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        workers = [Path("/proc", pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2 and all(worker.exists() for worker in workers)
        parent.kill()
    until = time.monotonic() + 10
    while any(worker.exists() for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(worker.exists() for worker in workers)
