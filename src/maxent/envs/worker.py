"""One environment in a process of its own: the code of that process, and the parent's handle."""

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from select import select
from threading import Thread
from types import FrameType
from typing import Any, Literal, NamedTuple, final

import gymnasium as gym
from gymnasium.vector.utils import CloudpickleWrapper
from numpy.typing import NDArray

from maxent.envs.faults import InvalidData, WorkerFailed
from maxent.envs.local import LocalFleet
from maxent.spaces import Packed

EnvFactory = Callable[[], gym.Env[Any, Any]]

SIGNALS_OF_PARENT = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has no SIGHUP
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
ENDING = 5.0
"""Seconds that a worker gets to close its environment."""
START_FACTOR = 10.0
"""Factor on the time limit of a step, or on the time of the first start if longer, for the start of a replacement."""


class Ready(NamedTuple):
    """The first message of a worker: its environment has been made."""

    observation: gym.Space[Any]
    action: gym.Space[Any]

    def __str__(self) -> str:
        return f"observations in {self.observation} and actions in {self.action}"


class Result(NamedTuple):
    """The packed observations [1, ...] after a reset or a step, and the other results of a step."""

    obs: Packed
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    success: bool | None = None
    work: float = 0.0  # seconds of this process


class Refused(NamedTuple):
    """The message about invalid data of the environment."""

    problem: str
    step: int | None


class Raised(NamedTuple):
    """The message about an error that the environment raised; the process ends."""

    error: str
    details: str


Call = tuple[Literal["reset"], int] | tuple[Literal["step"], NDArray[Any]]
"""("reset", seed) or ("step", actions [1, A])."""


def serve(pipe: Connection, factory: Callable[[], gym.Env[Any, Any]], parent: int) -> None:
    """Make an environment and handle the parent's calls; the main function of a worker process.

    Ctrl-C, SIGTERM and SIGHUP are ignored, because the parent handles them. If the parent dies, this process ends too,
    even during a step that hangs.
    """
    for number in SIGNALS_OF_PARENT:
        signal.signal(number, _ignore)  # not SIG_IGN, which programs that the environment starts would inherit
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS_OF_PARENT)
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    with suppress(EOFError, OSError):  # the parent has ended
        try:
            env = factory()
            fleet = LocalFleet([env], owned=True)
            pipe.send(Ready(env.observation_space, env.action_space))
            while (call := pipe.recv()) is not None:
                pipe.send(_result(fleet, call))
            fleet.close()
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:  # of the environment; the parent raises it
            pipe.send(Raised(f"{type(error).__name__}: {error}", traceback.format_exc()))


def _result(fleet: LocalFleet, call: Call) -> Result | Refused:
    """Return the result of a call."""
    try:
        if call[0] == "reset":
            result = Result(fleet.reset([call[1]]))
        else:
            start = time.process_time()
            moved = fleet.step(call[1])
            work = time.process_time() - start
            flags = bool(moved.terminated[0]), bool(moved.truncated[0])
            result = Result(moved.next_obs, float(moved.reward[0]), *flags, moved.success.get(0), work)
    except InvalidData as error:
        return Refused(error.problem, error.step)
    if fleet.faults:
        return Refused(fleet.faults[0].problem, fleet.faults[0].step)
    return result


