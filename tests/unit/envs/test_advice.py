"""When worker processes pay, from times made up by hand."""

import os

import numpy as np
import pytest

from maxent.envs.advice import ENOUGH, StepTimes, free_cores
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource


def times(count: int, workers: bool, spent: float, work: float, steps: int = ENOUGH) -> StepTimes:
    found = StepTimes(count, workers)
    for _ in range(steps):
        found.add(spent, work)
    return found


def test_slow_environments_on_free_cores_are_for_workers() -> None:
    """8 x 10 ms one after another; on 4 cores 20 ms, and 8 x 0.5 ms for the exchange."""
    said = times(8, False, 0.08, 0.08).advice(4.0)
    assert "takes 80 ms, one after another; with --workers about 24 ms on 4 free cores" in said


@pytest.mark.parametrize(("work", "cores"), [(0.08, 1.0), (8 * 3e-4, 4.0)], ids=["no free core", "fast steps"])
def test_others_are_not(work: float, cores: float) -> None:
    assert times(8, False, work, work).advice(cores) == ""


def test_workers_that_wait_longer_than_they_work_are_told() -> None:
    said = times(2, True, 1e-3, 2e-4).advice(8.0)
    assert "takes 1 ms in worker processes, of which 0.2 ms are their own work; without --workers" in said
    assert times(8, True, 0.024, 0.08).advice(8.0) == ""


def test_nothing_is_said_of_a_few_steps() -> None:
    assert times(2, True, 1e-3, 2e-4, ENOUGH - 1).advice(8.0) == ""


def test_cores_that_others_use_are_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (4.0, 0.0, 0.0))
    assert free_cores() == 5.0
    monkeypatch.setattr(os, "getloadavg", lambda: (40.0, 0.0, 0.0))
    assert free_cores() == 1.0


@pytest.mark.parametrize("workers", [False, True])
def test_fleets_take_their_times(workers: bool) -> None:
    lanes = Lanes.open(EnvSource.of("Pendulum-v1"), 1, 2, [0], workers=workers)
    try:
        lanes.reset()
        for _ in range(3):
            lanes.step(np.zeros((2, 1), np.float32))
        found = lanes._fleet.times
        assert found is not None
        assert (found.count, found.workers, found.steps) == (2, workers, 3)
        assert found.work > 0.0
        assert found.spent > 0.0
    finally:
        lanes.close()
