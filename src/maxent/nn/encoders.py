"""Encoders: from an observation, whose layout is known, to the features that the layers of a network read.

An observation reaches the networks as one vector [..., O] in which the layout says where each entry lies and what shape
it has. Vectors and one-hot categories stay as they are; each image may go through convolutions of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from maxent.errors import UserError
from maxent.nn.layers import Layer, Shape, Views, fill_uniform
from maxent.spaces import Entry, ObservationLayout


@dataclass(frozen=True)
class Flatten:
    """No encoder: every entry of an observation is read as a vector, images included."""

    kind: ClassVar[str] = "flatten"


@dataclass(frozen=True)
class Convolution:
    """Convolutions with ReLU for each image, then a layer with LayerNorm and tanh; other entries stay vectors.

    The head is that of DrQ-v2 (2107.09645). The convolutions default to those of DQN (Nature 2015), whose strides
    suit a CPU; an image too small for them gets 3 × 3 ones of stride 2.
    """

    kind: ClassVar[str] = "convolution"

    channels: tuple[int, ...] = (32, 64, 64)
    """Output channels of each convolution."""
    kernels: tuple[int, ...] = (8, 4, 3)
    """Their kernel sizes."""
    strides: tuple[int, ...] = (4, 2, 1)
    """Their strides."""
    features: int = 50
    """Features of each image."""
    shared: bool = True
    """Let the critics' loss alone train one encoder for actor and critics; else each network has its own."""
    shift: int = 0
    """Random shift in updates: images are padded by this many pixels and cropped at random (2107.09645; 4 there)."""

    def __post_init__(self) -> None:
        if not (len(self.channels) == len(self.kernels) == len(self.strides) > 0):
            raise UserError(
                "encoder: expected as many channels as kernels and strides, at least one, got "
                f"{self.channels}, {self.kernels} and {self.strides}."
            )
        for name in ("channels", "kernels", "strides"):
            if any(not isinstance(value, int) or value < 1 for value in getattr(self, name)):
                raise UserError(f"encoder: expected {name} of at least 1, got {getattr(self, name)}.")
        if self.features < 1 or self.shift < 0:
            raise UserError(
                f"encoder: expected features above 0 and a shift of at least 0, got {self.features} and {self.shift}."
            )

    def plan(self, entry: Entry) -> list[tuple[int, int, int, int]]:
        """Return channels in, channels out, kernel and stride of each convolution for an image."""
        height, width, channels = image_shape(entry)
        if _sizes(min(height, width), self.kernels, self.strides)[-1] >= 1:
            layers = list(zip(self.channels, self.kernels, self.strides, strict=True))
        else:
            layers = [(out, 3, 2) for out in self.channels[:2]]
        plan = []
        for out, kernel, stride in layers:
            plan.append((channels, out, kernel, stride))
            channels = out
        return plan


Encoder = Flatten | Convolution


def image_shape(entry: Entry) -> tuple[int, int, int]:
    """Return height, width and channels of an image entry (H, W) or (H, W, C)."""
    height, width, *rest = entry.shape
    return height, width, rest[0] if rest else 1


