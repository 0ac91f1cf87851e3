"""Observations and actions as arrays: the one place that knows what a Gymnasium space looks like.

Inside maxent an observation is *packed*: a dict with the entry "float" (float32 [..., F]), "byte" (uint8 [..., U]) or
both. A replay stores these two arrays and nothing else, whatever the space was; `ObservationLayout.encode` turns them
into the vector [..., O] that a network reads. An action is float32 [..., A] in [-1, 1], or [..., 1] holding an index.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, cast, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from maxent.errors import UserError

Part = Literal["float", "byte"]
Packed = dict[str, NDArray[Any]]
"""An observation as arrays: "float" float32 [..., F] and/or "byte" uint8 [..., U]."""


@final
@dataclass(frozen=True)
class Leaf:
    """One array of an observation, and the columns of the packed observation that hold it.

    Args:
        name: the key in a Dict space; "" for a plain space.
        kind: "float", "byte" (a uint8 Box, such as an image) or "discrete".
        shape: the shape in the environment.
        size: how many columns of its part it takes: the product of `shape`; a discrete value takes one.
        offset: its first column in its part.
        categories: how many values a discrete leaf can take; 0 for the others.
        start: the smallest value of a discrete leaf. Packed, it counts from 0.
    """

    name: str
    kind: Literal["float", "byte", "discrete"]
    shape: tuple[int, ...]
    size: int
    offset: int
    categories: int = 0
    start: int = 0

    @property
    def part(self) -> Part:
        """The packed array that holds this leaf."""
        return "byte" if self.kind == "byte" else "float"

    @property
    def columns(self) -> slice:
        """The columns of that array."""
        return slice(self.offset, self.offset + self.size)

    @property
    def features(self) -> int:
        """How many numbers a network reads for it: a discrete leaf is one-hot."""
        return self.categories if self.kind == "discrete" else self.size


@final
@dataclass(frozen=True)
class ObservationLayout:
    """Where every array of an observation lies in the packed observation, in the order of the space."""

    leaves: tuple[Leaf, ...]

    @classmethod
    def from_space(cls, space: spaces.Space[Any]) -> "ObservationLayout":
        """Lays out a Box, a Discrete, or a Dict of these; raises `UserError` for any other space."""
        named = space.spaces if isinstance(space, spaces.Dict) else {"": space}
        leaves: list[Leaf] = []
        width = {"float": 0, "byte": 0}
        for name, subspace in named.items():
            leaf = _leaf(name, subspace, width)
            width[leaf.part] += leaf.size
            leaves.append(leaf)
        if not any(width.values()):
            raise UserError(f"observation space: expected at least one number to observe, got the empty {space}.")
        return cls(tuple(leaves))

    @cached_property
    def floats(self) -> int:
        """F, the columns of the "float" part."""
        return sum(leaf.size for leaf in self.leaves if leaf.part == "float")

    @cached_property
    def bytes(self) -> int:
        """U, the columns of the "byte" part."""
        return sum(leaf.size for leaf in self.leaves if leaf.part == "byte")

    @cached_property
    def features(self) -> int:
        """O, the size of the encoded vector."""
        return sum(leaf.features for leaf in self.leaves)

    @property  # not cached: torch.compile cannot trace the lock that a cached_property of Python 3.11 takes
    def plain(self) -> bool:
        """Whether the encoded vector is the packed float array as it is."""
        return all(leaf.kind == "float" for leaf in self.leaves)

    @cached_property
    def _one_array(self) -> bool:
        return self.plain and len(self.leaves) == 1 and self.leaves[0].name == ""

    def pack(self, observation: Any, batch: int) -> Packed:
        """Packs observations batched as a VectorEnv gives them, [L, ...] or a dict of these, into new arrays."""
        if self._one_array:  # by far the most common case, and the loop's hot path
            return {"float": _columns(observation, self.leaves[0], batch)}
        packed: Packed = {}
        if self.floats:
            packed["float"] = np.empty((batch, self.floats), np.float32)
        if self.bytes:
            packed["byte"] = np.empty((batch, self.bytes), np.uint8)
        for leaf in self.leaves:
            if leaf.size:
                packed[leaf.part][:, leaf.columns] = _columns(_pick(observation, leaf), leaf, batch)
        return packed

    def pack_one(self, observation: Any) -> Packed:
        """Packs a single observation as an Env gives it; the arrays have no leading axis."""
        return {part: array[0] for part, array in self.pack(observation, 1).items()}

    def encode(self, packed: Mapping[str, Tensor]) -> Tensor:
        """The vector that a network reads: float leaves as they are, discrete ones one-hot, bytes divided by 255.

        packed {"float": [..., F], "byte": [..., U]} → [..., O] float32
        """
        if self.plain:
            return packed["float"]
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
        """Which packed array holds the leaf `name`, and its columns there."""
        for leaf in self.leaves:
            if leaf.name == name:
                return leaf.part, leaf.columns
        known = ", ".join(repr(leaf.name) for leaf in self.leaves)
        raise UserError(f"observation: expected one of the entries {known}, got {name!r}.")

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `from_json` makes an equal layout."""
        return {"leaves": [asdict(leaf) | {"shape": list(leaf.shape)} for leaf in self.leaves]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ObservationLayout":
        """The layout that `to_json` wrote."""
        return cls(tuple(Leaf(**{**leaf, "shape": tuple(leaf["shape"])}) for leaf in data["leaves"]))


@final
@dataclass(frozen=True)
class ActionLayout:
    """How the actions of a policy become those of an environment.

    Args:
        kind: "continuous" or "discrete".
        size: A, the number of action dimensions of the policy; 1 for discrete actions.
        low: the lower bounds of a continuous action, flattened; empty for discrete actions.
        high: the upper bounds.
        count: how many discrete actions there are; 0 for continuous ones.
        start: the smallest discrete action. The policy counts from 0.
        shape: the shape of one action in the environment.
        dtype: its NumPy dtype there.
    """

    kind: Literal["continuous", "discrete"]
    size: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    count: int
    start: int
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def from_space(cls, space: spaces.Space[Any]) -> "ActionLayout":
        """Reads a Box with finite bounds or a Discrete; raises `UserError` for any other space."""
        if isinstance(space, spaces.Discrete):
            return cls("discrete", 1, (), (), int(space.n), int(space.start), (), "int64")
        if not isinstance(space, spaces.Box):
            raise UserError(f"action space: expected a Box or a Discrete, got {space}; wrap the environment.")
        low, high = space.low.astype(np.float64).reshape(-1), space.high.astype(np.float64).reshape(-1)
        if low.size == 0:
            raise UserError(f"action space: expected at least one dimension, got the empty {space}.")
        if (unbounded := _where(~(np.isfinite(low) & np.isfinite(high)))) is not None:
            raise UserError(
                f"action space: expected finite bounds, got none in {unbounded} of {space}; set them with "
                "gymnasium.wrappers.TransformAction(env, lambda action: action, gymnasium.spaces.Box(-1, 1, "
                f"{space.shape}))."
            )
        if (empty := _where(low >= high)) is not None:
            raise UserError(f"action space: expected low < high, got low >= high in {empty} of {space}; correct it.")
        return cls(
            "continuous", low.size, tuple(low.tolist()), tuple(high.tolist()), 0, 0, space.shape, space.dtype.name
        )

    @cached_property
    def _low(self) -> NDArray[np.float64]:
        return np.array(self.low)

    @cached_property
    def _high(self) -> NDArray[np.float64]:
        return np.array(self.high)

    @cached_property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    @cached_property
    def _symmetric(self) -> bool:
        return all(low == -high for low, high in zip(self.low, self.high, strict=True))

    def to_env(self, action: NDArray[Any]) -> NDArray[Any]:
        """Brings actions of the policy into the bounds, shape and dtype of the environment.

        [L, A] in [-1, 1] → [L, *shape], where -1 is `low` and 1 is `high`, exactly; indices [L, 1] → int64 [L]
        """
        if self.kind == "discrete":
            index: NDArray[np.int64] = np.rint(action[:, 0]).astype(np.int64)
            return index + self.start
        scaled: NDArray[np.float64]
        if self._symmetric:
            scaled = action * self._high
        else:
            wide = action.astype(np.float64)
            scaled = 0.5 * (1.0 - wide) * self._low + 0.5 * (1.0 + wide) * self._high  # a weighted mean: exact at ±1
        if self._dtype.kind != "f":
            scaled = np.rint(scaled)
        return scaled.reshape(-1, *self.shape).astype(self._dtype)

    def from_env(self, action: Any) -> NDArray[np.float32]:
        """The inverse of `to_env`: actions of the environment [L, *shape] → float32 [L, A] in [-1, 1], or [L, 1]."""
        if self.kind == "discrete":
            return (np.asarray(action).reshape(-1, 1) - self.start).astype(np.float32)
        wide = np.asarray(action, np.float64).reshape(-1, self.size)
        unit = 2.0 * ((wide - self._low) / (self._high - self._low)) - 1.0
        return np.clip(unit, -1.0, 1.0).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `from_json` makes an equal layout."""
        return asdict(self) | {"low": list(self.low), "high": list(self.high), "shape": list(self.shape)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ActionLayout":
        """The layout that `to_json` wrote."""
        return cls(**{**data, **{key: tuple(data[key]) for key in ("low", "high", "shape")}})


def _leaf(name: str, space: spaces.Space[Any], width: Mapping[str, int]) -> Leaf:
    """The leaf for one Box or Discrete whose columns come after those taken so far."""
    if isinstance(space, spaces.Discrete):
        return Leaf(name, "discrete", (), 1, width["float"], categories=int(space.n), start=int(space.start))
    if isinstance(space, spaces.Box):
        kind: Literal["float", "byte"] = "byte" if space.dtype == np.uint8 else "float"
        return Leaf(name, kind, space.shape, math.prod(space.shape), width[kind])
    where = f"entry {name!r} of the observation space" if name else "observation space"
    raise UserError(
        f"{where}: expected a Box, a Discrete or a Dict of these, got {space}; "
        "gymnasium.wrappers.FlattenObservation makes a Box of it."
    )


def _pick(observation: Any, leaf: Leaf) -> Any:
    """The array of one leaf, or a sentence about what is missing."""
    if leaf.name == "":
        return observation
    if not isinstance(observation, Mapping) or leaf.name not in observation:
        got = f"the keys {sorted(observation)}" if isinstance(observation, Mapping) else type(observation).__name__
        raise UserError(f"observation: expected a dict with the entry {leaf.name!r}, got {got}.")
    return observation[leaf.name]


def _columns(value: Any, leaf: Leaf, batch: int) -> NDArray[Any]:
    """A new array [batch, leaf.size] in the dtype of its part."""
    array: NDArray[Any] = np.array(value, np.uint8 if leaf.kind == "byte" else np.float32)
    if array.size != batch * leaf.size:
        where = f"observation entry {leaf.name!r}" if leaf.name else "observation"
        raise UserError(f"{where}: expected {batch} of shape {leaf.shape}, got an array of shape {array.shape}.")
    if leaf.start:
        array -= leaf.start
    return array.reshape(batch, leaf.size)


def _where(wrong: NDArray[np.bool_]) -> str | None:
    """The flat indices of the wrong dimensions in words; None if there are none."""
    indices = cast("Sequence[int]", np.flatnonzero(wrong).tolist())
    if not indices:
        return None
    if len(indices) == wrong.size:
        return "every dimension"
    return ("dimension " if len(indices) == 1 else "dimensions ") + ", ".join(map(str, indices))
