"""The device and the precision of a run: CPU or GPU; float32, TF32 or bfloat16 products."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maxent.engine.host import has_amx
from maxent.errors import UserError
from maxent.replay import Replay
from maxent.replay.kinds import Storage
from maxent.replay.layout import Columns

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


class ColumnSource(Protocol):
    """Where an update reads the replay's columns.

    Attributes:
        ring: the rows of a lane in these columns.
    """

    ring: int

    def refresh(self) -> None:
        """Take over the rows that were written since the last call."""

    def read(self, rows: NDArray[np.int64]) -> tuple[Columns, Tensor]:
        """Return columns, and where the rows [P, B] of the replay are in them."""


@final
class HostColumns:
    """The replay's columns in the memory of the host, or mapped into it: an update on the CPU reads them in place."""

    def __init__(self, replay: Replay) -> None:
        self.ring, self._columns = replay.ring, replay.columns

    def refresh(self) -> None:
        """Do nothing: they are the replay's own."""

    def read(self, rows: NDArray[np.int64]) -> tuple[Columns, Tensor]:
        """Return the columns and the rows themselves."""
        return self._columns, torch.from_numpy(rows)


@final
class DeviceColumns:
    """A copy of the replay's columns on a GPU; new and changed rows are copied before each use.

    The replay itself stays in the memory of the host, where checkpoints read it.
    """

    def __init__(self, replay: Replay, device: str) -> None:
        self._replay, self._device = replay, device
        self._host, self.ring = replay.columns, replay.ring
        try:
            self._columns = {name: column.to(device) for name, column in self._host.items()}
        except torch.OutOfMemoryError as error:
            raise UserError(
                "replay_storage: expected a GPU with memory for a copy of all rows, got one without "
                f"({error}); use 'ram' or 'disk', or a smaller buffer_size."
            ) from error
        self._seen: NDArray[np.int64] = replay.written.copy()
        self._edits = replay.edits

    def refresh(self) -> None:
        """Copy the rows written since the last call and the pending row of each lane."""
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

    def read(self, rows: NDArray[np.int64]) -> tuple[Columns, Tensor]:
        """Return the copy, and the same rows."""
        return self._columns, torch.from_numpy(rows).to(self._device, non_blocking=True)


@final
class BatchColumns:
    """The rows of one batch on a GPU; the replay stays in the memory or on the disk of the host.

    An update reads n + 1 successive rows for each transition of an n-step return. Their copies are columns of B lanes
    with rings of n + 1 rows each, so `Gather` reads them like those of a replay.
    """

    def __init__(self, replay: Replay, device: str, batch_size: int, n_step: int) -> None:
        self.ring = n_step + 1
        self._replay, self._after = replay, np.arange(self.ring)
        members, count = replay.members, batch_size * self.ring
        self._host = {name: column.flatten(0, 1) for name, column in replay.columns.items()}  # [P · C, ...]
        self._columns = {
            name: torch.zeros(members, count, *column.shape[1:], dtype=column.dtype, device=device)
            for name, column in self._host.items()
        }
        first = torch.arange(0, count, self.ring, device=device)
        self._rows = first.expand(members, batch_size).contiguous()
        self._member = np.arange(members)[:, np.newaxis] * replay.capacity  # [P, 1] each member's first place

    def refresh(self) -> None:
        """Do nothing: rows are copied where they are read."""

    def read(self, rows: NDArray[np.int64]) -> tuple[Columns, Tensor]:
        """Copy each row and the n after it in its lane; the next call overwrites them."""
        ring = self._replay.ring
        position = rows % ring
        lane = rows - position + self._member  # place of the lane's first row
        places = lane[..., np.newaxis] + (position[..., np.newaxis] + self._after) % ring  # [P, B, n + 1]
        index = torch.from_numpy(places.reshape(-1))
        for name, column in self._columns.items():
            column.copy_(self._host[name].index_select(0, index).view(column.shape))
        return self._columns, self._rows


def make_columns(
    replay: Replay, storage: Storage, device: Literal["cpu", "cuda"], *, batch_size: int, n_step: int
) -> ColumnSource:
    """Return what updates on a device read of a replay."""
    if device == "cpu":
        if storage == "device":
            raise UserError(
                "replay_storage: expected 'ram', 'disk' or 'auto' with updates on the CPU, whose memory is the RAM, "
                "got 'device'; use a GPU with --device cuda."
            )
        return HostColumns(replay)
    if storage in ("auto", "device"):
        return DeviceColumns(replay, device)
    return BatchColumns(replay, device, batch_size, n_step)
