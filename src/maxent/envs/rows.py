"""The packed observations of several environments, written one environment at a time."""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from maxent.spaces import ObservationLayout, Packed


@final
class Rows:
    """One row of packed observation for each of `count` environments; writing one costs a copy and nothing else."""

    def __init__(self, layout: ObservationLayout, count: int) -> None:
        self._layout = layout
        self._packed: Packed = {}
        if layout.floats:
            self._packed["float"] = np.zeros((count, layout.floats), np.float32)
        if layout.bytes:
            self._packed["byte"] = np.zeros((count, layout.bytes), np.uint8)
        # For each leaf its name, its columns as [count, *shape], and what to subtract.
        self._cells: list[tuple[str, NDArray[Any], int]] = [
            (leaf.name, self._packed[leaf.part][:, leaf.columns].reshape(count, *leaf.shape), leaf.start)
            for leaf in layout.leaves
            if leaf.size
        ]
        alone = len(layout.leaves) == 1 and layout.leaves[0].name == "" and layout.leaves[0].start == 0
        self._only_cell = self._cells[0][1] if alone else None

    def begin(self, lane: int, observation: Any) -> None:
        """Writes the first observation of an episode, after checking its shape."""
        for part, row in self._layout.pack_one(observation).items():
            self._packed[part][lane] = row

    def write(self, lane: int, observation: Any) -> None:
        """Writes a later observation of the episode."""
        if self._only_cell is not None:
            self._only_cell[lane] = observation
            return
        for name, cell, start in self._cells:
            value = observation[name] if name else observation
            cell[lane] = value - start if start else value

    def copy(self) -> Packed:
        """All rows as new arrays [count, ...]."""
        return {part: rows.copy() for part, rows in self._packed.items()}
