"""The protocol of everything that a checkpoint contains: a state of plain data and tensors, and its restoration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from maxent.errors import UserError
from maxent.untrusted import like, require, short


@dataclass(frozen=True)
class Saved:
    """The state of one part: plain data for JSON, and tensors by name."""

    plain: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


class Stateful(Protocol):
    """A part of a run that is saved in checkpoints."""

    def state(self) -> Saved:
        """Return everything that later behaviour depends on."""

    def restore(self, saved: Saved) -> None:
        """Restore a state that `state` returned."""


def gather(parts: Mapping[str, Stateful]) -> Saved:
    """Return the states of all parts as one, plain data by part and tensors as "part/name"."""
    states = {name: part.state() for name, part in parts.items()}
    tensors = {f"{name}/{key}": tensor for name, saved in states.items() for key, tensor in saved.tensors.items()}
    return Saved({name: dict(saved.plain) for name, saved in states.items()}, tensors)


def part_of(saved: Saved, name: str) -> Saved:
    """Return the state of one part."""
    prefix = f"{name}/"
    tensors = {key.removeprefix(prefix): tensor for key, tensor in saved.tensors.items() if key.startswith(prefix)}
    return Saved(saved.plain[name], tensors)


def require_alike(found: Saved, fresh: Saved, free: Mapping[str, Sequence[int]]) -> None:
    """Raise `UserError` unless a state from a file has the structure of a fresh one of the same run.

    Entries, lengths and types of the plain data, and names, types and shapes of the tensors have to be equal; the axes
    in `free`, by tensor, may have any size.
    """
    require(found.plain, like(fresh.plain))
    specs = {name: TensorSpec.of(tensor, *free.get(name, ())) for name, tensor in fresh.tensors.items()}
    require_tensors(found.tensors, specs)


@dataclass(frozen=True)
class TensorSpec:
    """Type and shape that a tensor of a file has to have; None stands for a size that is not known beforehand."""

    dtype: torch.dtype
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, tensor: Tensor, *free: int) -> "TensorSpec":
        """Return the description of a tensor, whose sizes along the axes `free` may be others."""
        return cls(tensor.dtype, tuple(None if axis in free else size for axis, size in enumerate(tensor.shape)))

    def fits(self, tensor: Tensor) -> bool:
        """Return whether a tensor is of this description."""
        sizes = zip(self.shape, tensor.shape, strict=False)
        return (
            tensor.dtype == self.dtype
            and len(self.shape) == tensor.dim()
            and all(want is None or want == got for want, got in sizes)
        )


def require_tensors(found: Mapping[str, Tensor], expected: Mapping[str, TensorSpec], *, others: bool = False) -> None:
    """Raise `UserError` unless there are tensors of these names, types and shapes, and no `others`."""
    for name, spec in expected.items():
        if name not in found:
            raise UserError(f"expected the tensor {name!r}, which is missing.")
        if not spec.fits(found[name]):
            shape = tuple("any" if size is None else size for size in spec.shape)
            got = found[name]
            raise UserError(
                f"the tensor {name!r}: expected {spec.dtype} of shape {shape}, got {got.dtype} of {tuple(got.shape)}."
            )
    if not others and (unknown := sorted(found.keys() - expected.keys())):
        raise UserError(f"expected no tensor {short(unknown[0])}, got one.")
