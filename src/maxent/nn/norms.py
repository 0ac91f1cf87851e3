"""Layers that normalise: over the features of a row, or over the batch."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from maxent.errors import UserError
from maxent.nn.layer import Layer, Shape, Views


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
        shift: whether there is a shift; right before a Linear layer without bias and another BatchNorm it does nothing.
    """

    momentum: float = 0.01
    epsilon: float = 1e-5
    unit_norm: bool = False
    shift: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.momentum <= 1.0:
            raise UserError(f"{type(self).__name__} momentum: expected a number from 0 to 1, got {self.momentum!r}.")

    def parameters(self, size: int) -> dict[str, Shape]:
        """Scale and shift."""
        shift: dict[str, Shape] = {"shift": (1, size)} if self.shift else {}
        return {"scale": (1, size)} | shift

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
            mean, var = self.corrected(own, mean, var)
        scaled = (x - mean) * torch.rsqrt(var + self.epsilon) * own["scale"]
        return scaled + own["shift"] if self.shift else scaled

    def corrected(self, own: Views, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the variance that training normalises by: those of the batch."""
        return mean, var

    @property
    def projects(self) -> bool:
        """Whether the norm is kept."""
        return self.unit_norm

    def project(self, own: Views) -> None:
        """Scale (scale, shift) to norm √F."""
        if self.unit_norm:
            parts = [own[name] for name in self.parameters(1)]
            norm = torch.linalg.vector_norm(torch.cat(parts, -1), dim=-1, keepdim=True)
            for part in parts:
                part.mul_(math.sqrt(part.shape[-1]) / norm)


@dataclass(frozen=True)
class BatchRenorm(BatchNorm):
    """BatchNorm whose training is corrected towards the running statistics.   1702.03275.

    With r = σ_B/σ clipped to [1/r_max, r_max] and d = (μ_B − μ)/σ clipped to ±d_max, both without a gradient, training
    computes (x − μ_B)/σ_B · r + d, which is (x − μ)/σ, as in evaluation, where nothing is clipped. For the first
    `warmup` passes r = 1 and d = 0: the running statistics are not yet known.

    Args:
        r_max: largest r.
        d_max: largest |d|.
        warmup: passes in training before r and d are used.
    """

    r_max: float = 3.0
    d_max: float = 5.0
    warmup: int = 100_000

    def buffers(self, size: int) -> dict[str, tuple[Shape, float]]:
        """Running mean and variance, and the passes so far up to `warmup`."""
        return super().buffers(size) | {"passes": ((1, 1), 0.0)}

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return the normalised features."""
        if moved is not None:
            moved["passes"] = (own["passes"] + 1.0).clamp_max(float(self.warmup))
        return super().forward(own, x, moved)

    def corrected(self, own: Views, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean μ_B − d σ_B/r and variance σ_B²/r², by which normalising is the formula above."""
        std, running = torch.sqrt(var + self.epsilon), torch.sqrt(own["var"] + self.epsilon)
        r = (std / running).clamp(1.0 / self.r_max, self.r_max).detach()
        d = ((mean - own["mean"]) / running).clamp(-self.d_max, self.d_max).detach()
        warm = own["passes"] >= self.warmup  # [G, 1, 1]
        corrected = (var + self.epsilon) / (r * r) - self.epsilon
        return torch.where(warm, mean - d * std / r, mean), torch.where(warm, corrected, var)
