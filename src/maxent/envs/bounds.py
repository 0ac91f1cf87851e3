"""The bounds of an observation space, checked for the first observation of each episode."""

from typing import Any, final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from maxent.spaces import Leaf, ObservationLayout, Packed


@final
class Bounds:
    """The finite bounds of the Box entries of a space, compared in the dtype that is stored."""

    def __init__(self, layout: ObservationLayout, space: spaces.Space[Any]) -> None:
        self._limits: list[tuple[Leaf, NDArray[Any], NDArray[Any]]] = []
        for leaf in layout.leaves:
            box = space.spaces[leaf.name] if isinstance(space, spaces.Dict) else space
            if not isinstance(box, spaces.Box) or not leaf.size:
                continue
            dtype: Any = np.uint8 if leaf.kind == "byte" else np.float32
            with np.errstate(over="ignore"):  # bounds beyond float32 are no bounds
                low, high = box.low.astype(dtype).reshape(-1), box.high.astype(dtype).reshape(-1)
            widest = (0, 255) if leaf.kind == "byte" else (-np.inf, np.inf)
            if (low > widest[0]).any() or (high < widest[1]).any():
                self._limits.append((leaf, low, high))

    def violation(self, packed: Packed) -> str | None:
        """Return a sentence about the first value of one packed observation that is out of bounds; None if none is."""
        for leaf, low, high in self._limits:
            values = packed[leaf.part][leaf.columns]
            outside = np.flatnonzero((values < low) | (values > high))
            if outside.size:
                at = outside[0]
                return (
                    f"{leaf.label}: expected values in the observation space, from {low[at]} to {high[at]} in "
                    f"dimension {at}, got {values[at]}; correct the space or the observation."
                )
        return None
