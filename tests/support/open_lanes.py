"""Lanes of toy environments, and random actions for them."""

import numpy as np

from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource


def open_lanes(env: object, members: int = 1, envs: int = 1, seed: int = 0, workers: bool = False) -> Lanes:
    """Open `envs` environments for each member; member k has the seed `seed` + k."""
    seeds = [seed + member for member in range(members)]
    return Lanes.open(EnvSource.of(env), members=members, envs_per_member=envs, seeds=seeds, workers=workers)


def random_actions(lanes: Lanes, steps: int, seed: int = 0) -> np.ndarray:
    """Return actions [steps, L, A] of the policy."""
    shape = (steps, lanes.count, lanes.action.size)
    generator = np.random.default_rng(seed)
    if lanes.action.kind == "discrete":
        return generator.integers(lanes.action.count, size=shape).astype(np.float32)
    return generator.uniform(-1, 1, shape).astype(np.float32)
