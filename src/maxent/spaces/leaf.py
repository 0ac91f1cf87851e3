"""One array of an observation: where it is stored, and which values it accepts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from maxent.errors import UserError

Part = Literal["float", "byte"]
Kind = Literal["float", "byte", "discrete"]
Packed = dict[str, NDArray[Any]]
"""An observation as arrays: "float" float32 [..., F] and/or "byte" uint8 [..., U]."""

_NOT_NUMBERS = {"U": "text", "S": "byte strings", "O": "objects", "c": "complex numbers", "M": "dates", "m": "times"}


@final
@dataclass(frozen=True)
class Leaf:
    """One array of an observation, and its columns in the packed observation.

    Args:
        name: the key in a Dict space; "" for a plain space.
        kind: "float", "byte" (a uint8 Box, such as an image) or "discrete".
        shape: the shape in the environment.
        size: the number of columns in its part: the product of `shape`; 1 for a discrete value.
        offset: its first column in its part.
        categories: the number of values of a discrete leaf; 0 for the others.
        start: the smallest value of a discrete leaf. Packed, it counts from 0.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    size: int
    offset: int
    categories: int = 0
    start: int = 0

    @classmethod
    def from_space(cls, name: str, space: spaces.Space[Any], width: Mapping[str, int]) -> "Leaf":
        """Return the leaf of one Box or Discrete; `width` holds the columns of each part that are already taken."""
        if isinstance(space, spaces.Discrete):
            return cls(name, "discrete", (), 1, width["float"], categories=int(space.n), start=int(space.start))
        if isinstance(space, spaces.Box):
            kind: Part = "byte" if space.dtype == np.uint8 else "float"
            return cls(name, kind, space.shape, math.prod(space.shape), width[kind])
        where = f"entry {name!r} of the observation space" if name else "observation space"
        raise UserError(
            f"{where}: expected a Box, a Discrete or a Dict of these, got {space}; "
            "gymnasium.wrappers.FlattenObservation makes a Box of it."
        )

    @classmethod
    def from_json(cls, data: Any, width: Mapping[str, int]) -> "Leaf":
        """Return the leaf with these fields; `width` holds the columns of each part that are already taken."""
        leaf = cls(**{**data, "shape": require_shape(data["shape"])}) if _has_fields(data, cls) else None
        if leaf is not None and isinstance(leaf.name, str) and leaf.kind in ("float", "byte", "discrete"):
            size, offset = math.prod(leaf.shape), width[leaf.part]
            categories = is_whole(leaf.categories) and (leaf.categories > 0) == (leaf.kind == "discrete")
            start = is_whole(leaf.start, -(2**63)) and (leaf.kind == "discrete" or leaf.start == 0)
            sizes = is_whole(leaf.size) and is_whole(leaf.offset) and (leaf.size, leaf.offset) == (size, offset)
            shape = leaf.kind != "discrete" or leaf.shape == ()
            if categories and start and sizes and shape:
                return leaf
        raise UserError("observation: expected the fields of a leaf, of sizes that fit together, got others.")

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
        """The number of columns in the encoded vector: a discrete leaf is one-hot."""
        return self.categories if self.kind == "discrete" else self.size

    @property
    def label(self) -> str:
        """The name for error messages."""
        return f"observation entry {self.name!r}" if self.name else "observation"

    @property
    def is_image(self) -> bool:
        """Whether this is an image (`is_image`)."""
        return is_image(self.kind, self.shape)

    def pick(self, observation: Any) -> Any:
        """Return the value of this leaf in an observation; raise `UserError` if it is missing."""
        if self.name == "":
            return observation
        if not isinstance(observation, Mapping) or self.name not in observation:
            got = f"the keys {sorted(observation)}" if isinstance(observation, Mapping) else type(observation).__name__
            raise UserError(f"observation: expected a dict with the entry {self.name!r}, got {got}.")
        return observation[self.name]

    def checked(self, value: Any, batch: int | None = None) -> NDArray[Any]:
        """Return the value as an array [*shape], or [batch, *shape]; raise `UserError` if it is anything else.

        Nothing is broadcast, parsed or wrapped around. A batch of one may come without its leading axis.
        """
        try:
            array = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise UserError(f"{self.label}: expected {self._expected(batch)}, got no array: {error}") from error
        if array.dtype.kind not in "biuf":
            kind = _NOT_NUMBERS.get(array.dtype.kind, str(array.dtype))
            raise UserError(f"{self.label}: expected numbers, got {kind}: {_short(value)}.")
        single = batch is None or (batch == 1 and array.ndim == len(self.shape))
        if array.shape != (self.shape if single else (batch, *self.shape)):
            raise UserError(f"{self.label}: expected {self._expected(batch)}, got an array of shape {array.shape}.")
        if self.kind == "byte" and array.dtype != np.uint8:
            self._check_integers(array, 0, 255)
        elif self.kind == "discrete":
            self._check_integers(array, self.start, self.start + self.categories - 1)
        return array

    def pack(self, value: Any, batch: int) -> NDArray[Any]:
        """Return a new array [batch, size] in the dtype of its part."""
        array = self.checked(value, batch)
        if self.start:
            array = array.astype(np.int64) - self.start
        return array.astype(np.uint8 if self.kind == "byte" else np.float32).reshape(batch, self.size)

    def _expected(self, batch: int | None) -> str:
        return f"shape {self.shape}" if batch is None else f"{batch} of shape {self.shape}"

    def _check_integers(self, array: NDArray[Any], low: int, high: int) -> None:
        if array.dtype.kind == "f":
            raise UserError(f"{self.label}: expected integers from {low} to {high}, got {array.dtype}.")
        wrong = array[(array < low) | (array > high)]
        if wrong.size:
            raise UserError(f"{self.label}: expected integers from {low} to {high}, got {wrong.flat[0]}.")