@final
class Worker:
    """The process of one lane; after a failure, the next call starts another one.

    Args:
        factory: makes the environment.
        lane: its index among all environments of the run.
        timeout: seconds that a step or a reset may take; None for no limit.
    """

    def __init__(self, factory: EnvFactory, lane: int, timeout: float | None = None) -> None:
        self.lane, self.timeout = lane, timeout
        self._factory = CloudpickleWrapper(factory)
        # Not forked from this process: a fork copies the locks of PyTorch's threads but not the threads, and may
        # deadlock. Forked from a server process where the system supports it, and spawned elsewhere.
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":  # imported once by the server, not by each worker; no effect if it runs already
            self._context.set_forkserver_preload(["__main__", "maxent.envs.worker"])
        self.process: Any = None
        self._pipe: Any = None
        self._busy = self._new = False  # whether a result is due; whether `Ready` is
        self._spaces: Ready | None = None  # of the first process
        self._began = self._first = 0.0  # when the process was started; how long the first one took
        self.start()

    def start(self) -> None:
        """Start the process, which makes its environment; `ready` waits for it."""
        self._began = time.monotonic()
        self._pipe, far = self._context.Pipe()
        self.process = self._context.Process(target=serve, args=(far, self._factory, os.getpid()), daemon=True)
        with _signals_held():
            self.process.start()
        far.close()
        # for environments that are never closed: Python would send SIGTERM at its exit, which workers ignore, and wait
        self._finalizer = Finalize(self, _end, (self.process.pid,), exitpriority=10)
        self._busy, self._new = False, True

    def ready(self) -> Ready | None:
        """Wait for the environment of a new process; return None at once for any other.

        With a time limit, a replacement has `START_FACTOR` times that limit, because it imports modules first, or
        `START_FACTOR` times the time of the first process if that is longer.
        """
        if not self._new:
            return None
        until, within = None, ""
        if self.timeout is not None and self._spaces is not None:
            limit = START_FACTOR * max(self.timeout, self._first)
            until, within = self._began + limit, f" within {limit:.3g} s"
        message = self._receive(until, f"its environment{within}")
        assert isinstance(message, Ready)
        self._new = False
        if self._spaces is None:
            self._spaces, self._first = message, time.monotonic() - self._began
        if message != self._spaces:
            self.kill()
            raise WorkerFailed(
                f"expected an environment with {self._spaces}, as at first, got one with {message}.", self.lane
            )
        return message

    def call(self, call: Call) -> None:
        """Send a call to the process; start another one after a failure, or if an exception left a call unfinished."""
        if self._busy:
            self.kill()
        if self.process is None:
            self.start()
        self._busy = True
        with suppress(OSError):  # its process has ended, which `result` reports
            self._pipe.send(call)

    def result(self, until: float | None) -> Result:
        """Return the result of the call, after `ready`; raise `LaneFault` if there is none by the time `until`."""
        within = "" if self.timeout is None else f" within {self.timeout:g} s"
        message = self._receive(until, f"the end of the step{within}")
        self._busy = False
        if isinstance(message, Refused):
            raise InvalidData(message.problem, self.lane, message.step)
        assert isinstance(message, Result)
        return message

    def _receive(self, until: float | None, what: str) -> Any:
        """Return the next message; kill the process and raise `WorkerFailed` if none arrives in time."""
        try:
            if until is not None and not self._pipe.poll(max(0.0, until - time.monotonic())):
                self.kill()
                raise WorkerFailed(f"expected {what} (step_timeout).", self.lane)
            message = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self.process.join(ENDING)
            code = self.process.exitcode
            self.kill()
            how = f" by signal {-code}" if code is not None and code < 0 else f" with exit code {code}"
            raise WorkerFailed(f"expected {what}, but its worker process ended{how}.", self.lane) from error
        if isinstance(message, Raised):
            self.kill()
            raise WorkerFailed(f"expected {what}, got {message.error}", self.lane, details=message.details)
        return message

    def kill(self) -> None:
        """End the process at once."""
        process, self.process, self._busy, self._new = self.process, None, False, False
        if process is None:
            return
        self._pipe.close()
        if process.is_alive():
            self._finalizer()
            process.join()
        else:  # its PID may belong to another process by now
            self._finalizer.cancel()

    def ask_to_end(self) -> None:
        """Ask the process to close its environment, if it waits for a call."""
        if self.process is not None and not self._busy and not self._new:
            with suppress(OSError):
                self._pipe.send(None)

    def close(self) -> None:
        """End the process: wait for it if `ask_to_end` has asked it, else kill it."""
        if self.process is not None and not self._busy and not self._new:
            self.process.join(ENDING)
        self.kill()


def _end(process: int) -> None:
    """Kill a process: `Process.kill` does nothing if the server process has ended."""
    with suppress(ProcessLookupError):
        os.kill(process, KILL)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Block the signals that a whole process group receives, so that the server process inherits the blocked mask.

    Slurm, systemd and docker send SIGTERM to the group; the process that trains ends the workers itself, after a
    checkpoint.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS_OF_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing."""


def _end_with(process: int) -> None:
    """Wait until a process has ended, then end this one, unless a step holds the GIL.

    Linux's parent-death signal cannot be used: the parent of a worker is the server process.
    """
    try:
        select([os.pidfd_open(process)], [], [])
    except (AttributeError, OSError):  # not on Linux, or an older one
        with suppress(OSError):
            while True:
                os.kill(process, 0)
                time.sleep(1.0)
    os._exit(1)
