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
class Norm(Layer):
    """What the normalisations share: a learned scale, and a shift where they have one."""

    internal: ClassVar[bool] = True
    label: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        if type(self) is Norm:
            raise UserError("Norm is the base class of normalisations: use LayerNorm, RMSNorm or BatchNorm.")
        super().__post_init__()
        epsilon = getattr(self, "epsilon", 0.0)
        if not (math.isfinite(epsilon) and epsilon >= 0.0):
            raise UserError(f"{type(self).__name__} epsilon: expected a number of at least 0, got {epsilon!r}.")

    def init(self, name: str, view: Tensor, size: int, generator: torch.Generator) -> None:
        """Start with scale 1 and shift 0."""
        if name == "scale":
            view.fill_(1.0)


@dataclass(frozen=True)
class LayerNorm(Norm):
    """(x − mean) / √(var + ε) over the features, scaled and shifted.   1607.06450."""

    epsilon: float = 1e-5

    def parameters(self, size: int) -> dict[str, Shape]:
        """Scale and shift."""
        return {"scale": (1, size), "shift": (1, size)}

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return the normalised features."""
        return F.layer_norm(x, x.shape[-1:], eps=self.epsilon) * own["scale"] + own["shift"]


@dataclass(frozen=True)
class RMSNorm(Norm):
    """x / √(mean(x²) + ε) over the features, scaled.   1910.07467.

    Args:
        epsilon: ε.
        unit_norm: keep the scale at norm √F (FlashSAC 2604.04539).
    """

    epsilon: float = 1e-6
    unit_norm: bool = False

    def parameters(self, size: int) -> dict[str, Shape]:
        """Scale."""
        return {"scale": (1, size)}

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return the normalised features."""
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.epsilon) * own["scale"]

    @property
    def projects(self) -> bool:
        """Whether the norm is kept."""
        return self.unit_norm

    def project(self, own: Views) -> None:
        """Scale the scale to norm √F."""
        if self.unit_norm:
            scale = own["scale"]
            scale.mul_(math.sqrt(scale.shape[-1]) / torch.linalg.vector_norm(scale, dim=-1, keepdim=True))


@dataclass(frozen=True)
class BatchNorm(Norm):
    """(x − mean) / √(var + ε) over the batch, scaled and shifted.   1502.03167.

    In training mean and variance are those of the batch, and the buffers move towards them by `momentum`, the variance
    unbiased as in torch.nn.BatchNorm1d. In evaluation they are the buffers.

    Args:
        momentum: share of the batch in the new buffers.
        epsilon: ε.
        unit_norm: keep the norm of scale and shift together at √F (FlashSAC 2604.04539).
    """

    momentum: float = 0.01
    epsilon: float = 1e-5
    unit_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.momentum <= 1.0:
            raise UserError(f"BatchNorm momentum: expected a number from 0 to 1, got {self.momentum!r}.")

    def parameters(self, size: int) -> dict[str, Shape]:
        """Scale and shift."""
        return {"scale": (1, size), "shift": (1, size)}

    def buffers(self, size: int) -> dict[str, tuple[Shape, float]]:
        """Running mean and variance."""
        return {"mean": ((1, size), 0.0), "var": ((1, size), 1.0)}

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return the normalised features."""
        if moved is None:
            mean, var = own["mean"], own["var"]
        else:
            var, mean = torch.var_mean(x, dim=1, keepdim=True, correction=0)  # [G, 1, F]
            rows = x.shape[1]
            moved["mean"] = torch.lerp(own["mean"], mean.detach(), self.momentum)
            moved["var"] = torch.lerp(own["var"], var.detach() * (rows / max(rows - 1, 1)), self.momentum)
        return (x - mean) * torch.rsqrt(var + self.epsilon) * own["scale"] + own["shift"]

    @property
    def projects(self) -> bool:
        """Whether the norm is kept."""
        return self.unit_norm

    def project(self, own: Views) -> None:
        """Scale (scale, shift) to norm √F."""
        if self.unit_norm:
            both = torch.cat([own["scale"], own["shift"]], -1)  # [G, 1, 2F]
            factor = math.sqrt(both.shape[-1] / 2) / torch.linalg.vector_norm(both, dim=-1, keepdim=True)
            own["scale"].mul_(factor)
            own["shift"].mul_(factor)


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
