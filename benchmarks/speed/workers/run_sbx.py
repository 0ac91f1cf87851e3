"""SBX's SAC (JAX), as its users run it; `scanned` passes 20 updates at a time, which it computes in one call."""

import sys

import numpy as np
from common import ACTION, BATCH, FILLED, OBSERVATION, Shapes, print_result, since_start, timed
from sbx import SAC
from stable_baselines3.common.logger import configure


def updates(units: int, seconds: float, at_once: int) -> None:
    """Measure gradient updates per second."""
    model = SAC("MlpPolicy", Shapes(), policy_kwargs={"net_arch": [units, units]}, buffer_size=FILLED)
    model.set_logger(configure(None, []))
    draws = np.random.default_rng(0)
    for _ in range(FILLED):
        obs, following = draws.standard_normal((2, 1, OBSERVATION))
        action = draws.uniform(-1, 1, (1, ACTION))
        model.replay_buffer.add(obs, following, action, np.zeros(1), np.zeros(1), [{}])

    def step(count: int) -> None:
        for _ in range(count // at_once):
            model.train(gradient_steps=at_once, batch_size=BATCH)

    print_result(rate=timed(step, seconds=seconds, chunk=40))


def training(seconds: float) -> None:
    """Measure steps per second of a HalfCheetah-v5 run."""
    model = SAC("MlpPolicy", "HalfCheetah-v5", learning_starts=300)
    model.learn(400)
    rate = timed(lambda n: model.learn(n, reset_num_timesteps=False), seconds=seconds, chunk=100)
    print_result(rate=rate)


def startup() -> None:
    """Measure the time from process start until 100 updates of Pendulum-v1 are done."""
    model = SAC("MlpPolicy", "Pendulum-v1", learning_starts=100)
    model.learn(200)
    print_result(seconds=since_start())


if __name__ == "__main__":
    task, seconds = sys.argv[1], float(sys.argv[2])
    {
        "updates": lambda: updates(256, seconds, 1),
        "scanned": lambda: updates(256, seconds, 20),
        "small": lambda: updates(64, seconds, 1),
        "training": lambda: training(seconds),
        "startup": startup,
    }[task]()
