"""Encoders: from an observation with a known layout to the features that the layers of a network read.

An observation reaches the networks as one vector [..., O]; its layout has the columns and the shape of each entry.
Vectors and one-hot categories stay as they are; each image may go through convolutions of its own.
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

KERNELS, STRIDES = (8, 4, 3), (4, 2, 1)
"""Kernel sizes and strides of DQN (Nature 2015)."""


@dataclass(frozen=True)
class Flatten:
    """No encoder: every entry of an observation is read as a vector, images included."""

    kind: ClassVar[str] = "flatten"


@dataclass(frozen=True)
class Convolution:
    """Convolutions with ReLU for each image, then a layer with LayerNorm and tanh; other entries stay vectors.

    The head is that of DrQ-v2 (2107.09645). The convolutions default to those of DQN (Nature 2015), whose strides
    suit a CPU; with these defaults, an image too small for them gets two 3 × 3 convolutions of stride 2.
    """

    kind: ClassVar[str] = "convolution"

    channels: tuple[int, ...] = (32, 64, 64)
    """Output channels of each convolution."""
    kernels: tuple[int, ...] = KERNELS
    """Their kernel sizes."""
    strides: tuple[int, ...] = STRIDES
    """Their strides."""
    features: int = 50
    """Features of each image."""
    shared: bool | None = None
    """One encoder for all networks, trained by the critics' loss alone, or one for each network and each critic; None
    shares it where the algorithm has critics."""
    shift: int = 0
    """Random shift in updates: images are padded by this many pixels and cropped at random (2107.09645; 4 there)."""

    def __post_init__(self) -> None:
        if not (len(self.channels) == len(self.kernels) == len(self.strides) > 0):
            raise UserError(
                "encoder: expected as many channels as kernels and strides, at least one, got "
                f"{self.channels}, {self.kernels} and {self.strides}."
            )
        for name in ("channels", "kernels", "strides"):
            if any(type(value) is not int or value < 1 for value in getattr(self, name)):
                raise UserError(f"encoder: expected {name} of at least 1, got {getattr(self, name)}.")
        for name, least in (("features", 1), ("shift", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise UserError(f"encoder: expected {name} of at least {least}, got {value!r}.")
        if self.shared not in (True, False, None):
            raise UserError(f"encoder: expected shared True, False or None, got {self.shared!r}.")

    def plan(self, entry: Entry) -> list[tuple[int, int, int, int]]:
        """Return channels in, channels out, kernel and stride of each convolution for an image."""
        first, height, width, last = image_shape(entry)
        layers = list(zip(self.channels, self.kernels, self.strides, strict=True))
        if _size_after(min(height, width), self.kernels, self.strides) < 1:
            if (self.kernels, self.strides) != (KERNELS, STRIDES):
                raise UserError(
                    f"encoder: an image of {height} × {width} pixels is too small for kernels {self.kernels} with "
                    f"strides {self.strides}; choose smaller ones."
                )
            layers = [(out, 3, 2) for out in self.channels[:2]]
        plan, channels = [], first * last
        for out, kernel, stride in layers:
            plan.append((channels, out, kernel, stride))
            channels = out
        return plan


Encoder = Flatten | Convolution


def image_shape(entry: Entry) -> tuple[int, int, int, int]:
    """Return the shape of an image as (C, H, W, 1) for channels first, else (1, H, W, C); (H, W) has one channel."""
    if len(entry.shape) == 2:
        return 1, entry.shape[0], entry.shape[1], 1
    a, b, c = entry.shape
    return (a, b, c, 1) if entry.channels_first else (1, a, b, c)


def _size_after(size: int, kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return the size of one side after convolutions without padding, 0 where a kernel does not fit."""
    for kernel, stride in zip(kernels, strides, strict=True):
        size = (size - kernel) // stride + 1 if size >= kernel else 0
    return size


