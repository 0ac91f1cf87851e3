"""Stable-Baselines3's SAC, as its users run it."""

import sys

import numpy as np
from common import ACTION, BATCH, FILLED, OBSERVATION, Shapes, print_result, since_start, timed
from stable_baselines3 import SAC
from stable_baselines3.common.logger import configure


def updates(units: int, seconds: float, device: str) -> None:
    """Measure gradient updates per second."""
    model = SAC("MlpPolicy", Shapes(), policy_kwargs={"net_arch": [units, units]}, buffer_size=FILLED, device=device)
    model.set_logger(configure(None, []))
    draws = np.random.default_rng(0)
    for _ in range(FILLED):
        obs, following = draws.standard_normal((2, 1, OBSERVATION))
        action = draws.uniform(-1, 1, (1, ACTION))
        model.replay_buffer.add(obs, following, action, np.zeros(1), np.zeros(1), [{}])
    rate = timed(lambda n: model.train(gradient_steps=n, batch_size=BATCH), seconds=seconds, chunk=20)
    print_result(rate=rate)


def training(seconds: float) -> None:
    """Measure steps per second of a HalfCheetah-v5 run."""
    model = SAC("MlpPolicy", "HalfCheetah-v5", learning_starts=300, device="cpu")
    model.learn(400)
    rate = timed(lambda n: model.learn(n, reset_num_timesteps=False), seconds=seconds, chunk=100)
    print_result(rate=rate)


def startup() -> None:
    """Measure the time from process start until 100 updates of Pendulum-v1 are done."""
    model = SAC("MlpPolicy", "Pendulum-v1", learning_starts=100, device="cpu")
    model.learn(200)
    print_result(seconds=since_start())


if __name__ == "__main__":
    task, seconds = sys.argv[1], float(sys.argv[2])
    device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
    {
        "updates": lambda: updates(256, seconds, device),
        "small": lambda: updates(64, seconds, device),
        "training": lambda: training(seconds),
        "startup": startup,
    }[task]()
