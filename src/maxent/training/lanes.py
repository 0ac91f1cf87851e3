"""The environments of a run."""

from collections.abc import Sequence
from functools import partial

from maxent.engine.fitting import require_fitting
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.runs.observer import Observer
from maxent.training.settings import Settings

MANY = 1_000
"""Environments whose making takes long enough to say so."""


def open_lanes(source: EnvSource, settings: Settings, seeds: Sequence[int], console: Observer) -> Lanes:
    """Return the environments of a run; what does not fit the first of them is raised before the others are made."""
    run = settings.run
    if source.makes_all and (count := run.seeds * run.num_envs) >= MANY:
        console.on_message(f"making {count:,} environments")
    return Lanes.open(
        source, run.seeds, run.num_envs, seeds,
        workers=run.workers, timeout=run.step_timeout, bad_data=run.bad_data,
        look=partial(require_fitting, settings.algorithm, settings.config, run.seeds),
    )  # fmt: skip
