"""Worker processes: they end with the run, leave Ctrl-C to the main process, and are started again after a failure."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from toy_envs import Drift, Homebound
from worker_lanes import STILL, open_workers

from maxent.envs.faults import EnvironmentFault
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.envs.workers import WorkerFleet
from maxent.errors import UserError


class Troubled(Drift):
    """Raises, hangs or ends its process at the third step of every episode."""

    def __init__(self, how: str) -> None:
        super().__init__(limit=np.inf)
        self.how = how

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.time == 2:
            if self.how == "raises":
                raise RuntimeError("a cable came loose")
            if self.how == "ends":
                os._exit(3)
            if self.how == "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        return super().step(action)


class Uneven(gym.Env[Any, Any]):
    """Has a space of another size in every process."""

    action_space = gym.spaces.Box(-1.0, 1.0, (1,))

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (1 + os.getpid() % 1000,))


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
    lanes, fleet = open_workers()
    processes = fleet.processes
    assert len(processes) == 2
    assert all(process.is_alive() for process in processes)
    lanes.close()
    lanes.close()
    assert not any(process.is_alive() for process in processes)


def test_an_interrupt_is_left_to_the_main_process() -> None:
    before = signal.getsignal(signal.SIGINT)
    lanes, fleet = open_workers()
    for process in fleet.processes:
        os.kill(process.pid, signal.SIGINT)
    assert lanes.step(STILL).live.all()
    assert signal.getsignal(signal.SIGINT) is before  # here it works as before
    lanes.close()


def test_a_worker_that_is_killed_is_started_again_and_the_others_go_on() -> None:
    lanes, fleet = open_workers()
    undisturbed, _ = open_workers()
    for _ in range(3):
        lanes.step(STILL)
        undisturbed.step(STILL)
    before = fleet.processes
    before[0].kill()
    before[0].join()
    step, other = lanes.step(STILL), undisturbed.step(STILL)
    (failure,) = step.failures
    assert (failure.lane, failure.length) == (0, 3)
    assert failure.text.startswith("environment 0 of member 0, step 4 of episode 0: expected the end of the step, but")
    assert "ended by signal 9" in failure.text
    assert step.live.tolist() == [False, True] and step.reward[0] == 0.0 and not step.episodes
    np.testing.assert_array_equal(step.next_obs["float"][1], other.next_obs["float"][1])
    # episode 1 begins with its own seed, as it does where episode 0 ends in order
    while not (ended := [episode for episode in undisturbed.step(STILL).episodes if episode.lane == 0]):
        pass
    assert ended
    state = undisturbed.state().json["lanes"][0]
    assert lanes.state().json["lanes"][0] | {"return": 0.0} == state | {"return": 0.0}
    assert fleet.processes[1] is before[1] and fleet.processes[0].is_alive()
    assert lanes.step(STILL).live.all()
    lanes.close()
    undisturbed.close()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("raises", "got RuntimeError: a cable came loose. The action was [-1.]."),
        ("ends", "its worker process ended with exit code 3. The action was [-1.]."),
        ("is killed", "its worker process ended by signal 9. The action was [-1.]."),
        ("hangs", "expected the end of the step within 1 s (step_timeout). The action was [-1.]."),
    ],
)
def test_a_worker_that_fails_again_and_again_stops_the_run(how: str, text: str) -> None:
    lanes, _ = open_workers(partial(Troubled, how), timeout=1.0 if how == "hangs" else None)
    failures = 0
    with pytest.raises(EnvironmentFault) as caught:
        for _ in range(16):
            step = lanes.step(STILL)
            failures += len(step.failures)
            assert all(text in failure.text and failure.length == 2 for failure in step.failures)
    assert failures == 8  # four of each environment; the fifth of the first one is the error
    assert text in str(caught.value)
    assert "environment 0 of member 0, step 3 of episode 4: " in str(caught.value)
    assert "It failed 5 times within 1,000 steps." in str(caught.value)
    assert ("test_workers.py" in str(caught.value)) == (how == "raises")  # the traceback of the worker
    lanes.close()


def test_a_lane_of_an_exception_in_between_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt while a step is awaited leaves a result in the pipe that the next call must not take for its own."""
    lanes, fleet = open_workers()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    before = fleet.processes
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(WorkerFleet, "_results", interrupted)
        lanes.step(STILL)
    first = lanes.reset()
    np.testing.assert_array_equal(first["float"][:, 1], [0, 0])  # the time of a new episode
    assert not any(process.is_alive() for process in before)
    lanes.close()


def test_a_worker_that_cannot_start_is_explained() -> None:
    source = EnvSource.of(partial(Homebound, os.getpid()))
    with pytest.raises(UserError, match="__main__"):
        Lanes.open(source, members=1, envs_per_member=2, seeds=[0], workers=True)


class Changed(Drift):
    """Has another space in every process but those that start before a file exists."""

    def __init__(self, path: Path) -> None:
        super().__init__(limit=np.inf)
        self.size = 1 if path.exists() else 2
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (self.size,))

    def observe(self) -> Any:
        return super().observe()[: self.size]


def test_a_new_worker_with_other_spaces_is_no_replacement(tmp_path: Path) -> None:
    """Its observations of one number would fill a row of two."""
    lanes, fleet = open_workers(partial(Changed, tmp_path / "changed"))
    lanes.step(STILL)
    (tmp_path / "changed").touch()
    fleet.processes[0].kill()
    with pytest.raises(EnvironmentFault, match=r"reset of episode 4: expected an environment with .*, \(2,\)"):
        lanes.step(STILL)
    lanes.close()


def test_no_signal_is_sent_to_a_process_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be that of another process by now."""
    lanes, fleet = open_workers()
    (gone, alive), signalled = fleet.processes, list[int]()
    gone.kill()
    gone.join()
    original = os.kill

    def kill(pid: int, number: int) -> None:
        signalled.append(pid)
        original(pid, number)

    monkeypatch.setattr("maxent.envs.worker.os.kill", kill)
    assert lanes.step(STILL).failures
    assert gone.pid not in signalled
    lanes.close()
    assert not alive.is_alive()


def test_workers_with_other_spaces_are_refused() -> None:
    with pytest.raises(UserError, match="expected equal spaces in all of them"):
        Lanes.open(EnvSource.of(Uneven), members=1, envs_per_member=2, seeds=[0], workers=True)


PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
if __name__ == "__main__":
    from worker_lanes import open_workers
    lanes, fleet = open_workers()
    print(*[process.pid for process in fleet.processes], flush=True)
    time.sleep(60 if sys.argv[2:] else 0)
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "at its end, without closing them"])
def test_a_run_that_ends_leaves_no_worker(tmp_path: Path, killed: bool) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    support = Path(__file__).parents[2] / "support"
    command = [sys.executable, str(script), str(support), *(["wait"] * killed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        workers = [Path("/proc", pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        if killed:
            assert all(worker.exists() for worker in workers)
            parent.kill()
        parent.wait(60)
    until = time.monotonic() + 60
    while any(worker.exists() for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(worker.exists() for worker in workers)
