"""The memory and the time of a planned run, from a timed piece of it."""

import time
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from maxent.diagnosis.probe import Probe
from maxent.engine.memory import available_memory
from maxent.envs.making import EnvSource
from maxent.findings import Finding
from maxent.replay import Replay
from maxent.runs.observer import Observer
from maxent.training.settings import Settings
from maxent.training.trainer import Trainer

UPDATES = 30
"""Updates that are timed; their median counts."""


@final
@dataclass(frozen=True)
class Cost:
    """Memory and time of a planned run, with one member.

    Args:
        settings: of the run.
        replay: bytes of the replay when it is full, and of one row.
        networks: bytes of parameters, targets and moments, and of the copy to which a diverged member goes back.
        step: seconds for acting, stepping and storing one step of the member.
        update: seconds of one update, eager.
        evaluation: seconds of all evaluations.
        updates: of the whole run.
    """

    settings: Settings
    replay: tuple[int, int]
    networks: int
    step: float
    update: float
    evaluation: float
    updates: int

    @property
    def seconds(self) -> float:
        """Estimated time of the run: an upper bound, since compiled updates are faster."""
        return self.settings.run.steps * self.step + self.updates * self.update + self.evaluation

    def facts(self) -> dict[str, str]:
        """Return memory and time in words."""
        run = f"{self.settings.run.steps:,} steps of {self.settings.algorithm.name}"
        return {
            "memory": f"{self.replay[0] / 1e6:,.1f} MB of replay when full ({self.replay[1]:,} bytes a row), "
            f"{self.networks / 1e6:,.1f} MB of networks, a member",
            "time": f"at most {_duration(self.seconds)} for {run}: {1e3 * self.step:.2g} ms a step and "
            f"{1e3 * self.update:.2g} ms an update, eager",
        }

    def numbers(self) -> dict[str, float]:
        """Return the numbers, for JSON."""
        return {
            "replay_bytes": self.replay[0], "network_bytes": self.networks, "seconds_per_step": self.step,
            "seconds_per_update": self.update, "updates": self.updates, "seconds": self.seconds,
        }  # fmt: skip

    def too_large(self) -> Finding | None:
        """Return a fault about a run that will need more memory than is left, as training would refuse it."""
        replay, left = self.settings.replay, available_memory()
        if left is None or (replay is not None and replay.replay_storage == "disk"):
            return None
        needed = min(self.replay[0], self.settings.run.steps * self.replay[1]) + self.networks
        if needed <= left:
            return None
        rows = int(0.5 * left / self.replay[1])
        return Finding(
            "memory",
            "fault",
            "the run does not fit into memory",
            f"{needed / 1e9:,.1f} GB for rows and networks of one member; this machine has {left / 1e9:,.1f} GB left",
            "memory is taken as the replay fills, so the run would be killed after hours",
            f"use --replay-storage disk, --buffer-size {rows} or less, or smaller observations",
        )


def cost_of(source: EnvSource, settings: Settings, probe: Probe) -> Cost:
    """Measure steps and updates of a run, and estimate the rest.

    The replay of the measurement is small; nothing of it is kept.
    """
    run = replace(settings.run, seeds=1, compile="off", workers=False, step_timeout=None, eval_every=0)
    small = settings.replay and replace(
        settings.replay, buffer_size=min(settings.replay.buffer_size, 4_000), learning_starts=0, random_hold=1
    )
    trainer = Trainer(source, replace(settings, run=run, replay=small), Observer())
    try:
        fill = max(trainer.schedule.rollout, -(-300 // trainer.schedule.envs))
        trainer.collector.begin()
        start = time.perf_counter()
        for number in range(fill):
            trainer.collector.step(number)
        step = (time.perf_counter() - start) / (fill * trainer.schedule.envs)
        engine, count = trainer.engine(), 1 if trainer.schedule.rollout else UPDATES
        times = []
        for _ in range(count):
            start = time.perf_counter()
            trainer.updater.run(engine, 1, progress=0.0)
            times.append(time.perf_counter() - start)
        update = float(np.median(times))  # the first ones are slower, and other processes may come between
        capacity = trainer.schedule.capacity if settings.replay is None else settings.replay.buffer_size
        row = trainer.layout.nbytes
        networks = 2 * sum(tensor.nbytes for tensor in trainer.learner.state.values())
        rows = Replay.nbytes(trainer.layout, members=1, capacity=capacity)
        updates = _updates(settings, trainer)
    finally:
        trainer.close()
    plan = settings.run
    length = np.mean([one.length for one in probe.episodes]) if probe.episodes else 10_000
    evaluations = plan.steps // plan.eval_every * plan.eval_episodes if plan.eval_every else 0
    return Cost(settings, (rows, row), networks, step, update, float(evaluations * length / probe.rate), updates)


def _updates(settings: Settings, trainer: Trainer) -> int:
    """Return the number of updates of a run."""
    starts = 0 if settings.replay is None else settings.replay.learning_starts
    return trainer.schedule.updates_at(max(0, settings.run.steps - starts))


def _duration(seconds: float) -> str:
    """Return a duration with one unit."""
    for size, unit in ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}s"
    return f"{seconds:.0f} seconds"
