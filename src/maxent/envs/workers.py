"""Environments in worker processes of their own, for environments whose steps take longer than talking to a process."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from maxent.envs.vectorised import DisabledFleet
from maxent.errors import UserError

EnvFactory = Callable[[], gym.Env[Any, Any]]


def worker_fleet(factories: Sequence[EnvFactory]) -> DisabledFleet:
    """Starts one process for each factory.

    The processes are not forked from this one: a fork copies the locks of PyTorch's threads but not the threads, and
    may then wait for ever. They come from a clean server process where the system has one, and else from a new
    interpreter.
    """
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    if method == "forkserver":  # imported once by the server, not by each worker; no effect if the server runs already
        multiprocessing.get_context(method).set_forkserver_preload(["__main__", "gymnasium.vector"])
    wrapped = [_deaf_to_interrupts(factory) for factory in factories]
    try:
        env = AsyncVectorEnv(wrapped, context=method, autoreset_mode=AutoresetMode.DISABLED)
    except (EOFError, ConnectionError) as error:
        raise UserError(
            "worker processes: expected each to make its environment, but one ended before it could. If this is a "
            "script, start it under `if __name__ == '__main__':`, because each worker imports it once more."
        ) from error
    try:
        return DisabledFleet(env, close=partial(_close, env))
    except UserError:
        _close(env)
        raise


def _close(env: AsyncVectorEnv) -> None:
    """Ends all workers, also if some have died and the others wait."""
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


def _deaf_to_interrupts(factory: EnvFactory) -> EnvFactory:
    """A factory after which a worker leaves Ctrl-C to the process that started it, so that a run can end in order.

    A nested function, because cloudpickle then sends it by value, and the worker need not import this package.
    """
    parent = os.getpid()

    def make() -> gym.Env[Any, Any]:
        if os.getpid() != parent:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return factory()

    return make
