"""Measure a replay in memory and on a disk: sampling, checkpoints, and the share of checkpoints in a run's time.

    python benchmarks/storage.py [--rounds 5] [--steps 30000] [--folder DIR]

The rows are those of HalfCheetah, a million of them; a file on the disk is cached, as it was just written. Storages
take turns, and figures are medians over rounds. The runs make one update a step with the default networks and interval.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

import maxent
from maxent.replay import Gather, Replay, RowLayout, Uniform
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.observer import RunHeader
from maxent.spaces import ObservationLayout

sys.path.insert(0, str(Path(__file__).resolve().parent / "workers"))

from common import processor

ROWS, NEW, BATCH = 1_000_000, 10_000, 256
OBSERVATION = ObservationLayout.from_space(gym.spaces.Box(-np.inf, np.inf, (17,), np.float32))
LAYOUT = RowLayout(floats=17, bytes=0, action=6)
STORAGES = ("ram", "disk")


def filled(storage: str, folder: Path) -> Replay:
    """Return a full replay of random steps."""
    replay = Replay(LAYOUT, members=1, lanes=1, capacity=ROWS, folder=folder if storage == "disk" else None)
    fill(replay)
    return replay


def fill(replay: Replay) -> None:
    """Fill the ring of one lane with random steps, all but the pending row."""
    parts = {"float": np.zeros((1, replay.layout.floats), np.float32)}
    replay.begin(parts)
    random = np.random.default_rng(0)
    for first in range(0, replay.ring - 1, NEW):
        count = min(NEW, replay.ring - 1 - first)
        row = random.standard_normal((count, replay.layout.width), np.float32)
        kind = np.ones(count, np.uint8)
        replay.put_rows({"first": np.array([first]), "count": np.array([count]), "row": row, "kind": kind})
    replay.begin(parts)


def step(replay: Replay) -> None:
    """Add one step."""
    obs, no = {"float": np.ones((1, 17), np.float32)}, np.zeros(1, np.bool_)
    replay.add(np.ones((1, 6), np.float32), np.ones(1, np.float32), no, no, obs, obs)


def sampling(replay: Replay) -> Callable[[], float]:
    """Return what measures the seconds of sampling and gathering a batch, with one step between two batches."""
    stream, columns = np.random.default_rng(1), replay.columns
    sampler = Uniform(replay, BATCH, lambda count: stream.random((1, count)), [stream])
    gather = Gather(LAYOUT, OBSERVATION, replay.ring, 0.99)

    def measure() -> float:
        seconds = []
        for _ in range(500):
            step(replay)
            begin = time.perf_counter()
            gather(columns, torch.from_numpy(sampler.sample(0.0).rows))
            seconds.append(time.perf_counter() - begin)
        return statistics.median(seconds)

    return measure


def checkpoints(replay: Replay, folder: Path) -> tuple[float, list[float]]:
    """Return the seconds of a first checkpoint, with all rows, and of further ones with 10,000 new rows each."""
    folder.mkdir()
    store, state, seconds = CheckpointStore(folder), {"x": torch.zeros(1_000_000)}, []
    for number in range(6):
        for _ in range(NEW if number else 0):
            step(replay)
        begin = time.perf_counter()
        store.write(number, {}, state, replay)
        seconds.append(time.perf_counter() - begin)
    return seconds[0], seconds[1:]


class Share(maxent.Observer):
    """Measures the time from a run's first step to its end, and of it that of checkpoints."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.begin = self.whole = self._mark = 0.0

    def on_start(self, header: RunHeader) -> None:
        """Start the clock."""
        self.begin = time.perf_counter()

    def flush(self) -> None:
        """Start the clock of a checkpoint."""
        self._mark = time.perf_counter()

    def on_checkpoint(self, step: int) -> None:
        """Stop it. The first checkpoint, with all rows of a replay that was filled beforehand, is left out."""
        if step == 0:
            self.begin = time.perf_counter()
        else:
            self.seconds.append(time.perf_counter() - self._mark)

    def on_end(self, reason: str) -> None:
        """Stop the clock of the run."""
        self.whole = time.perf_counter() - self.begin


def share(env: str, folder: Path, steps: int, *, full: bool, **settings: Any) -> Share:
    """Return the measurements of a run, with its replay full from the start if wanted."""
    watch = Share()
    agent = maxent.SAC(env, recipe=False, verbose=False, **settings)
    trainer = agent._trainer
    assert trainer is not None
    if full:
        fill(trainer.replay)
    agent.learn(steps, run_dir=folder, observers=[watch])
    agent.close()
    return watch


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; by default that of temporary files")
    options = parser.parse_args()
    print(f"{processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        compare_storages(folder, options.rounds)
        runs: dict[str, Mapping[str, Any]] = {
            "Pendulum-v1, empty replay": {"env": "Pendulum-v1", "full": False},
            "HalfCheetah-v5, 1,000,000 rows": {"env": "HalfCheetah-v5", "full": True},
            "HalfCheetah-v5, 1,000,000 rows, prioritized": {
                "env": "HalfCheetah-v5", "full": True, "replay": "prioritized",
            },
        }  # fmt: skip
        for number, (what, settings) in enumerate(runs.items()):
            watch = share(folder=folder / f"run {number}", steps=options.steps, **settings)
            part = sum(watch.seconds) / watch.whole
            print(
                f"{what}: {len(watch.seconds)} checkpoints, median {statistics.median(watch.seconds):.3f} s, "
                f"{sum(watch.seconds):.2f} s of {watch.whole:.0f} s = {part:.2%}",
                flush=True,
            )


def compare_storages(folder: Path, rounds: int) -> None:
    """Measure sampling and checkpoints of both storages."""
    times: dict[tuple[str, str], list[float]] = {}
    replays = {storage: filled(storage, folder) for storage in STORAGES}
    samplers = {storage: sampling(replay) for storage, replay in replays.items()}
    for number in range(rounds):
        for storage in STORAGES:
            times.setdefault(("sampling", storage), []).append(samplers[storage]())
            first, further = checkpoints(replays[storage], folder / f"{storage} {number}")
            times.setdefault(("first", storage), []).append(first)
            times.setdefault(("further", storage), []).extend(further)
    print("| | ram | disk |\n|---|---|---|")
    for what, key, scale, unit in (
        (f"sampling and gathering {BATCH} of {ROWS:,} rows", "sampling", 1e6, "µs"),
        (f"checkpoint with {ROWS:,} new rows", "first", 1.0, "s"),
        (f"checkpoint with {NEW:,} new rows", "further", 1.0, "s"),
    ):
        figures = [f"{scale * statistics.median(times[key, storage]):.3g} {unit}" for storage in STORAGES]
        print(f"| {what} | {' | '.join(figures)} |")
    print(flush=True)


if __name__ == "__main__":
    main()
