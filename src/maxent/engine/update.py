"""The update as one function: gather a batch, update the algorithm, add up the metrics; eager or compiled."""

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor

from maxent.algorithms.base import TD_ERROR, Algorithm, Noise
from maxent.engine.compiling import Compiled
from maxent.engine.device import Compute
from maxent.engine.graphs import GraphReplay
from maxent.engine.host import keep_freed_memory
from maxent.nn import kernels
from maxent.nn.optimiser import State
from maxent.replay import Gather
from maxent.replay.gather import NO_EXTRAS
from maxent.replay.rows import Columns

PAYS_OFF = 10_000
"""Updates from which compiling pays: it takes about 15 s cold and saves a millisecond or more an update."""


@dataclass(frozen=True)
class Mode:
    """Whether updates are compiled, and the reason, which the run states."""

    compiled: bool
    reason: str

    @classmethod
    def choose(cls, setting: Literal["auto", "on", "off"], updates: int) -> "Mode":
        """Decide before the run starts; a run never changes its mode, so that it stays reproducible."""
        if setting != "auto":
            return cls(setting == "on", f"compile is {setting}")
        if not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++")):
            return cls(False, "no C++ compiler was found")
        if updates < PAYS_OFF:
            return cls(False, f"{updates:,} updates do not pay for compiling")
        return cls(True, f"{updates:,} updates pay for compiling")


@final
class Engine:
    """Runs updates on a state. Metrics are added up in the state itself, so no update waits for a number.

    Args:
        algorithm: whose updates they are.
        gather: reads a batch.
        mode: whether they are compiled.
        errors: whether each answers |Q − y| [P, B], for a replay that goes by it.
        compute: on what device, with what numbers.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        gather: Gather,
        mode: Mode,
        errors: bool = False,
        compute: Compute = Compute("cpu", "float32"),  # noqa: B008  (frozen)
    ) -> None:
        self.algorithm, self.gather, self.mode = algorithm, gather, mode
        self.errors, self.compute = errors, compute
        keep_freed_memory()
        self._step: Callable[..., Tensor] = self._update
        if mode.compiled:
            compiled = Compiled(self._update, compute.device)
            self._step = GraphReplay(compiled) if compute.device == "cuda" else compiled

    @property
    def layers(self) -> str:
        """Whose layers the updates take."""
        networks = self.algorithm.networks.values()
        sizes = tuple(None if network.layer_norm else network.sizes for network in networks)
        return kernels.describe(sizes, self.compute.device, self.compute.precision)

    def noise_size(self, batch_size: int) -> int:
        """How many standard normal numbers an update takes for each member."""
        return sum(math.prod(shape) for shape in self.algorithm.update_noise(batch_size).values())

    def add_metrics(self, state: State) -> None:
        """Put the sums and counts of the algorithm's metrics into the state."""
        names = len(self.algorithm.metrics)
        state["metric_sums"] = torch.zeros(self.algorithm.members, names, device=self.compute.device)  # [P, K]
        state["metric_counts"] = torch.zeros(names, device=self.compute.device)  # [K]

    def __call__(
        self,
        state: State,
        columns: Columns,
        rows: Tensor,
        noise: Tensor,
        update: int,
        extras: Mapping[str, Tensor] = NO_EXTRAS,
    ) -> Tensor:
        """Update number `update`, counted from 1, on the transitions at rows [P, B]; → |Q − y|, or nothing.

        noise [P, n] is all that the algorithm's `update_noise` asks for, side by side (`Engine.noise_size`).
        """
        policy, target = self.algorithm.due(update)
        with torch.no_grad(), self.compute.rounded():
            return self._step(state, columns, rows, noise, dict(extras), policy, target)

    def _update(
        self,
        state: State,
        columns: Columns,
        rows: Tensor,
        noise: Tensor,
        extras: dict[str, Tensor],
        policy: bool,
        target: bool,
    ) -> Tensor:
        batch = self.gather(columns, rows, extras)
        parts = _parted(noise, self.algorithm.update_noise(rows.shape[1]))
        values = self.algorithm.update(state, batch, parts, policy=policy, target=target)
        nothing = torch.zeros_like(batch.reward[:, 0])  # [P]
        state["metric_sums"].add_(torch.stack([values.get(tag, nothing) for tag in self.algorithm.metrics], -1))
        present = [float(tag in values) for tag in self.algorithm.metrics]
        state["metric_counts"].add_(torch.tensor(present, device=nothing.device))
        return values[TD_ERROR] if self.errors else nothing[:0]

    def read_metrics(self, state: State) -> dict[str, Any]:
        """The mean of every metric since the last reading, each [P] float64; the sums start anew."""
        counts = state["metric_counts"].double()
        means = (state["metric_sums"].double() / counts).numpy(force=True)  # [P, K]; 0/0 is NaN: not known
        state["metric_sums"].zero_()
        state["metric_counts"].zero_()
        return {tag: means[:, k] for k, tag in enumerate(self.algorithm.metrics)}


def _parted(noise: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> Noise:
    """Numbers [P, n] as what they are for, each [P, *shape]."""
    parts = torch.split(noise, [math.prod(shape) for shape in shapes.values()], dim=1) if shapes else ()
    return {name: part.view(-1, *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
