"""The protocol of everything that a checkpoint contains: a state of plain data and tensors, and its restoration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor


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
