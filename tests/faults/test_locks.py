"""Who holds a run folder, who may read it meanwhile, and a run in a thread that Ctrl-C ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from configurations import agent_of
from nursery import Nursery

from maxent.opening import resume_run
from maxent.runs.folder import RunFolder
from maxent.runs.sinks import CsvSink
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer

PATIENCE = 60.0

FORKS = """
import os, sys, time
from pathlib import Path
from maxent.runs.folder import RunFolder

folder = RunFolder.create(Path(sys.argv[1]))
if os.fork() == 0:  # an environment's helper, which outlives the run
    Path(sys.argv[2]).write_text(str(os.getpid()))
    time.sleep(600)
time.sleep(600)
"""

THREAD = """
import sys, threading
import maxent

agent = maxent.SAC(
    "Pendulum-v1", hidden=(8,), batch_size=8, learning_starts=20, buffer_size=200, eval_every=0, log_every=10,
    compile="off", verbose=False,
)
thread = threading.Thread(target=agent.learn, args=(10_000_000,), kwargs={"run_dir": sys.argv[1]})
thread.start()
{wait}
"""

WAITS = {
    "join": "thread.join()",  # where it is interrupted, Python 3.11 does not wait for the thread at its exit
    "sleep": "import time\nwhile thread.is_alive():\n    time.sleep(0.01)",
}


def wait_for(path: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_helper_does_not_keep_the_lock_of_a_killed_run(tmp_path: Path) -> None:
    run, ready = tmp_path / "run", tmp_path / "ready"
    process = subprocess.Popen([sys.executable, "-c", FORKS, str(run), str(ready)])
    wait_for(ready)
    process.kill()
    process.wait()
    try:
        folder = RunFolder(run)
        folder.lock()
        folder.unlock()
    finally:
        os.kill(int(ready.read_text()), signal.SIGKILL)


def test_a_sink_that_cannot_be_closed_gives_the_folder_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close, run = CsvSink.on_end, tmp_path / "run"

    def failing(sink: CsvSink, reason: str) -> None:
        close(sink, reason)
        raise OSError(5, "Input/output error")

    agent = agent_of("sac")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output error"):
        patch.setattr(CsvSink, "on_end", failing)
        agent.learn(30, run_dir=run)
    assert resume_run(run, steps=40, verbose=False) is Outcome.FINISHED
    agent.close()


def test_a_run_whose_update_cannot_be_made_gives_the_folder_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(trainer: Trainer) -> None:
        raise RuntimeError("no update")

    agent = agent_of("sac")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="no update"):
        patch.setattr(Trainer, "engine", failing)
        agent.learn(30, run_dir=tmp_path / "run")
    agent.close()
    assert resume_run(tmp_path / "run", verbose=False) is Outcome.FINISHED


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_a_run_in_a_thread_with_a_checkpoint(tmp_path: Path, wait: str) -> None:
    """The thread gets no signal: it would go on for hours, or end in the middle of a step."""
    run = tmp_path / "run"
    code = THREAD.replace("{wait}", WAITS[wait])
    process = subprocess.Popen([sys.executable, "-c", code, str(run)], stderr=subprocess.PIPE, text=True)
    wait_for(run / "metrics.csv")
    until = time.monotonic() + PATIENCE
    while (run / "metrics.csv").read_text().count("\n") < 2 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in said
    newest = RunFolder.open(run).checkpoints.newest
    assert newest is not None
    assert newest > 0
    assert (run / "last" / "policy.json").exists()


def loads(nursery: Nursery, tmp_path: Path, count: int) -> int:
    found = nursery.do("load_beside", run=tmp_path / "run", count=count)
    assert found["failures"] == []
    assert found["steps"] == sorted(found["steps"])
    assert len(set(found["steps"])) > 1
    return count


def test_loading_beside_checkpoints_at_every_step(
    nursery: Nursery, tmp_path: Path, promise: Callable[[str], None]
) -> None:
    promise(
        f"loaded {loads(nursery, tmp_path, 30)} times beside a run that writes a checkpoint at each step: all whole"
    )


@pytest.mark.slow
def test_loading_often_beside_checkpoints_at_every_step(
    nursery: Nursery, tmp_path: Path, promise: Callable[[str], None]
) -> None:
    count = loads(nursery, tmp_path, 1_000)
    promise(f"loaded {count} times beside a run that writes a checkpoint at each step: all whole")
