"""The updater: samples transitions, draws noise, and makes the gradient updates that are due."""

from typing import Any, final

import numpy as np
import torch

from maxent.engine.device import ColumnSource, Compute
from maxent.engine.host import subnormals_as_zero
from maxent.engine.learner import Learner
from maxent.engine.streams import Streams
from maxent.engine.update import Engine
from maxent.replay import Sampler
from maxent.stateful import Saved
from maxent.training.diverged import diverged


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

    def run(self, engine: Engine, count: int, *, step: int, progress: float) -> None:
        """Make `count` updates at this step of the run, of which the share `progress` lies behind."""
        if count <= 0:
            return
        with subnormals_as_zero():
            self._run(engine, count, step, progress)

    def _run(self, engine: Engine, count: int, step: int, progress: float) -> None:
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
                if not np.isfinite(errors).all():  # no priority can be made of them
                    raise diverged(step, ["errors of Q"])
                self.sampler.update_priorities(sample.rows, errors)

    def state(self) -> Saved:
        """Return the count of updates."""
        return Saved({"updates": self.updates})

    def restore(self, saved: Saved) -> None:
        """Restore the count of updates."""
        self.updates = saved.plain["updates"]

    def require_finite(self, step: int, values: dict[str, Any]) -> None:
        """Raise if losses or parameters are no longer finite."""
        wrong = [tag for tag in ("train/critic_loss", "train/actor_loss") if np.isinf(values.get(tag, 0.0)).any()]
        state = self.learner.state
        broken = [name for name in self.learner.algorithm.policy_tensors if not bool(torch.isfinite(state[name]).all())]
        if wrong or broken:
            raise diverged(step, wrong + broken)

    def require_sound(self, step: int) -> None:
        """Raise if a network, a target or a moment of an optimiser is no longer finite: no checkpoint may hold that."""
        networks = self.learner.algorithm.networks
        named = [(name, tensor) for name, tensor in self.learner.state.items() if name.partition(".")[0] in networks]
        if broken := [name for name, tensor in named if not bool(torch.isfinite(tensor).all())]:
            raise diverged(step, broken)
