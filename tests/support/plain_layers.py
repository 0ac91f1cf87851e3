"""Random layers for `native`, the same program in plain torch, and the comparison of both over shapes.

As a script: build the library with the given compiler flags in a folder, load it into this process, and compare.

    python plain_layers.py FOLDER shapes|widths FLAG...
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from maxent import native
from maxent.native import library

Sizes = tuple[int, ...]
Shape = tuple[int, int, int, Sizes]

# (sources, copies, rows, sizes): whole panels and parts of them, one output and several, no hidden layer and three
SHAPES: list[Shape] = [
    (1, 2, 256, (23, 256, 256, 1)),
    (1, 1, 256, (17, 64, 64, 12)),
    (3, 1, 100, (5, 40, 30, 7)),
    (2, 3, 37, (5, 33, 1)),
    (2, 1, 1, (4, 3)),
    (1, 1, 9, (4, 1)),
    (1, 1, 300, (6, 7, 8, 9, 10)),
    (2, 2, 130, (1, 1, 1)),
    (2, 2, 70, (5, 64, 1)),
    (1, 2, 70, (5, 64, 1, 1)),
]

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 2e-6, 1e-6  # the latter where terms of size one cancel
LEAST = 1e-3  # gradient of the inputs in every group, so that the tolerance hides nothing


@dataclass(frozen=True)
class Layers:
    """Parameters [G, n + padding], inputs [G/k, B, in], and slopes of the outputs [G, B, out], half of them zero."""

    sizes: Sizes
    flat: Tensor
    x: Tensor
    slopes: Tensor

    def own(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return outputs and the gradients of parameters and inputs, computed by `native`."""
        flat, x = self.flat.clone().requires_grad_(), self.x.clone().requires_grad_()
        y = native.mlp(self.sizes, flat, x)
        return (y.detach(), *torch.autograd.grad(y, [flat, x], self.slopes))

    def own_input_gradient(self) -> Tensor:
        """Return the gradient of the inputs alone, which takes another path."""
        x = self.x.clone().requires_grad_()
        return torch.autograd.grad(native.mlp(self.sizes, self.flat, x), x, self.slopes)[0]

    def plain(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same three in float64, computed by torch."""
        flat, x = self.flat.double().requires_grad_(), self.x.double().requires_grad_()
        copies = len(flat) // len(x)
        y = torch.stack([plain_mlp(self.sizes, one, x[group // copies]) for group, one in enumerate(flat)])
        return (y.detach(), *torch.autograd.grad(y, [flat, x], self.slopes.double()))


def plain_mlp(sizes: Sizes, flat: Tensor, x: Tensor) -> Tensor:
    """Return the outputs [B, out] of one network for x [B, in]: weights [in, out] layer after layer, then biases."""
    pairs = list(pairwise(sizes))
    lengths = [inputs * outputs for inputs, outputs in pairs] + [outputs for _, outputs in pairs]
    parts = flat[: sum(lengths)].split(lengths)
    for i, (weight, bias, shape) in enumerate(zip(parts[: len(pairs)], parts[len(pairs) :], pairs, strict=True)):
        x = F.linear(F.relu(x) if i else x, weight.view(shape).T, bias)
    return x


def random_layers(shape: Shape, seed: int = 0) -> Layers:
    """Return random layers through which a gradient flows to the inputs of at least one row of each group."""
    sources, copies, rows, sizes = shape
    generator = torch.Generator().manual_seed(seed)
    groups, pairs = sources * copies, list(pairwise(sizes))

    def uniform(length: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(groups, length, generator=generator)

    weights = [uniform(inputs * outputs, -1.0, 1.5) / inputs**0.5 for inputs, outputs in pairs]
    biases = [uniform(outputs, -0.2, 0.5) for _, outputs in pairs]
    flat = torch.cat([*weights, *biases, torch.zeros(groups, 5)], 1)
    x = torch.randn(sources, rows, sizes[0], generator=generator)
    slopes = torch.randn(groups, rows, sizes[-1], generator=generator)
    slopes *= torch.arange(rows).unsqueeze(-1) % 2 == 0
    leaf = x.repeat_interleave(copies, 0).requires_grad_()
    y = torch.stack([plain_mlp(sizes, one, leaf[group]) for group, one in enumerate(flat)])
    (flow,) = torch.autograd.grad(y, leaf, slopes)
    alive = bool((flow.abs().flatten(1).amax(1) > LEAST).all())
    return Layers(sizes, flat, x, slopes) if alive else random_layers(shape, seed + 1)


def same_as_plain(layers: Layers) -> None:
    """Compare outputs and both gradients with float64, and the gradient of the inputs alone with that of both."""
    own = layers.own()
    for name, ours, reference in zip(("y", "dflat", "dx"), own, layers.plain(), strict=True):
        assert ours.dtype == torch.float32
        error, scale = float((ours.double() - reference).abs().max()), float(reference.abs().max())
        tolerance = RELATIVE_TOLERANCE * scale + ABSOLUTE_TOLERANCE
        assert error <= tolerance, f"{layers.sizes} {tuple(layers.x.shape)} {name}: {error} of {scale}"
    assert torch.equal(layers.own_input_gradient(), own[2]), f"{layers.sizes} {tuple(layers.x.shape)}: dx alone"


def same_with_threads(layers: Layers, *counts: int) -> None:
    """Compare the numbers bit for bit between numbers of threads."""
    found = []
    for count in counts:
        native.use_threads(count)
        found.append(layers.own())
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


def odd_widths(panel: int) -> Iterator[Sizes]:
    """Yield sizes of every depth with every width from 1 to past a panel's edge, and a few more, at every position.

    The other layers have one unit, three, or more than a panel.
    """
    widths = [*range(1, panel + 2), 33, 2 * panel, 2 * panel + 1]
    for layers in range(1, native.MOST_LAYERS + 1):
        for position in range(layers + 1):
            for width in widths:
                for others in (1, 3) if width != 1 else (1, 3, panel + 2):
                    yield tuple(width if place == position else others for place in range(layers + 1))


def main(folder: str, what: str, *flags: str) -> None:
    """Build and load the library, then compare."""
    loaded = library.load(library.build(Path(folder), "g++", flags))
    native._state.append(native._Opened(loaded))
    native._register()
    native.use_threads(1)
    if what == "shapes":
        for shape in SHAPES:
            same_as_plain(random_layers(shape))
            same_with_threads(random_layers(shape), 1, 2, 3)
        print(f"panels of {loaded.layout >> 8}")
        return
    count = 0
    for sizes in odd_widths(loaded.layout >> 8):
        for sources, copies in ((1, 1), (2, 1), (1, 2), (2, 2)):
            same_as_plain(random_layers((sources, copies, 3 + count % 11, sizes)))
            count += 1
    print(f"panels of {loaded.layout >> 8}, {count} networks")


if __name__ == "__main__":
    main(*sys.argv[1:])
