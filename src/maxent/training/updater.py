"""The updater: samples transitions, draws noise, and makes the gradient updates that are due."""

from typing import final

import numpy as np
import torch

from maxent.engine.device import ColumnSource, Compute
from maxent.engine.host import subnormals_as_zero
from maxent.engine.learner import Learner
from maxent.engine.streams import Streams
from maxent.engine.update import Engine
from maxent.replay import Sampler
from maxent.stateful import Saved

ONE = np.float32(1.0)


@final
class Updater:
    """Makes updates on a learner from the transitions of a replay.

    Args:
        learner: whose state changes.
        columns: where transitions are read.
        sampler: which of them an update learns from.
        streams: the noise of updates.
        batch_size: transitions per update.
        compute: where, and with what numbers.
    """

    def __init__(
        self,
        learner: Learner,
        columns: ColumnSource,
        sampler: Sampler,
        streams: Streams,
        batch_size: int,
        compute: Compute,
    ) -> None:
        self.learner, self.columns, self.sampler = learner, columns, sampler
        self.streams, self.compute = streams, compute
        self.batch_size = batch_size
        self.updates = 0
        """Updates so far, per member."""

    def run(self, engine: Engine, count: int, progress: float) -> None:
        """Make `count` updates after the share `progress` of the run."""
        if count <= 0:
            return
        with subnormals_as_zero(), engine.threads.applied():
            self._run(engine, count, progress)

    def _run(self, engine: Engine, count: int, progress: float) -> None:
        noise_size, device = engine.noise_size(self.batch_size), self.compute.device
        self.columns.refresh()
        self.compute.apply()  # another agent of this process may have set another precision
        for _ in range(count):
            self.updates += 1
            sample = self.sampler.sample(progress)
            columns, rows = self.columns.read(sample.rows)
            extras = {name: torch.from_numpy(array).to(device) for name, array in sample.extras.items()}
            noise = self.streams.normal(noise_size)
            error = engine(self.learner.state, columns, rows, noise, self.updates, extras)
            if self.sampler.uses_priorities:
                errors = error.numpy(force=True)
                # those of a member that has diverged, until its guard finds out
                self.sampler.update_priorities(sample.rows, np.where(np.isfinite(errors), errors, ONE))

    def state(self) -> Saved:
        """Return the count of updates."""
        return Saved({"updates": self.updates})

    def restore(self, saved: Saved) -> None:
        """Restore the count of updates."""
        self.updates = saved.plain["updates"]
