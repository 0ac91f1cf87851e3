"""Two environments in worker processes."""

from typing import Any

import numpy as np
from toy_envs import Drift

from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.envs.workers import WorkerFleet

STILL = np.zeros((2, 1), np.float32)


def open_workers(env: Any = Drift, timeout: float | None = None) -> tuple[Lanes, WorkerFleet]:
    """Return the lanes of two environments that have been reset, and their workers."""
    lanes = Lanes.open(EnvSource.of(env), members=1, envs_per_member=2, seeds=[0], workers=True, timeout=timeout)
    lanes.reset()
    fleet = lanes._fleet
    assert isinstance(fleet, WorkerFleet)
    return lanes, fleet
