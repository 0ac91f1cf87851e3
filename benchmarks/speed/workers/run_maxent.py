"""maxent's SAC, as its users run it.

python benchmarks/speed/workers/run_maxent.py TASK SECONDS [on|off] [--members 8] [--threads 1] [--device cuda] …
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import ACTION, FILLED, OBSERVATION, Shapes, print_result, since_start, timed

NARROW = {"hidden": (64, 64), "critic_hidden": (128, 128), "batch_size": 256}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "updates": ("SAC", {"hidden": (256, 256)}),
    "small": ("SAC", {"hidden": (64, 64)}),
    "layernorm": ("SAC", {"hidden": (256, 256), "layer_norm": True}),
    "ten": ("SAC", {"hidden": (256, 256), "critics": 10}),
    "flash": ("FlashSAC", NARROW),
}
"""Networks whose updates are timed: the class, and its settings."""


def agent_of(kind: str, **settings: Any) -> Any:
    """Return an agent of these networks whose replay is filled."""
    import maxent

    name, own = KINDS[kind]
    agent = getattr(maxent, name)(
        Shapes, buffer_size=FILLED, eval_every=0, replay_ratio=0.0, learning_starts=FILLED - 1, verbose=False,
        **own, **settings,
    )  # fmt: skip
    return agent.learn(FILLED - 1)


def updates(kind: str, given: argparse.Namespace) -> None:
    """Measure member-updates per second, sampling rows and noise included, and the rate of their products."""
    agent = agent_of(
        kind, seeds=given.members, compile=given.mode, device=given.device, precision=given.precision,
        threads=given.threads,
    )  # fmt: skip
    updater, engine = agent._trainer.updater, agent._trainer.engine()

    def step(count: int) -> None:
        updater.run(engine, count, progress=1.0)

    rate = given.members * timed(finished(step, given.device), seconds=given.seconds, chunk=20)
    print_result(rate=rate, gflops=rate * operations(kind) / 1e9 if given.device == "cpu" else 0.0)


def operations(kind: str) -> float:
    """Return the floating-point operations in the products of one update: the mean of two, as some update every second.

    torch counts those of its own layers.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from maxent import native

    native.used = False
    trainer = agent_of(kind, compile="off")._trainer
    with FlopCounterMode(display=False) as counter:
        trainer.updater.run(trainer.engine(), 2, progress=1.0)
    native.used = True
    return counter.get_total_flops() / 2


def finished(step: Callable[[int], None], device: str) -> Callable[[int], None]:
    """Return `step`; on a GPU, one that waits until it is done."""
    if device == "cpu":
        return step
    import torch

    def whole(count: int) -> None:
        step(count)
        torch.cuda.synchronize()

    return whole


def training(seconds: float, compile: str) -> None:
    """Measure steps per second of a HalfCheetah-v5 run."""
    import maxent

    agent = maxent.SAC(
        "HalfCheetah-v5", recipe=False, learning_starts=300, eval_every=0, compile=compile, verbose=False
    )
    agent.learn(400)
    print_result(rate=timed(agent.learn, seconds=seconds, chunk=100))


def startup(compile: str) -> None:
    """Measure the time from process start until 100 updates of Pendulum-v1 are done."""
    import maxent

    agent = maxent.SAC("Pendulum-v1", recipe=False, learning_starts=100, eval_every=0, compile=compile, verbose=False)
    agent.learn(200)
    print_result(seconds=since_start())


def acting() -> None:
    """Measure microseconds for one action, and for sampling 256 of a million rows."""
    import maxent

    agent = maxent.SAC("HalfCheetah-v5", recipe=False, eval_every=0, compile="off", verbose=False)
    agent.learn(1_000)
    trainer = agent._trainer
    obs = {"float": np.zeros((1, 1, OBSERVATION), np.float32)}
    noise = np.zeros((1, 1, ACTION), np.float32)
    act = timed(lambda n: [trainer.learner.act(obs, noise) for _ in range(n)], seconds=2, chunk=1000)
    kind = trainer.replay._kind
    kind[: len(kind) - 1] = 1  # as if a million steps had been made
    trainer.replay.written[:] = len(kind) - 1
    sample = timed(lambda n: [trainer.sampler.sample(0.0) for _ in range(n)], seconds=2, chunk=1000)
    print_result(act_us=1e6 / act, sample_us=1e6 / sample)


def memory(seconds: float) -> None:
    """Measure the peak memory of a HalfCheetah-v5 run whose replay of a million rows is full."""
    import maxent

    agent = maxent.SAC("HalfCheetah-v5", recipe=False, learning_starts=300, eval_every=0, verbose=False)
    agent.learn(400)
    agent._trainer.replay._row[:] = 0.5
    agent._trainer.replay._kind[:-1] = 1
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        agent.learn(20)
    print_result()


def peak(given: argparse.Namespace) -> None:
    """Measure the rate of fused multiply-adds of all threads together, or of the given number."""
    source = Path(__file__).parents[1] / "peak.cpp"
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        subprocess.run(["g++", "-O3", "-march=native", "-std=c++20", "-pthread", source, "-o", program], check=True)
        threads = given.threads or len(os.sched_getaffinity(0))
        done = subprocess.run([program, str(threads), str(given.seconds)], check=True, capture_output=True, text=True)
    print_result(gflops=float(done.stdout), rate=float(done.stdout))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("task")
    parser.add_argument("seconds", type=float)
    parser.add_argument("mode", nargs="?", default="on")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    given = parser.parse_args()
    if given.task in KINDS:
        updates(given.task, given)
    else:
        {
            "training": lambda: training(given.seconds, given.mode),
            "startup": lambda: startup(given.mode),
            "acting": acting,
            "memory": lambda: memory(given.seconds),
            "peak": lambda: peak(given),
        }[given.task]()
