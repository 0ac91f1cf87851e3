"""How the actions of a policy become those of an environment."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, cast, final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.spaces.leaf import is_whole, require_shape


@final
@dataclass(frozen=True)
class ActionLayout:
    """The action space of an environment, and the conversion between its actions and those of the policy.

    Args:
        kind: "continuous" or "discrete".
        size: A, the number of action dimensions of the policy; 1 for discrete actions.
        low: the lower bounds of a continuous action, flattened; empty for discrete actions.
        high: the upper bounds.
        count: the number of discrete actions; 0 for continuous ones.
        start: the smallest discrete action. The policy counts from 0.
        shape: the shape of one action in the environment.
        dtype: the NumPy dtype of an action in the environment.
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
        """Return the layout of a Box with finite bounds or a Discrete; raise `UserError` for any other space."""
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
        """Convert actions of the policy to the bounds, shape and dtype of the environment.

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
        """Convert actions of the environment to those of the policy: the inverse of `to_env`.

        [L, *shape] → float32 [L, A] in [-1, 1], or [L, 1]
        """
        if self.kind == "discrete":
            return (np.asarray(action).reshape(-1, 1) - self.start).astype(np.float32)
        wide = np.asarray(action, np.float64).reshape(-1, self.size)
        unit = 2.0 * ((wide - self._low) / (self._high - self._low)) - 1.0
        return np.clip(unit, -1.0, 1.0).astype(np.float32)

    def from_given(self, action: Any, batch: int) -> NDArray[np.float32]:
        """Convert actions that a caller wants values for; raise `UserError` unless they are `batch` of this space."""
        try:
            actions = np.asarray(action)
        except ValueError:  # rows of different lengths
            actions = np.empty(0, object)
        expected = (batch, *self.shape)
        if actions.shape != expected or actions.dtype.kind not in "iuf":
            got = "text or objects" if actions.dtype.kind not in "iuf" else f"shape {actions.shape}"
            raise UserError(f"action: expected numbers of shape {expected}, one action an observation, got {got}.")
        index = self.from_env(actions)
        if self.kind == "discrete" and not ((index >= 0) & (index < self.count) & (index == np.rint(index))).all():
            raise UserError(f"action: expected {self.start} to {self.start + self.count - 1}, got {actions.tolist()}.")
        return index

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which `from_json` makes an equal layout."""
        return asdict(self) | {"low": list(self.low), "high": list(self.high), "shape": list(self.shape)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ActionLayout":
        """Return the layout that `to_json` wrote; raise `UserError` for anything that it cannot have written."""
        names = {field.name for field in fields(cls)}
        if isinstance(data, Mapping) and data.keys() == names and all(map(_is_bounds, (data["low"], data["high"]))):
            bounds = {key: tuple(data[key]) for key in ("low", "high")}
            layout = cls(**{**data, **bounds, "shape": require_shape(data["shape"])})
            if layout._is_possible():
                return layout
        raise UserError("action: expected the fields of a Box or of a Discrete, which fit together, got others.")

    def _is_possible(self) -> bool:
        """Return whether a space can have this layout."""
        if self.kind == "discrete":
            rest = (self.size, self.low, self.high, self.shape, self.dtype) == (1, (), (), (), "int64")
            return rest and is_whole(self.count, 1) and is_whole(self.start, -(2**63))
        bounds = all(low < high for low, high in zip(self.low, self.high, strict=False))
        sizes = self.size == math.prod(self.shape) == len(self.low) == len(self.high) > 0
        numbers = isinstance(self.dtype, str) and self.dtype in _DTYPES and (self.count, self.start) == (0, 0)
        return self.kind == "continuous" and type(self.size) is int and sizes and bounds and numbers


_DTYPES = frozenset(np.dtype(code).name for code in "bBhHiIlLefd")
"""The types that actions of a Box may have."""


def _is_bounds(bounds: object) -> bool:
    """Return whether these are the lower or the upper bounds of a file."""
    return isinstance(bounds, list) and all(
        isinstance(bound, int | float) and not isinstance(bound, bool) and math.isfinite(bound) for bound in bounds
    )


def _where(wrong: NDArray[np.bool_]) -> str | None:
    """Return the flat indices of the wrong dimensions as text; None if there are none."""
    indices = cast("Sequence[int]", np.flatnonzero(wrong).tolist())
    if not indices:
        return None
    if len(indices) == wrong.size:
        return "every dimension"
    return ("dimension " if len(indices) == 1 else "dimensions ") + ", ".join(map(str, indices))
