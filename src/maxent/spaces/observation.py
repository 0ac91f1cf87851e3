"""How the arrays of an observation are packed, stored and encoded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np
from gymnasium import spaces

from maxent.errors import UserError
from maxent.spaces.leaf import Entry, Leaf, Packed, Part

if TYPE_CHECKING:
    from torch import Tensor

LARGE_PIXEL = 20.0
"""Pixels that are scaled to a range such as [0, 1] or [-1, 1], or standardised, stay below it."""


@final
@dataclass(frozen=True)
class ObservationLayout:
    """The arrays of an observation and their columns in the packed observation, in the order of the space."""

    leaves: tuple[Leaf, ...]

    @classmethod
    def from_space(cls, space: spaces.Space[Any]) -> "ObservationLayout":
        """Return the layout of a Box, a Discrete, or a Dict of these; raise `UserError` for any other space."""
        named = space.spaces if isinstance(space, spaces.Dict) else {"": space}
        leaves: list[Leaf] = []
        width = {"float": 0, "byte": 0}
        for name, subspace in named.items():
            leaf = Leaf.from_space(name, subspace, width)
            width[leaf.part] += leaf.size
            leaves.append(leaf)
        if not any(width.values()):
            raise UserError(f"observation space: expected at least one number to observe, got the empty {space}.")
        return cls(tuple(leaves))

    @classmethod
    def vector(cls, size: int) -> "ObservationLayout":
        """Return the layout of one float vector [size]."""
        if size < 1:
            raise UserError(f"ObservationLayout.vector: expected a size of at least 1, got {size}.")
        return cls((Leaf("", "float", (size,), size, 0),))

    @cached_property
    def floats(self) -> int:
        """F, the number of columns of the "float" part."""
        return sum(leaf.size for leaf in self.leaves if leaf.part == "float")

    @cached_property
    def bytes(self) -> int:
        """U, the number of columns of the "byte" part."""
        return sum(leaf.size for leaf in self.leaves if leaf.part == "byte")

    @cached_property
    def features(self) -> int:
        """O, the size of the encoded vector."""
        return sum(leaf.features for leaf in self.leaves)

    @property  # not cached: torch.compile cannot trace the lock that a cached_property of Python 3.11 takes
    def plain(self) -> bool:
        """Whether the encoded vector equals the packed float array."""
        return all(leaf.kind == "float" for leaf in self.leaves)

    @cached_property
    def _single(self) -> Leaf | None:
        """The only leaf of a float Box."""
        return self.leaves[0] if self.plain and len(self.leaves) == 1 and self.leaves[0].name == "" else None

    def entries(self) -> tuple[Entry, ...]:
        """Return the arrays of an observation with their columns in the encoded vector; empty arrays are left out."""
        entries = []
        first = 0
        for leaf in self.leaves:
            if leaf.size:
                entries.append(Entry(leaf.name, leaf.kind, leaf.shape, slice(first, first + leaf.features)))
                first += leaf.features
        return tuple(entries)

    def pack(self, observation: Any, batch: int) -> Packed:
        """Pack a batch of observations as a VectorEnv returns it, [L, ...] or a dict of these, into new arrays.

        Raise `UserError` if an entry is missing, has another shape, or holds anything but numbers. A batch of one may
        come without its leading axis.
        """
        if self._single is not None:  # by far the most common case, and on the hot path of the training loop
            return {"float": self._single.pack(observation, batch)}
        packed: Packed = {}
        if self.floats:
            packed["float"] = np.empty((batch, self.floats), np.float32)
        if self.bytes:
            packed["byte"] = np.empty((batch, self.bytes), np.uint8)
        for leaf, value in [(leaf, leaf.pick(observation)) for leaf in self.leaves]:
            if leaf.size:
                packed[leaf.part][:, leaf.columns] = leaf.pack(value, batch)
        return packed

    def batch_size(self, observation: Any) -> int | None:
        """Return how many observations these are; None for a single one, and for anything that `pack` refuses."""
        leaf = self.leaves[0]
        if leaf.name and not (isinstance(observation, Mapping) and leaf.name in observation):
            return None
        try:
            value = np.asarray(observation[leaf.name] if leaf.name else observation)
        except (ValueError, TypeError):
            return None
        return None if value.ndim <= len(leaf.shape) else len(value)

    def pack_given(self, observation: Any, batch: int) -> Packed:
        """Pack what a caller wants an action or a value for; raise `UserError` also where it is surely a mistake.

        That is a number that is not finite, or bytes for an image of floats, whose scale would be another.
        """
        for leaf in self.leaves:
            value = leaf.pick(observation)
            if leaf.kind == "float" and leaf.is_image and getattr(value, "dtype", None) == np.uint8:
                raise UserError(
                    f"{leaf.label}: expected an image of floats, as its environment gives it, got uint8; convert it as "
                    "the environment does."
                )
        packed = self.pack(observation, batch)
        floats = packed.get("float")
        if floats is not None and not np.isfinite(floats).all():
            row, column = np.argwhere(~np.isfinite(floats))[0]
            where = f" in observation {row}" if batch > 1 else ""
            raise UserError(f"observation: expected finite numbers, got {floats[row, column]}{where}.")
        return packed

    def unscaled_images(self, packed: Packed) -> tuple[str, ...]:
        """Return labels of images of floats whose values reach beyond those of a network's usual inputs."""
        floats = [leaf for leaf in self.leaves if leaf.kind == "float" and leaf.is_image]
        return tuple(leaf.label for leaf in floats if np.abs(packed["float"][:, leaf.columns]).max() > LARGE_PIXEL)

    def pack_one(self, observation: Any) -> Packed:
        """Pack one observation as an Env returns it; the arrays have no leading axis."""
        for leaf in self.leaves:
            leaf.checked(leaf.pick(observation))
        return {part: array[0] for part, array in self.pack(observation, 1).items()}

    def encode(self, packed: "Mapping[str, Tensor]") -> "Tensor":
        """Return the vector that a network reads: floats unchanged, discrete values one-hot, bytes divided by 255.

        packed {"float": [..., F], "byte": [..., U]} → [..., O] float32
        """
        if self.plain:
            return packed["float"]
        import torch  # here, so that a worker process can pack observations without loading torch

        encoded = []
        for leaf in self.leaves:
            if not leaf.size:
                continue
            column = packed[leaf.part][..., leaf.columns]
            if leaf.kind == "byte":
                column = column.to(torch.float32) / 255.0
            elif leaf.kind == "discrete":
                values = torch.arange(leaf.categories, device=column.device, dtype=column.dtype)
                column = (column == values).to(torch.float32)  # [..., 1] == [C] → [..., C]
            encoded.append(column)
        return torch.cat(encoded, dim=-1)

    def part(self, name: str) -> tuple[Part, slice]:
        """Return the packed array that holds the leaf `name`, and its columns there."""
        for leaf in self.leaves:
            if leaf.name == name:
                return leaf.part, leaf.columns
        known = ", ".join(repr(leaf.name) for leaf in self.leaves)
        raise UserError(f"observation: expected one of the entries {known}, got {name!r}.")

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which `from_json` makes an equal layout."""
        return {"leaves": [asdict(leaf) | {"shape": list(leaf.shape)} for leaf in self.leaves]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ObservationLayout":
        """Return the layout that `to_json` wrote; raise `UserError` for anything that it cannot have written."""
        if not isinstance(data, Mapping) or data.keys() != {"leaves"} or not isinstance(data["leaves"], list):
            raise UserError("observation: expected a list of leaves, got something else.")
        width = {"float": 0, "byte": 0}
        leaves: list[Leaf] = []
        for one in data["leaves"]:
            leaf = Leaf.from_json(one, width)
            width[leaf.part] += leaf.size
            leaves.append(leaf)
        names = {leaf.name for leaf in leaves}
        if not any(width.values()) or len(names) != len(leaves) or ("" in names and len(leaves) > 1):
            raise UserError("observation: expected leaves with numbers and with names of their own, got others.")
        return cls(tuple(leaves))
