"""A warm process that forks a child for each job, kills it where that is wanted, and reports how it ended.

Starting Python and importing torch takes seconds; a fork takes milliseconds. As a program this file is the warm
process, which reads a job from each line of its input; `Nursery` starts it and talks to it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KILLED = -9
"""The status of a job that SIGKILL ended."""


@dataclass(frozen=True)
class Fault:
    """Call number `number` below `root` is a fault, and all later ones where `lasting`; see `faulty_io.c`."""

    root: str
    number: int = 0
    kind: str = "count"
    lasting: bool = False
    reads: bool = False


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    status: int  # exit code, or the negative number of the signal
    seconds: float
    said: str  # standard output and errors together
    result: Any = None
    calls: int = 0  # calls below the folder of the fault
    failed: int = 0  # of them faults


class Nursery:
    """Runs jobs of `jobs.py`, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._jobs = folder, 0
        self.library = _build(folder)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        if self.library is not None:
            environment["LD_PRELOAD"] = f"{self.library}:{os.environ.get('LD_PRELOAD', '')}".rstrip(":")
        with (folder / "nursery.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(self.library or "")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
            )  # fmt: skip

    def run(self, job: str, *, kill_after: float | None = None, fault: Fault | None = None, **arguments: Any) -> Ended:
        """Run a function of `jobs.py` in a child; kill it with SIGKILL after some seconds, or at a call."""
        self._jobs += 1
        own = self.folder / str(self._jobs)
        request = {
            "job": job, "arguments": {name: _plain(one) for name, one in arguments.items()}, "kill_after": kill_after,
            "fault": asdict(fault) if fault else None, "own": str(own),
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError((self.folder / "nursery.log").read_text())
        ended, said, result = json.loads(line), own.with_suffix(".log"), own.with_suffix(".json")
        text = said.read_text(errors="replace") if said.exists() else ""  # it may be killed before it writes anything
        more = json.loads(result.read_text()) if ended["status"] >= 0 else {}
        said.unlink(missing_ok=True)
        result.unlink(missing_ok=True)
        return Ended(**ended, said=text, **more)

    def do(self, job: str, **arguments: Any) -> Any:
        """Run a job that has to succeed, and return its result."""
        ended = self.run(job, **arguments)
        if ended.status != 0:
            raise RuntimeError(f"{job} ended with {ended.status}:\n{ended.said}")
        return ended.result

    def close(self) -> None:
        """End the warm process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()


def left_over(folder: Path) -> list[Path]:
    """Return temporary and replaced files and folders."""
    return [path for path in folder.rglob("*") if path.suffix in (".tmp", ".old") or path.name.startswith(".tmp")]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _build(folder: Path) -> Path | None:
    """Return the library that counts file operations, compiled now; None where there is no compiler for it."""
    library = folder / "faulty.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "faulty_io.c"), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return library


def serve(library: str) -> None:
    """Run one job after another until the input ends."""
    import jobs

    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        jobs.warm(Path(folder))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for line in sys.stdin:
        request, begin = json.loads(line), time.monotonic()
        pid = os.fork()
        if pid == 0:
            _child(request, library)
        if request["kill_after"] is not None:
            signal.sigtimedwait({signal.SIGCHLD}, request["kill_after"])
            os.kill(pid, signal.SIGKILL)  # of one that has ended, nothing comes: it is not waited for yet
        _, status = os.waitpid(pid, 0)
        signal.sigtimedwait({signal.SIGCHLD}, 0)
        ended = {"status": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - begin}
        replies.write(json.dumps(ended) + "\n")
        replies.flush()


def _child(request: dict[str, Any], library: str) -> None:
    """Run one job and end the process."""
    import jobs

    code, result, calls = 1, None, (0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    log = os.open(request["own"] + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for standard in (1, 2):
        os.dup2(log, standard)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    try:
        faults = jobs.Faults(library, request["fault"])
        try:
            result = getattr(jobs, request["job"])(**request["arguments"])
        finally:
            calls = faults.end()
        code = result if request["job"] == "command" else 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    with open(request["own"] + ".json", "w") as file:
        json.dump({"result": result, "calls": calls[0], "failed": calls[1]}, file)
    os._exit(code)


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
    serve(sys.argv[1])
