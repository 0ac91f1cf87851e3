"""Observations and actions as arrays: the one package that reads Gymnasium spaces.

Inside maxent an observation is *packed*: a dict with the entry "float" (float32 [..., F]), "byte" (uint8 [..., U]) or
both. A replay buffer stores these two arrays, whatever the space; `ObservationLayout.encode` turns them into the vector
[..., O] that a network reads. An action is float32 [..., A] in [-1, 1], or [..., 1] holding an index.
"""

from maxent.spaces.action import ActionLayout
from maxent.spaces.leaf import Entry, Leaf, Packed, Part
from maxent.spaces.observation import ObservationLayout

__all__ = ["ActionLayout", "Entry", "Leaf", "ObservationLayout", "Packed", "Part"]
