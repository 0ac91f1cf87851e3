"""Layers: what a network is made of. `Layer` is their interface, and how a layer of one's own is written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from maxent.errors import UserError
from maxent.nn.layer import Layer as Layer
from maxent.nn.layer import Shape as Shape
from maxent.nn.layer import Views as Views
from maxent.nn.layer import require_layer, size_after
from maxent.nn.norms import BatchNorm as BatchNorm
from maxent.nn.norms import BatchRenorm as BatchRenorm
from maxent.nn.norms import LayerNorm as LayerNorm
from maxent.nn.norms import Norm as Norm
from maxent.nn.norms import RMSNorm as RMSNorm


@dataclass(frozen=True)
class Linear(Layer):
    """y = x W + b.

    Choice: weights and biases start uniform in ±1/√fan_in, PyTorch's own default and so that of SB3, CleanRL and
    pytorch_sac's ancestors (softlearning: Glorot uniform with zero bias). "orthogonal" has zero biases.

    Args:
        units: size of the output.
        bias: whether there is a b.
        start: initial weights.
        unit_norm: keep the weights of each output at Euclidean norm 1 (SimBaV2 2502.15280, FlashSAC 2604.04539).
    """

    units: int
    bias: bool = True
    start: Literal["uniform", "orthogonal", "zero"] = "uniform"
    unit_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise UserError(f"Linear units: expected a whole number of at least 1, got {self.units!r}.")

    def output_size(self, size: int) -> int:
        """Return `units`."""
        return self.units

    def parameters(self, size: int) -> dict[str, Shape]:
        """Weight [in, out] and bias."""
        shapes: dict[str, Shape] = {"weight": (size, self.units)}
        return shapes | ({"bias": (1, self.units)} if self.bias else {})

    def init(self, name: str, view: Tensor, size: int, generator: torch.Generator) -> None:
        """Draw weights and biases."""
        if self.start == "uniform":
            fill_uniform(view, size, generator)
        elif self.start == "orthogonal" and name == "weight":
            for group in view:
                torch.nn.init.orthogonal_(group, generator=generator)

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return x W + b."""
        # not baddbmm: that copies the bias over its whole output first; this sum is fused with what follows it
        product = torch.bmm(x, own["weight"])
        return product + own["bias"] if self.bias else product

    @property
    def projects(self) -> bool:
        """Whether the norm is kept."""
        return self.unit_norm

    def project(self, own: Views) -> None:
        """Scale the weights of each output to norm 1."""
        if self.unit_norm:
            own["weight"].div_(torch.linalg.vector_norm(own["weight"], dim=-2, keepdim=True).clamp_min(1e-12))


def fill_uniform(view: Tensor, fan_in: int, generator: torch.Generator) -> None:
    """Fill a tensor with draws from the uniform distribution on ±1/√fan_in."""
    bound = 1.0 / math.sqrt(fan_in)
    view.copy_(torch.rand(view.shape, generator=generator) * (2.0 * bound) - bound)


@dataclass(frozen=True)
class ReLU(Layer):
    """max(x, 0)."""

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return max(x, 0)."""
        return F.relu(x)


@dataclass(frozen=True)
class ELU(Layer):
    """x where x > 0, else e^x − 1."""

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return ELU(x)."""
        return F.elu(x)


@dataclass(frozen=True)
class SiLU(Layer):
    """x · sigmoid(x)."""

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return SiLU(x)."""
        return F.silu(x)


@dataclass(frozen=True)
class Tanh(Layer):
    """tanh(x)."""

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return tanh(x)."""
        return torch.tanh(x)


@dataclass(frozen=True)
class Dropout(Layer):
    """x · m / (1 − rate), each m 0 with probability `rate`, else 1; in evaluation x.   1207.0580.

    Two normal draws are the key of a pass; the mask is a hash of the key and the place of each number. So a mask costs
    no memory, and every member has the masks of a run of its own.

    Args:
        rate: share of the features that is dropped.
    """

    label: ClassVar[str] = "dropout"

    rate: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.rate < 1.0:
            raise UserError(f"Dropout rate: expected a number from 0 to below 1, got {self.rate!r}.")

    @property
    def draws(self) -> int:
        """The key of a pass."""
        return 2

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return the features, some of them dropped in training."""
        if "draws" not in own:
            return x
        key = own["draws"].float().view(torch.int32).long() & 0xFFFFFFFF  # [G, 1, 2]
        place = torch.arange(x.shape[1] * x.shape[2], device=x.device).reshape(1, *x.shape[1:])
        bits = _hash(_hash(place + key[..., :1]) ^ key[..., 1:])
        return torch.where(bits < self.rate * 2.0**32, 0.0, x / (1.0 - self.rate))


def _hash(x: Tensor) -> Tensor:
    """Return 32 well mixed bits of an int64 of which the lower 32 bits count: multiply and shift twice."""
    x = x & 0xFFFFFFFF
    for _ in range(2):
        x = ((x ^ (x >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return x ^ (x >> 16)


@dataclass(frozen=True)
class Residual(Layer):
    """x + f(x), where f is a series of layers that keeps the size.   1512.03385."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.layers:
            raise UserError("Residual: expected at least one layer, got none.")
        for layer in self.layers:
            require_layer(layer)

    def output_size(self, size: int) -> int:
        """Return the size of the input; raise `UserError` if the layers change it."""
        after = size_after(self.layers, size)
        if after != size:
            raise UserError(
                f"Residual: its layers have to keep the size of their input, {size}; they end with {after}."
            )
        return size

    @property
    def branches(self) -> tuple[tuple[Layer, ...], ...]:
        """Return f."""
        return (self.layers,)

    def combine(self, own: Views, x: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        """Return x + f(x)."""
        return x + outputs[0]


def relu_layers(hidden: tuple[int, ...], *, layer_norm: bool = False) -> tuple[Layer, ...]:
    """Return the hidden layers of a plain network: Linear, optional LayerNorm, and ReLU, of these sizes."""
    layers: list[Layer] = []
    for units in hidden:
        layers += [Linear(units), LayerNorm(), ReLU()] if layer_norm else [Linear(units), ReLU()]
    return tuple(layers)
