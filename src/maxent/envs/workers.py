"""Environments in worker processes, for environments whose steps take longer than the exchange with a process."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from select import select
from threading import Thread
from types import FrameType
from typing import Any

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.vector.async_vector_env import AsyncState

from maxent.envs.checked import Checked
from maxent.envs.vectorised import DisabledFleet
from maxent.errors import UserError

EnvFactory = Callable[[], gym.Env[Any, Any]]

LEFT_TO_PARENT = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has no SIGHUP
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
ENDING = 5.0
"""Seconds that a worker gets to close its environment."""


def worker_fleet(factories: Sequence[EnvFactory], timeout: float | None = None) -> DisabledFleet:
    """Start one process for each factory; `timeout` limits the seconds of a step.

    The processes are not forked from this one: a fork copies the locks of PyTorch's threads but not the threads, and
    may deadlock. They are forked from a server process where the system supports it, and spawned elsewhere.
    """
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    if method == "forkserver":  # imported once by the server, not by each worker; no effect if the server runs already
        multiprocessing.get_context(method).set_forkserver_preload(
            ["__main__", "gymnasium.vector", "maxent.envs.checked"]
        )
    wrapped = [_worker(factory, lane) for lane, factory in enumerate(factories)]
    try:
        with _signals_held():
            env = AsyncVectorEnv(wrapped, context=method, autoreset_mode=AutoresetMode.DISABLED)
    except (EOFError, ConnectionError) as error:
        raise UserError(
            "worker processes: expected each to make its environment, but one ended before. If this is a script, put "
            "its code under `if __name__ == '__main__':`, because each worker imports it again."
        ) from error
    try:
        return DisabledFleet(env, close=partial(_close, env), timeout=timeout)
    except UserError:
        _close(env)
        raise


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


def _close(env: AsyncVectorEnv) -> None:
    """End all workers: those that wait for a command in order, the others at once."""
    if env.closed:
        return
    pipes = [pipe for pipe in env.parent_pipes if pipe is not None]  # Gymnasium drops that of a worker that raised
    if env._state is AsyncState.DEFAULT:
        for pipe in pipes:
            with suppress(OSError):
                pipe.send(("close", None))
        for process in env.processes:
            process.join(ENDING)
    for pipe in pipes:
        pipe.close()
    for process in env.processes:
        if process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, KILL)  # process.kill does nothing where the server process has gone
        process.join()
    env.closed = True


def _worker(factory: EnvFactory, lane: int) -> EnvFactory:
    """Return a factory for a worker: it checks the data of the environment and leaves signals to its parent.

    The process that started the worker handles Ctrl-C, SIGTERM and SIGHUP, so that a run can end in order. Where that
    process dies, a worker ends too, in the middle of a step that never ends.
    """
    parent = os.getpid()

    def make() -> gym.Env[Any, Any]:
        if os.getpid() != parent:
            for number in LEFT_TO_PARENT:
                signal.signal(number, _ignore)  # not SIG_IGN, which programs that the environment starts would inherit
            if hasattr(signal, "pthread_sigmask"):
                signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_PARENT)
            Thread(target=_end_with, args=(parent,), daemon=True).start()
        return Checked(factory(), lane)

    return make


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
