"""One environment in a process of its own: what runs there, and the handle that its parent has."""

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
from typing import Any, NamedTuple, final

import gymnasium as gym
from gymnasium.vector.utils import CloudpickleWrapper

from maxent.envs.faults import InvalidData, WorkerFailed
from maxent.envs.local import LocalFleet
from maxent.spaces import Packed

EnvFactory = Callable[[], gym.Env[Any, Any]]

LEFT_TO_PARENT = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has no SIGHUP
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
ENDING = 5.0
"""Seconds that a worker gets to close its environment."""


class Ready(NamedTuple):
    """The first message of a worker: its environment is made."""

    observation: gym.Space[Any]
    action: gym.Space[Any]

    def __str__(self) -> str:
        return f"observations in {self.observation} and actions in {self.action}"


class Result(NamedTuple):
    """The packed observations [1, ...] after a reset, a step or recorded actions, and what a step returned besides.

    After recorded actions, `reward` is their sum, and `terminated` says that the episode ended before the last one.
    """

    obs: Packed
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    success: bool | None = None
    work: float = 0.0  # seconds of this process


class Refused(NamedTuple):
    """The environment returned data that cannot be used."""

    problem: str
    step: int | None


class Raised(NamedTuple):
    """The environment raised an error; the process ends."""

    error: str
    details: str


Call = tuple[str, Any, Any]
"""("reset", seed, None), ("step", actions [1, A], None) or ("replay", seed, actions [t, A])."""


def serve(pipe: Connection, factory: Callable[[], gym.Env[Any, Any]], parent: int) -> None:
    """Make an environment and step it as the parent says; this is all that a worker process does.

    The parent handles Ctrl-C, SIGTERM and SIGHUP, so that a run can end in order. Where it dies, this process ends
    too, in the middle of a step that never ends.
    """
    for number in LEFT_TO_PARENT:
        signal.signal(number, _ignore)  # not SIG_IGN, which programs that the environment starts would inherit
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_PARENT)
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    with suppress(EOFError, OSError):  # the parent has gone
        try:
            env = factory()
            fleet = LocalFleet([env], owned=True)
            pipe.send(Ready(env.observation_space, env.action_space))
            while (call := pipe.recv()) is not None:
                pipe.send(_result(fleet, call))
            fleet.close()
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:  # whatever the environment raises is told to the parent
            pipe.send(Raised(f"{type(error).__name__}: {error}", traceback.format_exc()))


def _result(fleet: LocalFleet, call: Call) -> Result | Refused:
    """Return what a call of the parent results in."""
    what, given, actions = call
    try:
        match what:
            case "reset":
                result = Result(fleet.reset([given]))
            case "step":
                start = time.process_time()
                moved = fleet.step(given)
                work = time.process_time() - start
                flags = bool(moved.terminated[0]), bool(moved.truncated[0])
                result = Result(moved.next_obs, float(moved.reward[0]), *flags, moved.success.get(0), work)
            case _:
                played = fleet.replay([given], [actions])
                result = Result(played.obs, float(played.returns[0]), bool(played.ended[0]))
    except InvalidData as error:
        return Refused(error.problem, error.step)
    if fleet.faults:
        return Refused(fleet.faults[0].problem, fleet.faults[0].step)
    return result


@final
class Worker:
    """The process of one lane; it is started again by the next call after a failure.

    Args:
        factory: makes the environment.
        lane: its index among all environments of the run.
    """

    def __init__(self, factory: EnvFactory, lane: int) -> None:
        self.lane = lane
        self._factory = CloudpickleWrapper(factory)
        # Not forked from this process: a fork copies the locks of PyTorch's threads but not the threads, and may
        # deadlock. Forked from a server process where the system supports it, and spawned elsewhere.
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":  # imported once by the server, not by each worker; no effect if it runs already
            self._context.set_forkserver_preload(["__main__", "maxent.envs.worker"])
        self.process: Any = None
        self._pipe: Any = None
        self._busy = self._new = False  # whether a result is due; whether the message before it is
        self._spaces: Ready | None = None  # of the first process
        self.start()

    def start(self) -> None:
        """Start the process, which makes the environment meanwhile."""
        self._pipe, far = self._context.Pipe()
        self.process = self._context.Process(target=serve, args=(far, self._factory, os.getpid()), daemon=True)
        with _signals_held():
            self.process.start()
        far.close()
        # where nobody closes the environments: Python would send SIGTERM at its exit, which workers ignore, and wait
        self._finalizer = Finalize(self, _end, (self.process.pid,), exitpriority=10)
        self._busy, self._new = False, True

    def ready(self) -> Ready | None:
        """Wait for the environment of a process that was just started; None if it has been waited for."""
        if not self._new:
            return None
        message = self._receive(None, "its environment")
        assert isinstance(message, Ready)
        self._new, first = False, self._spaces or message
        if message != first:
            self.kill()
            raise WorkerFailed(f"expected an environment with {first}, as at first, got one with {message}.", self.lane)
        self._spaces = message
        return message

    def call(self, call: Call) -> None:
        """Send a call to the process; start it again after a failure, and where an exception broke off the last one."""
        if self._busy:
            self.kill()
        if self.process is None:
            self.start()
        self._busy = True
        with suppress(OSError):  # its process has ended, as `result` will find
            self._pipe.send(call)

    def result(self, until: float | None, limit: float | None) -> Result:
        """Return the result of the call, once `ready`; raise `LaneFault` if there is none.

        `until` is the time at which it is too late, `limit` seconds after the call.
        """
        within = "" if limit is None else f" within {limit:g} s"
        message = self._receive(until, f"the end of the step{within}")
        self._busy = False
        if isinstance(message, Refused):
            raise InvalidData(message.problem, self.lane, message.step)
        assert isinstance(message, Result)
        return message

    def _receive(self, until: float | None, what: str) -> Any:
        """Return the next message."""
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
        else:  # its number may be that of another process by now
            self._finalizer.cancel()

    def ask_to_end(self) -> None:
        """Let the process close its environment, if it waits for a call; `kill` ends any that does not."""
        if self.process is not None and not self._busy and not self._new:
            with suppress(OSError):
                self._pipe.send(None)

    def close(self) -> None:
        """End the process: in order if `ask_to_end` was called and it waited for a call, else at once."""
        if self.process is not None and not self._busy and not self._new:
            self.process.join(ENDING)
        self.kill()


def _end(process: int) -> None:
    """End a process at once: `Process.kill` does nothing where the server process has gone."""
    with suppress(ProcessLookupError):
        os.kill(process, KILL)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold signals back that a whole process group gets, so that the server process starts without them.

    The server keeps them blocked for good. Slurm, systemd and docker send SIGTERM to the group; the process that
    trains ends the workers itself, after a checkpoint.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing."""


def _end_with(process: int) -> None:
    """Wait until a process has ended, then end this one. A step that holds the GIL for good cannot be ended so.

    The death signal of Linux is no help: the parent of a worker is the server process, which waits for its workers.
    """
    try:
        select([os.pidfd_open(process)], [], [])
    except (AttributeError, OSError):  # not on Linux, or an older one
        with suppress(OSError):
            while True:
                os.kill(process, 0)
                time.sleep(1.0)
    os._exit(1)