@dataclass(frozen=True)
class Observe(Layer):
    """The first layer of a network that reads images: [obs O | rest] → [features | rest].

    Args:
        layout: the columns of the entries of the observation.
        encoder: the convolutions of each image.
    """

    internal: ClassVar[bool] = True
    label: ClassVar[str] = "encoder"

    layout: ObservationLayout
    encoder: Convolution

    @property
    def images(self) -> list[tuple[str, Entry]]:
        """The entries that are images, with a name for their parameters."""
        return [(entry.name or "image", entry) for entry in self.layout.entries() if entry.is_image]

    def output_size(self, size: int) -> int:
        """Return the size with the features of the images in place of their pixels."""
        pixels = sum(math.prod(entry.shape) for _, entry in self.images)
        return size - pixels + self.encoder.features * len(self.images)

    def parameters(self, size: int) -> dict[str, Shape]:
        """Return the shapes of the convolutions [out, in, k, k] and of the head, for each image."""
        shapes: dict[str, Shape] = {}
        for name, entry in self.images:
            _, height, width, _ = image_shape(entry)
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
        place, _, own = name.rpartition(".")
        if own == "scale":
            view.fill_(1.0)
        elif own in ("weight", "bias"):
            weight = self.parameters(size)[f"{place}.weight"]
            fill_uniform(view, math.prod(weight[1:]) if len(weight) == 4 else weight[0], generator)

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return features for x [G, B, O + rest]."""
        parts, end = [], 0
        for entry in self.layout.entries():
            part, end = x[..., entry.columns], entry.columns.stop
            parts.append(self._encode(own, entry, part) if entry.is_image else part)
        return torch.cat([*parts, x[..., end:]], -1)

    def _encode(self, own: Views, entry: Entry, flat: Tensor) -> Tensor:
        """Return the features [G, B, F] of an image [G, B, pixels].

        Each group has its own convolution calls: a grouped call takes 1.1 to 2.4 times as long on a CPU, and its
        rounding depends on the number of groups.
        """
        name = entry.name or "image"
        layers = [
            (own[f"{name}.conv_{i}.weight"], own[f"{name}.conv_{i}.bias"], stride)
            for i, (_, _, _, stride) in enumerate(self.encoder.plan(entry))
        ]
        groups = []
        for g, pixels in enumerate(flat.unbind(0)):
            x = _to_channels(pixels, entry) - 0.5  # centred as in DrQ-v2
            for weight, bias, stride in layers:
                kernel = weight[g].contiguous(memory_format=torch.channels_last)
                x = F.relu(F.conv2d(x, kernel, bias[g, 0], stride=stride))
            groups.append(x.flatten(1))
        x = torch.bmm(torch.stack(groups), own[f"{name}.head.weight"]) + own[f"{name}.head.bias"]
        x = F.layer_norm(x, x.shape[-1:]) * own[f"{name}.head.scale"] + own[f"{name}.head.shift"]
        return torch.tanh(x)


def _to_channels(pixels: Tensor, entry: Entry) -> Tensor:
    """Return images [B, C, H, W] for their numbers [B, pixels], channels last in memory."""
    first, height, width, last = image_shape(entry)
    x = pixels.reshape(-1, first, height, width, last).permute(0, 1, 4, 2, 3).reshape(-1, first * last, height, width)
    return x.contiguous(memory_format=torch.channels_last)


def random_shift(obs: Tensor, layout: ObservationLayout, noise: Tensor, pad: int) -> Tensor:
    """Shift all images of an observation alike, by up to `pad` random pixels; edges repeat.   2107.09645 §3.1.

    Choice: whole pixels, as in DrQ (2004.13649); DrQ-v2 interpolates between them.

    obs [P, B, O], noise [P, B, 2] standard normal → [P, B, O]
    """
    offset = (torch.special.ndtr(noise) * (2 * pad + 1)).floor().clamp(0, 2 * pad).long() - pad  # [P, B, 2]
    down, right = (offset[..., k].reshape(*offset.shape[:2], 1, 1, 1) for k in range(2))
    parts = []
    for entry in layout.entries():
        part = obs[..., entry.columns]
        if entry.is_image:
            shape = image_shape(entry)
            members, batch, planes, height, width = (
                torch.arange(size, device=obs.device) for size in (*obs.shape[:2], *shape[:3])
            )
            rows = (height[:, None] + down).clamp(0, shape[1] - 1)  # [P, B, 1, H, 1]
            columns = (width + right).clamp(0, shape[2] - 1)  # [P, B, 1, 1, W]
            image = part.reshape(*part.shape[:-1], *shape)
            place = (members[:, None, None, None, None], batch[:, None, None, None], planes[:, None, None])
            part = image[(*place, rows, columns)].reshape(part.shape)
        parts.append(part)
    return torch.cat(parts, -1) if len(parts) > 1 else parts[0]