@final
@dataclass(frozen=True)
class Entry:
    """One array of an observation, and its columns in the encoded vector [..., O].

    Args:
        name: the key in a Dict space; "" for a plain space.
        kind: "float", "byte" (divided by 255 when encoded) or "discrete" (one-hot when encoded).
        shape: the shape in the environment; () for a discrete value.
        columns: the columns in the encoded vector, in row-major order of `shape`.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    columns: slice

    @property
    def is_image(self) -> bool:
        """Whether this is an image (`is_image`)."""
        return is_image(self.kind, self.shape)

    @property
    def channels_first(self) -> bool:
        """Whether this is an image [C, H, W]."""
        return is_channels_first(self.shape)


def is_image(kind: Kind, shape: tuple[int, ...]) -> bool:
    """Return whether this is an image of at least 8 x 8: [H, W] of bytes, [H, W, C] or [C, H, W] with C ≤ 12."""
    if len(shape) == 2:
        return kind == "byte" and min(shape) >= 8
    last = len(shape) == 3 and min(shape[:2]) >= 8 and 1 <= shape[2] <= 12
    return last or is_channels_first(shape)


def is_channels_first(shape: tuple[int, ...]) -> bool:
    """Return whether this is the shape of an image [C, H, W]: C is at most 12 and smaller than both sides."""
    if len(shape) != 3:
        return False
    channels, *sides = shape
    return min(sides) >= 8 and 1 <= channels <= 12 and channels < min(sides)


def is_whole(value: object, least: int = 0) -> bool:
    """Return whether a value of a file is a whole number from `least` to 2⁶³ − 1."""
    return type(value) is int and least <= value < 2**63


def require_shape(value: object) -> tuple[int, ...]:
    """Return a shape from a file; raise `UserError` for anything else."""
    if not (isinstance(value, list) and len(value) <= 32 and all(map(is_whole, value)) and math.prod(value) < 2**48):
        raise UserError("shape: expected a list of sizes, got something else.")
    return tuple(value)


def _has_fields(data: Any, record: type[Any]) -> bool:
    return isinstance(data, Mapping) and data.keys() == {field.name for field in fields(record)}


def _short(value: Any) -> str:
    """Return the repr of a value, cut after 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
