"""Whether worker processes pay, from the times that the environments of a run take."""

import os
from dataclasses import dataclass

EXCHANGE = 5e-4
"""Seconds that a worker's step costs beside the environment's own work (`benchmarks/step_time.py`, busy machine)."""
WORTH = 0.8
"""Share of the time below which the other way is worth a sentence."""
ENOUGH = 100
"""Steps from which times say something."""


@dataclass
class StepTimes:
    """Times of the steps of L environments.

    Args:
        count: L.
        workers: whether they are in worker processes.
        steps: how many steps of all of them.
        spent: seconds from the call to the result.
        work: seconds of the environments themselves, summed over them.
    """

    count: int
    workers: bool
    steps: int = 0
    spent: float = 0.0
    work: float = 0.0

    def add(self, spent: float, work: float) -> None:
        """Count one step of all environments."""
        self.steps += 1
        self.spent += spent
        self.work += work

    def advice(self, free_cores: float) -> str:
        """Return a sentence where the other way would be faster; "" where it would not, or is not known yet."""
        if self.steps < ENOUGH:
            return ""
        spent, work = self.spent / self.steps, self.work / self.steps
        if self.workers and work < WORTH * spent:
            return (
                f"environments: a step of all {self.count} takes {1e3 * spent:.2g} ms in worker processes, of which "
                f"{1e3 * work:.2g} ms are their own work; without --workers it would be faster here, with the same "
                "numbers"
            )
        apart = work / max(1.0, min(self.count, free_cores)) + EXCHANGE * self.count
        if not self.workers and apart < WORTH * work:
            return (
                f"environments: a step of all {self.count} takes {1e3 * work:.2g} ms, one after another; with "
                f"--workers about {1e3 * apart:.2g} ms on {free_cores:.0f} free cores, with the same numbers"
            )
        return ""


def free_cores() -> float:
    """Return the cores that this process may use and no other process does, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        busy = max(0.0, os.getloadavg()[0] - 1.0)  # one of them is this process
    except OSError:
        busy = 0.0
    return max(1.0, cores - busy)
