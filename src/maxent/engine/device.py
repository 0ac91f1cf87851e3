"""The device and the precision of a run: CPU or GPU; float32, TF32 or bfloat16 products."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray

from maxent.engine.host import has_amx
from maxent.errors import UserError
from maxent.replay import Replay
from maxent.replay.rows import Columns

DeviceSetting = Literal["auto", "cpu", "cuda"]
PrecisionSetting = Literal["float32", "tf32", "bf16", "auto"]


@final
@dataclass(frozen=True)
class Compute:
    """A device and the precision of matrix products; weights, sums and everything else stay float32."""

    device: Literal["cpu", "cuda"]
    precision: Literal["float32", "tf32", "bf16"]

    @classmethod
    def choose(cls, device: DeviceSetting, precision: PrecisionSetting) -> "Compute":
        """Return the device and precision for the settings; raise `UserError` if this machine does not support them.

        auto selects a GPU if there is one, TF32 products on a GPU, bfloat16 products on a processor with AMX, which
        computes them several times as fast, and float32 elsewhere.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise UserError(
                "device: expected an available device, got 'cuda', but torch finds no GPU; use 'cpu' or 'auto'."
            )
        place: Literal["cpu", "cuda"] = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        if precision == "tf32" and place == "cpu":
            raise UserError("precision: expected 'float32', 'bf16' or 'auto' on a CPU, got 'tf32', which needs a GPU.")
        if precision != "auto":
            return cls(place, precision)
        if place == "cuda":
            return cls(place, "tf32")
        return cls(place, "bf16" if has_amx() else "float32")

    def apply(self) -> None:
        """Set torch's option, one per process, whether products on a GPU may round to TF32."""
        if self.device == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = self.precision == "tf32"

    def rounded(self) -> AbstractContextManager[Any]:
        """Return a context in which matrix products are computed in bfloat16 if that is the precision."""
        return torch.autocast(self.device, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def __str__(self) -> str:
        return self.device if self.precision == "float32" else f"{self.device}, {self.precision} products"


class HostColumns:
    """The replay's columns in the memory of the host: an update on the CPU reads them in place."""

    def __init__(self, replay: Replay) -> None:
        self._columns = replay.columns

    def current(self) -> Columns:
        """Return the columns, up to date."""
        return self._columns


@final
class DeviceColumns:
    """A copy of the replay's columns on a GPU; new and changed rows are copied before each use.

    The replay itself stays in the memory of the host, where checkpoints read it.
    """

    def __init__(self, replay: Replay, device: str) -> None:
        self._replay, self._device = replay, device
        self._host = replay.columns
        self._columns = {name: column.to(device) for name, column in self._host.items()}
        self._seen: NDArray[np.int64] = replay.written.copy()
        self._edits = replay.edits

    def current(self) -> Columns:
        """Return the columns after copying the rows written since the last call and the pending row of each lane."""
        rows = self._replay.rows_changed(self._seen)  # [n] over all members
        if len(rows):
            index = torch.from_numpy(rows)
            there = index.to(self._device, non_blocking=True)
            for name, column in self._columns.items():
                flat = self._host[name].reshape(-1, *column.shape[2:])
                column.view(-1, *column.shape[2:])[there] = flat[index].to(self._device, non_blocking=True)
        if self._edits != self._replay.edits:
            self._columns["kind"].copy_(self._host["kind"])
            self._edits = self._replay.edits
        self._seen = self._replay.written.copy()
        return self._columns
