"""SAC on images of 64 × 64 × 3 bytes: updates and environment steps per second beside Stable-Baselines3.

    python benchmarks/images.py --peers PYTHON [--seconds 12] [--rounds 3] [--threads 2]

PYTHON is an interpreter with stable-baselines3 (benchmarks/peers.txt). Both libraries take batches of 256, two layers
of 256 units, and the convolutions of DQN with 512 features, which is SB3's NatureCNN. Shared: one encoder, trained by
the critics' loss. Separate: SB3's default, one encoder for the actor and one for the critics with a target copy; maxent
has one for the actor, and one for each critic with a target copy, so it computes more. The libraries take turns, each
in a fresh process; every figure is the median over rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "workers"))

from common import processor, timed

FILLED = 1_500  # rows of replay to sample from
BATCH, UNITS, FEATURES = 256, 256, 512


class Images(gym.Env[Any, Any]):
    """Random images, drawn once; an episode has 100 steps."""

    observation_space = gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    action_space = gym.spaces.Box(-1.0, 1.0, (6,), np.float32)

    def __init__(self) -> None:
        self.images = np.random.default_rng(0).integers(0, 256, (64, 64, 64, 3)).astype(np.uint8)
        self.time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        self.time = 0
        return self.images[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Show the next image; the reward is minus the size of the action."""
        self.time += 1
        return self.images[self.time % 64], -float(np.abs(action).sum()), False, self.time == 100, {}


def run_maxent(shared: bool, seconds: float) -> dict[str, float]:
    """Measure maxent's compiled update, and its whole loop with one update a step."""
    import maxent
    from maxent.nn.encoders import Convolution

    def agent(**settings: Any) -> Any:
        return maxent.SAC(
            Images, encoder=Convolution(features=FEATURES, shared=shared), hidden=(UNITS, UNITS), batch_size=BATCH,
            buffer_size=2 * FILLED, eval_every=0, compile="on", verbose=False, **settings,
        )  # fmt: skip

    idle = agent(learning_starts=FILLED, replay_ratio=0.0).learn(FILLED)
    trainer = idle._trainer
    engine = trainer.engine()
    updates = timed(lambda n: trainer.updater.run(engine, n, step=FILLED, progress=0.0), seconds=seconds, chunk=4)
    whole = agent(learning_starts=BATCH).learn(BATCH + 2)
    return {"updates": updates, "steps": timed(whole.learn, seconds=seconds, chunk=4)}


def run_sb3(shared: bool, seconds: float) -> dict[str, float]:
    """Measure the same of Stable-Baselines3."""
    from stable_baselines3 import SAC

    def model(starts: int) -> Any:
        return SAC(
            "CnnPolicy", Images(), batch_size=BATCH, buffer_size=2 * FILLED, learning_starts=starts, device="cpu",
            policy_kwargs={"net_arch": [UNITS, UNITS], "share_features_extractor": shared},
        )  # fmt: skip

    idle = model(FILLED)
    idle.learn(FILLED)
    updates = timed(lambda n: idle.train(n, batch_size=BATCH), seconds=seconds, chunk=4)
    whole = model(BATCH)
    whole.learn(BATCH + 2)
    steps = timed(lambda n: whole.learn(n, reset_num_timesteps=False), seconds=seconds, chunk=4)
    return {"updates": updates, "steps": steps}


CONTENDERS = ["maxent shared", "sb3 shared", "maxent separate", "sb3 separate"]


def main() -> None:
    """Run every contender in turn, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="an interpreter with stable-baselines3")
    parser.add_argument("--seconds", type=float, default=12.0, help="for each figure of a process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        import torch

        torch.set_num_threads(given.threads)
        library, kind = given.worker.split()
        run = run_maxent if library == "maxent" else run_sb3
        print(json.dumps(run(kind == "shared", given.seconds)), flush=True)
        return
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    loads = []
    for _ in range(given.rounds):
        for name in CONTENDERS:
            python = given.peers if name.startswith("sb3") else sys.executable
            options = ["--worker", name, "--seconds", str(given.seconds), "--threads", str(given.threads)]
            done = subprocess.run([python, __file__, *options], stdout=subprocess.PIPE, text=True, check=True)
            results[name].append(json.loads(done.stdout.splitlines()[-1]))
            loads.append(os.getloadavg()[0])
            print(f"{name}: {results[name][-1]}, load {loads[-1]:.1f}", file=sys.stderr, flush=True)
    print(f"{processor()}, {os.cpu_count()} cores, {given.threads} threads, {time.strftime('%Y-%m-%d')}, "
          f"load {min(loads):.1f} to {max(loads):.1f}")  # fmt: skip
    for name, runs in results.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in ("updates", "steps")}
        print(f"{name:16} {middle['updates']:6.2f} updates/s {middle['steps']:6.2f} steps/s")


if __name__ == "__main__":
    main()
