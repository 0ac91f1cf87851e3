"""The rows of a replay: their types, their columns, and what a file may hold of them.

A row holds an observation, the action taken there, the reward that followed, and its kind:

    PENDING   an observation without an action so far: the newest row of its lane
    STEP      an ordinary step; the next observation is that of the next row
    TERMINAL  a step that terminated the episode; the next row holds the true final observation
    FINAL     the final observation of an episode, terminated or truncated; no step starts here

So an observation is stored once, truncation is not termination (a truncated episode's last step is a STEP before a
FINAL), and a row starts a transition exactly when its kind is STEP or TERMINAL: whatever the ring has overwritten, the
row after such a row is its true successor, because the newest row of a lane is PENDING.

PENDING must be 0 (fresh memory is zeros), and STEP, TERMINAL the only kinds k with (k − 1) mod 256 < 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from maxent.errors import UserError

PENDING, STEP, TERMINAL, FINAL = 0, 1, 2, 3

Columns = dict[str, Tensor]
"""The stored rows: "row" float32 [P, C, F + A + 1], "kind" uint8 [P, C], and "byte" uint8 [P, C, U] if U > 0."""


@final
@dataclass(frozen=True)
class RowLayout:
    """The columns of a row: observation as F floats and U bytes, action as A floats, reward as one, kind as a byte."""

    floats: int
    bytes: int
    action: int

    @property
    def width(self) -> int:
        """Number of float columns: [obs F | action A | reward 1]."""
        return self.floats + self.action + 1

    @property
    def nbytes(self) -> int:
        """Size of one row in bytes."""
        return 4 * self.width + self.bytes + 1


def require_rows(
    parts: Mapping[str, NDArray[Any]], layout: RowLayout, *, ring: int, written: NDArray[np.int64]
) -> None:
    """Raise `UserError` unless these are rows that could follow the first `written` [L] of lanes of `ring` rows."""
    lanes, count = len(written), parts.get("count")
    rows = 0 if count is None or count.dtype != np.int64 else int(count.clip(0, ring).sum())
    expected: dict[str, tuple[type[Any], tuple[int, ...]]] = {
        "first": (np.int64, (lanes,)),
        "count": (np.int64, (lanes,)),
        "row": (np.float32, (rows, layout.width)),
        "kind": (np.uint8, (rows,)),
    }
    if layout.bytes:
        expected["byte"] = np.uint8, (rows, layout.bytes)
    if parts.keys() != expected.keys():
        raise UserError(f"replay: expected the arrays {', '.join(expected)}, got {', '.join(sorted(parts))}.")
    for name, (dtype, shape) in expected.items():
        array = parts[name]
        if array.dtype != dtype or array.shape != shape:
            kind = np.dtype(dtype).name
            raise UserError(
                f"replay: expected {name} as {kind} of shape {shape}, got {array.dtype} of shape {array.shape}."
            )
    first, counted, kinds = parts["first"], parts["count"], parts["kind"]
    later = (first >= 0) & (first < 2**62) & (first + counted >= written)
    if not ((counted >= 0) & (counted < ring) & later).all():
        raise UserError("replay: expected rows that follow those before, at most as many as a lane holds; got others.")
    if not (np.isfinite(parts["row"]).all() and ((kinds >= STEP) & (kinds <= FINAL)).all()):
        raise UserError("replay: expected rows of finite numbers, each a step or a final observation; got others.")