def _sizes(size: int, kernels: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Return the size after each convolution without padding."""
    sizes = []
    for kernel, stride in zip(kernels, strides, strict=True):
        size = (size - kernel) // stride + 1 if size >= kernel else 0
        sizes.append(size)
    return sizes


@dataclass(frozen=True)
class Observe(Layer):
    """The first layer of a network that reads images: [obs O | rest] → [features | rest].

    Args:
        layout: where the entries of the observation lie.
        encoder: the convolutions of each image.
    """

    label: ClassVar[str] = "encoder"

    layout: ObservationLayout
    encoder: Convolution

    @property
    def images(self) -> list[tuple[str, Entry]]:
        """The entries that are images, with a name for their parameters."""
        return [(entry.name.replace(".", "_") or "image", entry) for entry in self.layout.entries() if entry.is_image]

    def output_size(self, size: int) -> int:
        """Features of the images in the place of their pixels."""
        pixels = sum(math.prod(entry.shape) for _, entry in self.images)
        return size - pixels + self.encoder.features * len(self.images)

    def parameters(self, size: int) -> dict[str, Shape]:
        """Convolutions [out, in, k, k], and the head of each image."""
        shapes: dict[str, Shape] = {}
        for name, entry in self.images:
            height, width, _ = image_shape(entry)
            for i, (channels, out, kernel, stride) in enumerate(self.encoder.plan(entry)):
                shapes[f"{name}.conv_{i}.weight"] = (out, channels, kernel, kernel)
                shapes[f"{name}.conv_{i}.bias"] = (1, out)
                height, width = ((side - kernel) // stride + 1 for side in (height, width))
            shapes[f"{name}.head.weight"] = (out * height * width, self.encoder.features)
            shapes[f"{name}.head.bias"] = (1, self.encoder.features)
            shapes[f"{name}.head.scale"] = shapes[f"{name}.head.shift"] = (1, self.encoder.features)
        return shapes

    def init(self, name: str, view: Tensor, size: int, generator: torch.Generator) -> None:
        """Draw weights and biases uniformly in ±1/√fan_in; the LayerNorm starts as the identity."""
        shapes = self.parameters(size)
        place, _, own = name.rpartition(".")
        if own == "scale":
            view.fill_(1.0)
        elif own in ("weight", "bias"):
            weight = shapes[f"{place}.weight"]
            fill_uniform(view, math.prod(weight[1:]) if "conv" in place else weight[0], generator)

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return features for x [G, B, O + rest]."""
        names = {entry: name for name, entry in self.images}
        parts = []
        for entry in self.layout.entries():
            part = x[..., entry.columns]
            parts.append(self._encode(own, names[entry], entry, part) if entry in names else part)
        return torch.cat([*parts, x[..., self.layout.features :]], -1)

    def _encode(self, own: Views, name: str, entry: Entry, flat: Tensor) -> Tensor:
        """Return the features [G, B, F] of an image [G, B, H·W·C]; all groups in one grouped convolution."""
        groups, batch, _ = flat.shape
        height, width, channels = image_shape(entry)
        x = flat.reshape(groups, batch, height, width, channels).permute(1, 0, 4, 2, 3)  # [B, G, C, H, W]
        x = x.reshape(batch, groups * channels, height, width) - 0.5  # DrQ-v2 centres its pixels, too
        for i, (_, _, _, stride) in enumerate(self.encoder.plan(entry)):
            weight = own[f"{name}.conv_{i}.weight"].flatten(0, 1)  # [G · out, in, k, k]
            x = F.conv2d(x, weight, own[f"{name}.conv_{i}.bias"].flatten(), stride=stride, groups=groups)
            x = F.relu(x)
        x = x.reshape(batch, groups, -1).transpose(0, 1)  # [G, B, n]
        x = torch.bmm(x, own[f"{name}.head.weight"]) + own[f"{name}.head.bias"]
        x = F.layer_norm(x, x.shape[-1:]) * own[f"{name}.head.scale"] + own[f"{name}.head.shift"]
        return torch.tanh(x)


def random_shift(obs: Tensor, layout: ObservationLayout, noise: Tensor, pad: int) -> Tensor:
    """Shift every image of an observation by up to `pad` pixels, edges repeated.   2107.09645 §3.1.

    Choice: whole pixels, as in DrQ (2004.13649); DrQ-v2 interpolates between them.

    obs [P, B, O], noise [P, B, 2] standard normal → [P, B, O]
    """
    parts = []
    offset = (torch.special.ndtr(noise) * (2 * pad + 1)).floor().clamp(0, 2 * pad).long() - pad  # [P, B, 2]
    for entry in layout.entries():
        part = obs[..., entry.columns]
        if entry.is_image:
            height, width, channels = image_shape(entry)
            image = part.reshape(*part.shape[:-1], height, width, channels)
            rows = (torch.arange(height, device=obs.device) + offset[..., :1]).clamp(0, height - 1)  # [P, B, H]
            columns = (torch.arange(width, device=obs.device) + offset[..., 1:]).clamp(0, width - 1)  # [P, B, W]
            image = image.gather(2, rows[..., None, None].expand(image.shape))
            image = image.gather(3, columns[..., None, :, None].expand(image.shape))
            part = image.reshape(part.shape)
        parts.append(part)
    return torch.cat(parts, -1)
