"""maxent's SAC, as its users run it.

python benchmarks/workers/run_maxent.py TASK SECONDS [on|off] [--members 8] [--device cuda] [--precision tf32]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from common import ACTION, FILLED, OBSERVATION, Shapes, print_result, since_start, timed


def updates(units: int, seconds: float, members: int, compile: str, device: str, precision: str) -> None:
    """Measure member-updates per second: sampling rows and noise, updating."""
    import maxent

    agent = maxent.SAC(
        Shapes, seeds=members, hidden=(units, units), buffer_size=FILLED, eval_every=0, compile=compile,
        replay_ratio=0.0, learning_starts=FILLED - 1, device=device, precision=precision, verbose=False,
    )  # fmt: skip
    agent.learn(FILLED - 1)
    trainer = agent._trainer
    engine = trainer.engine()

    def step(count: int) -> None:
        trainer.updater.run(engine, count, step=FILLED, progress=1.0)

    print_result(rate=members * timed(finished(step, device), seconds=seconds, chunk=20))


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


def limit(seconds: float) -> None:
    """Measure the rate of float32 products at the shapes of the update, and the updates per second it allows."""
    import torch

    a, b = torch.randn(2, 256, 256), torch.randn(2, 256, 256)
    out = torch.empty(2, 256, 256)
    rate = timed(lambda n: [torch.bmm(a, b, out=out) for _ in range(n)], seconds=seconds, chunk=200)
    flops = rate * 2 * 2 * 256**3
    print_result(gflops=flops / 1e9, rate=flops / UPDATE_FLOPS)


def _update_flops() -> float:
    """Return the floating-point operations of the products in one SAC update at the benchmark's shapes."""
    actor = [(OBSERVATION, 256), (256, 256), (256, 2 * ACTION)]
    critic = [(OBSERVATION + ACTION, 256), (256, 256), (256, 1)]
    size = {name: sum(i * o for i, o in layers) for name, layers in {"actor": actor, "critic": critic}.items()}
    inner = {"actor": size["actor"] - OBSERVATION * 256, "critic": size["critic"] - (OBSERVATION + ACTION) * 256}
    products = (
        size["actor"]  # a' at s'
        + 2 * size["critic"]  # targets at (s', a')
        + 2 * (2 * size["critic"] + inner["critic"])  # critics: forward, weights' gradient, inputs' gradient
        + 2 * size["actor"] + inner["actor"]  # actor: the same
        + 2 * (size["critic"] + inner["critic"] + ACTION * 256)  # critics at (s, a): forward, gradient to the action
    )  # fmt: skip
    return 2.0 * 256 * products


UPDATE_FLOPS = _update_flops()

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("task")
    parser.add_argument("seconds", type=float)
    parser.add_argument("mode", nargs="?", default="on")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    given = parser.parse_args()
    seconds, mode, where = given.seconds, given.mode, (given.device, given.precision)
    {
        "updates": lambda: updates(256, seconds, given.members, mode, *where),
        "small": lambda: updates(64, seconds, 1, mode, *where),
        "small5": lambda: updates(64, seconds, 5, mode, *where),
        "training": lambda: training(seconds, mode),
        "startup": lambda: startup(mode),
        "acting": acting,
        "memory": lambda: memory(seconds),
        "limit": lambda: limit(seconds),
    }[given.task]()
