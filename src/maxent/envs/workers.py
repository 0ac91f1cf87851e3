"""Environments in worker processes, for environments whose steps take longer than the exchange with a process."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from maxent.envs.checked import Checked
from maxent.envs.vectorised import DisabledFleet
from maxent.errors import UserError

EnvFactory = Callable[[], gym.Env[Any, Any]]


def worker_fleet(factories: Sequence[EnvFactory]) -> DisabledFleet:
    """Start one process for each factory.

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
        env = AsyncVectorEnv(wrapped, context=method, autoreset_mode=AutoresetMode.DISABLED)
    except (EOFError, ConnectionError) as error:
        raise UserError(
            "worker processes: expected each to make its environment, but one ended before. If this is a script, put "
            "its code under `if __name__ == '__main__':`, because each worker imports it again."
        ) from error
    try:
        return DisabledFleet(env, close=partial(_close, env))
    except UserError:
        _close(env)
        raise


def _close(env: AsyncVectorEnv) -> None:
    """End all workers, even if some have died and the others wait."""
    if env.closed:
        return
    if all(process.is_alive() for process in env.processes):
        env.close()
        return
    for process in env.processes:
        process.terminate()
    for process in env.processes:
        process.join()
    env.closed = True


def _worker(factory: EnvFactory, lane: int) -> EnvFactory:
    """Return a factory for a worker: it checks the data of the environment and ignores Ctrl-C.

    The process that started the worker handles the Ctrl-C, so that a run can end in order.
    """
    parent = os.getpid()

    def make() -> gym.Env[Any, Any]:
        if os.getpid() != parent:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return Checked(factory(), lane)

    return make
