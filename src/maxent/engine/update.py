"""The update as one function: gather a batch, update the algorithm, add up the metrics; eager or compiled."""

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor

from maxent.algorithms.base import Algorithm, Noise
from maxent.algorithms.parts import TD_ERROR
from maxent.engine.compiling import Compiled
from maxent.engine.device import Compute
from maxent.engine.graphs import GraphReplay
from maxent.engine.host import keep_freed_memory
from maxent.engine.threads import Threads
from maxent.engine.torch_private import can_trace_the_tape
from maxent.errors import UserError
from maxent.nn import kernels
from maxent.nn.optimiser import State
from maxent.replay import Gather
from maxent.replay.gather import NO_EXTRAS
from maxent.replay.layout import Columns

PAYS_OFF = 5_000
"""Updates from which compiling pays: it takes 10 s (4 s where the cache is warm) and saves about 2 ms an update."""


@dataclass(frozen=True)
class Mode:
    """Whether updates are compiled, and the reason, which a run prints."""

    compiled: bool
    reason: str

    @classmethod
    def choose(cls, setting: Literal["auto", "on", "off"], updates: int, made: int = 0) -> "Mode":
        """Return the mode of a run with this many updates, of which earlier calls of `learn` have made some.

        Where they go on in the same way, compiling pays once they have been enough for it.
        """
        if setting == "off":
            return cls(False, "compile is off")
        if reason := obstacle():
            return cls(False, reason)
        if setting == "on":
            return cls(True, "compile is on")
        if updates < PAYS_OFF:
            return cls(False, f"{updates - made:,} updates do not pay for compiling")
        if made:
            return cls(True, f"{updates - made:,} updates after {made:,} pay for compiling if you go on like this")
        return cls(True, f"{updates:,} updates pay for compiling")

    @classmethod
    def resumed(cls, compiled: bool) -> "Mode":
        """Return the mode of a run that continues: that of its start, unless compiling is no longer possible."""
        reason = obstacle() if compiled else ""
        if reason:
            return cls(False, f"{reason}; they were compiled before, so numbers will differ by rounding")
        return cls(compiled, "the run started so")


def obstacle() -> str:
    """Return why updates cannot be compiled here; empty where they can."""
    if not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++")):
        return "no C++ compiler was found"
    if kernels.ready() and not can_trace_the_tape():
        return "this version of torch cannot compile maxent's own layers"
    return ""


@final
class Engine:
    """Updates of a state. Metrics are summed in the state, so no update waits for a number.

    Args:
        algorithm: the algorithm.
        gather: reads a batch from the replay's columns.
        mode: whether they are compiled.
        errors: whether an update returns |Q − y| [P, B], for a prioritised replay.
        compute: device and precision.
        threads: at most so many; None for as many as torch uses.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        gather: Gather,
        mode: Mode,
        errors: bool = False,
        compute: Compute = Compute("cpu", "float32"),  # noqa: B008  (frozen)
        threads: int | None = None,
    ) -> None:
        self.algorithm, self.gather, self.mode = algorithm, gather, mode
        self.errors, self.compute = errors, compute
        self._checked = type(algorithm).__module__.startswith("maxent.")
        sizes = tuple(network.sizes for network in algorithm.networks.values())
        own = kernels.all_own(sizes, compute.device, compute.precision)
        self.threads = Threads.choose(threads, own_layers=own)
        keep_freed_memory()
        self._step: Callable[..., Tensor] = self._update
        if mode.compiled:
            compiled = Compiled(self._update, compute.device, self.threads.torch)
            self._step = GraphReplay(compiled) if compute.device == "cuda" else compiled

    @property
    def layers(self) -> str:
        """A description of the layers that updates use: maxent's own or torch's."""
        networks = self.algorithm.networks.values()
        return kernels.describe(tuple(one.sizes for one in networks), self.compute.device, self.compute.precision)

    def noise_size(self, batch_size: int) -> int:
        """Return the number of standard normal numbers that an update needs for each member."""
        return sum(math.prod(shape) for shape in self._noise_shapes(batch_size).values())

    def _noise_shapes(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all draws of an update, the algorithm's first."""
        return self.algorithm.update_noise(batch_size) | self.algorithm.perception.update_noise(batch_size)

    def add_metrics(self, state: State) -> None:
        """Put the sums and counts of the algorithm's metrics into the state, all zero."""
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
        """Make update number `update`, counted from 1, on the transitions at rows [P, B]; return |Q − y|, or nothing.

        noise [P, n] contains all draws of the algorithm's `update_noise`, side by side (`Engine.noise_size`).
        """
        policy, target = self.algorithm.due(update)
        with torch.no_grad(), self.compute.rounded():
            if not self._checked:
                self._check_metrics(state, columns, rows, noise, extras)
            return self._step(state, columns, rows, noise, dict(extras), policy, target)

    def _check_metrics(
        self, state: State, columns: Columns, rows: Tensor, noise: Tensor, extras: Mapping[str, Tensor]
    ) -> None:
        """Raise `UserError` if a full update of a user's algorithm does not return the metrics that it declares.

        The update is one of a copy of the state. Metrics of an algorithm of this package that it derives from may be
        missing: Soft Q-learning has fewer of them with discrete actions.
        """
        parts = _parted(noise, self._noise_shapes(rows.shape[1]))
        copy = {name: tensor.clone() for name, tensor in state.items()}
        batch = self.algorithm.perception.prepare(copy, self.gather(columns, rows, extras), parts)
        returned = self.algorithm.update(copy, batch, parts, policy=True, target=True).keys() - {TD_ERROR}
        declared = set(self.algorithm.metrics)
        bases = [kind for kind in type(self.algorithm).__mro__ if kind.__module__.startswith("maxent.")]
        inherited = {tag for kind in bases for tag in getattr(kind, "metrics", ())}
        wrong = [f"returns {tag} undeclared" for tag in sorted(returned - declared)]
        wrong += [f"declares {tag} and does not return it" for tag in sorted(declared - returned - inherited)]
        if wrong:
            raise UserError(
                f"{type(self.algorithm).__name__}: its update has to return the tags in `metrics` and no others; it "
                f"{', and '.join(wrong)}."
            )
        self._checked = True

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
        parts = _parted(noise, self._noise_shapes(rows.shape[1]))
        batch = self.algorithm.perception.prepare(state, self.gather(columns, rows, extras), parts)
        values = self.algorithm.update(state, batch, parts, policy=policy, target=target)
        nothing = torch.zeros_like(batch.reward[:, 0])  # [P]
        state["metric_sums"].add_(torch.stack([values.get(tag, nothing) for tag in self.algorithm.metrics], -1))
        present = [float(tag in values) for tag in self.algorithm.metrics]
        state["metric_counts"].add_(torch.tensor(present, device=nothing.device))
        return values[TD_ERROR] if self.errors else nothing[:0]

    def read_metrics(self, state: State) -> dict[str, Any]:
        """Return the mean of every metric since the last call, each [P] float64, and reset the sums."""
        counts = state["metric_counts"].double()
        means = (state["metric_sums"].double() / counts).numpy(force=True)  # [P, K]; 0/0 is NaN: no value
        state["metric_sums"].zero_()
        state["metric_counts"].zero_()
        return {tag: means[:, k] for k, tag in enumerate(self.algorithm.metrics)}


def _parted(noise: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> Noise:
    """Split the numbers [P, n] of an update by name, each [P, *shape]."""
    parts = torch.split(noise, [math.prod(shape) for shape in shapes.values()], dim=1) if shapes else ()
    return {name: part.view(-1, *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
