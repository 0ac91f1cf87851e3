"""The interface of a layer. A layer owns no tensors; it declares its parameters and its buffers and uses them.

Every tensor leads with an axis of groups G: the members of a population, or the critics of all members. Parameters are
[G, rows, columns], inputs [G, B, F]. A layer is a frozen dataclass without sizes: the network passes the size of its
input, so the same layers serve an actor and a critic, and a run's files can hold them as plain data.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_origin

import torch
from torch import Tensor

from maxent.errors import UserError
from maxent.records import check

Shape = tuple[int, ...]
Views = Mapping[str, Tensor]
"""Named windows into a flat vector, each [G, *shape]."""


@dataclass(frozen=True)
class Layer:
    """One step of a network. Subclasses override what differs from a layer without parameters.

    A user's own layer is a frozen dataclass derived from this class. One that is made of other layers declares them as
    `branches` and defines `combine` in place of `forward`.
    """

    internal: ClassVar[bool] = True
    """Whether error messages leave a class out; not inherited."""
    label: ClassVar[str] = "layer"
    """How files call its tensors, followed by a number: "layer_0.weight"."""

    def __post_init__(self) -> None:
        """Raise `UserError` for a field whose value its annotation does not allow."""
        kind = type(self)
        if kind is Layer:
            raise UserError("Layer is the base class of layers and computes nothing: use a class derived from it.")
        check(kind, vars(self), kind.__name__)

    def output_size(self, size: int) -> int:
        """Return the size of the output for inputs of this size."""
        return size

    def parameters(self, size: int) -> dict[str, Shape]:
        """Return the shape of each parameter of one group, vectors as (1, F); those named "weight" are packed first."""
        return {}

    def buffers(self, size: int) -> dict[str, tuple[Shape, float]]:
        """Return shape and initial value of each buffer: what is learned without gradients."""
        return {}

    def init(self, name: str, view: Tensor, size: int, generator: torch.Generator) -> None:
        """Fill a fresh parameter [G, *shape], zeros so far, for inputs of this size."""

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return outputs [G, B, out] for x [G, B, in]; `own` holds its parameters and buffers.

        `moved` is None in evaluation. In training the layer puts the new values of its buffers there; a buffer that it
        leaves out keeps its value.
        """
        return x

    @property
    def draws(self) -> int:
        """Standard normal draws of each group for a pass in training: own["draws"] [G, 1, n] in `forward`."""
        return 0

    @property
    def branches(self) -> tuple[tuple["Layer", ...], ...]:
        """The series of layers inside this one, each of which takes the layer's input."""
        return ()

    def combine(self, own: Views, x: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        """Return the output of a layer with branches for its input x [G, B, in] and the output of each branch."""
        raise NotImplementedError(f"{type(self).__name__} has branches and does not define combine.")

    @property
    def projects(self) -> bool:
        """Whether `project` does anything."""
        return type(self).project is not Layer.project

    def project(self, own: Views) -> None:
        """Project the parameters onto their constraint, in place; called after each optimiser step."""


def size_after(layers: Sequence[Layer], size: int) -> int:
    """Return the size of the output of a series of layers for inputs of this size."""
    for layer in layers:
        size = layer.output_size(size)
    return size


def require_layer(layer: object) -> None:
    """Raise `UserError` for an object that is no layer, or whose files could not describe it."""
    if not isinstance(layer, Layer):
        raise UserError(f"expected a layer (maxent.nn.layers), got {layer!r}.")
    for kind in type(layer).__mro__:
        if kind is not Layer and issubclass(kind, Layer) and _needs_decorator(kind):
            raise UserError(
                f"{kind.__name__}: a layer with fields or an __init__ of its own has to be a frozen dataclass, "
                "so that files can describe it: put @dataclass(frozen=True) above the class."
            )
    if not re.fullmatch(r"\w+", layer.label):
        raise UserError(
            f"{type(layer).__name__}: expected a label of letters, digits and underscores, got {layer.label!r}."
        )
    if layer.branches and (layer.buffers(1) or layer.draws):
        raise UserError(
            f"{type(layer).__name__}: a layer with branches has no buffers and draws of its own; its layers may."
        )


def _needs_decorator(kind: type[Any]) -> bool:
    """Return whether a class defines fields or an __init__ and is not a dataclass itself."""
    if "__dataclass_fields__" in vars(kind):
        return False
    fields = [hint for hint in inspect.get_annotations(kind).values() if not _is_class_variable(hint)]
    return bool(fields) or "__init__" in vars(kind)


def _is_class_variable(hint: object) -> bool:
    if isinstance(hint, str):
        return "ClassVar" in hint
    return hint is ClassVar or get_origin(hint) is ClassVar
