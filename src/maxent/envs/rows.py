"""The packed observations of several environments, written one environment at a time."""

from typing import Any, final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from maxent.envs.bounds import Bounds
from maxent.envs.faults import InvalidData
from maxent.errors import UserError
from maxent.spaces import Leaf, ObservationLayout, Packed

_FLOAT_SOURCES = frozenset(np.dtype(code) for code in "?bBhHiIlLqQefd")
_BYTE_SOURCES = frozenset([np.dtype(np.uint8)])


@final
class Rows:
    """One row of packed observation for each of `count` environments.

    An array of the right shape and dtype costs little more than its copy; anything else is examined first.
    """

    def __init__(self, layout: ObservationLayout, space: spaces.Space[Any], count: int) -> None:
        self._layout = layout
        self._bounds = Bounds(layout, space)
        self._packed: Packed = {}
        if layout.floats:
            self._packed["float"] = np.zeros((count, layout.floats), np.float32)
        if layout.bytes:
            self._packed["byte"] = np.zeros((count, layout.bytes), np.uint8)
        # For each leaf its columns as [count, *shape], and the dtypes that can be copied there without a further look.
        self._cells: list[tuple[Leaf, NDArray[Any], frozenset[np.dtype[Any]]]] = [
            (
                leaf,
                self._packed[leaf.part][:, leaf.columns].reshape(count, *leaf.shape),
                {"float": _FLOAT_SOURCES, "byte": _BYTE_SOURCES, "discrete": frozenset[np.dtype[Any]]()}[leaf.kind],
            )
            for leaf in layout.leaves
            if leaf.size
        ]
        alone = len(layout.leaves) == 1 and layout.leaves[0].name == ""
        self._only_cell = self._cells[0][1] if alone else None
        self._shape, self._dtypes = self._cells[0][0].shape, self._cells[0][2]

    def begin(self, lane: int, observation: Any) -> None:
        """Write the first observation of an episode, after checking it against its space."""
        try:
            packed = self._layout.pack_one(observation)
        except UserError as error:
            raise InvalidData(str(error), lane, step=0) from error
        if problem := self._bounds.violation(packed):
            raise InvalidData(problem, lane, step=0)
        for part, row in packed.items():
            self._packed[part][lane] = row

    def write(self, lane: int, observation: Any) -> None:
        """Write a later observation of the episode, after checking its shape and dtype."""
        cell = self._only_cell
        if (
            cell is not None
            and type(observation) is np.ndarray
            and observation.shape == self._shape
            and observation.dtype in self._dtypes
        ):
            cell[lane] = observation
            return
        try:
            self._write_leaves(lane, observation)
        except UserError as error:
            raise InvalidData(str(error), lane) from error

    def copy(self) -> Packed:
        """Return all rows as new arrays [count, ...]."""
        return {part: rows.copy() for part, rows in self._packed.items()}

    def _write_leaves(self, lane: int, observation: Any) -> None:
        for leaf, cell, dtypes in self._cells:
            if not leaf.name:
                value = observation
            elif type(observation) is dict and leaf.name in observation:
                value = observation[leaf.name]
            else:
                value = leaf.pick(observation)
            if type(value) is np.ndarray and value.shape == leaf.shape and value.dtype in dtypes:
                cell[lane] = value
            elif leaf.categories:
                cell[lane] = _index(leaf, value)
            else:
                cell[lane] = leaf.checked(value)


def _index(leaf: Leaf, value: Any) -> int:
    """Return a discrete observation, counted from 0."""
    if isinstance(value, (int, np.integer)) and leaf.start <= value < leaf.start + leaf.categories:
        return int(value) - leaf.start
    return int(leaf.checked(value)) - leaf.start
