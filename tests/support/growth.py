"""How the memory of a process grows over a run: python tests/support/growth.py FOLDER STEPS --after-steps N.

Trains small networks on Pendulum with everything else that a run has: replay, metrics, evaluations, checkpoints.
Prints the resident memory of the process, in MB, at the first record of metrics after the given step or second, the
most at any record after it, and the last.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import maxent
from maxent.runs.observer import Record


def resident() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Watch(maxent.Observer):
    """Notes the memory at each record of metrics from a step and a second on."""

    def __init__(self, after_steps: int, after_seconds: float) -> None:
        self.after_steps, self.due = after_steps, time.monotonic() + after_seconds
        self.noted: list[float] = []

    def on_record(self, record: Record) -> None:
        """Note it."""
        if record.step >= self.after_steps and time.monotonic() >= self.due:
            self.noted.append(resident())

    def summary(self) -> Mapping[str, float]:
        """Return the first, largest and last value noted."""
        return {"first": self.noted[0], "most": max(self.noted), "last": self.noted[-1]}


def main() -> None:
    """Run, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("steps", type=int)
    parser.add_argument("--after-steps", type=int, default=0)
    parser.add_argument("--after-seconds", type=float, default=0.0)
    parser.add_argument("--storage", default="ram", choices=["ram", "disk"])
    options = parser.parse_args()
    watch = Watch(options.after_steps, options.after_seconds)
    agent = maxent.SAC(
        "Pendulum-v1", hidden=(16, 16), batch_size=32, replay_ratio=0.02, eval_every=50_000, compile="off",
        replay_storage=options.storage, verbose=False,
    )  # fmt: skip
    agent.learn(options.steps, run_dir=options.folder, observers=[watch])
    print(json.dumps(watch.summary()))


if __name__ == "__main__":
    main()
