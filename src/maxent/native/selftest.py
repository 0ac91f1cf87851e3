"""The comparison of a loaded library with torch, once in a process, for small networks of odd widths."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from torch import Tensor

from maxent.native.library import UnavailableError

Sizes = tuple[int, ...]

NETWORKS: tuple[Sizes, ...] = ((3, 33, 1, 5, 1), (5, 1, 17, 2))
"""One unit at every place, more than a panel and less, one output and several."""

SOURCES, COPIES, ROWS = 2, 2, 5

RELATIVE_TOLERANCE = 1e-5  # of the largest number of a tensor

Forward = Callable[[Sizes, Tensor, Tensor], tuple[Tensor, Tensor]]
Backward = Callable[[Sizes, Tensor, Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor]]


def self_test(forward: Forward, backward: Backward) -> None:
    """Raise UnavailableError if outputs or gradients differ from torch's by more than float32 rounding.

    It runs in a thread of its own, where no mode that the caller has set (tracing, autocast, a default device) applies.

    Args:
        forward: (sizes, flat, x) → y, hidden.
        backward: (sizes, dy, flat, x, hidden, whether dflat is needed) → dx, dflat.
    """
    with ThreadPoolExecutor(1) as thread:
        try:
            wrong = max(thread.map(lambda sizes: _largest_difference(sizes, forward, backward), NETWORKS))
        except (RuntimeError, AttributeError) as error:  # AttributeError: a library without the operators
            raise UnavailableError(f"the self-test of maxent's own layers failed with {error}.") from error
    if wrong > RELATIVE_TOLERANCE:
        raise UnavailableError(
            "maxent's own layers failed their self-test: expected the numbers of torch up to rounding, got a relative "
            f"difference of {wrong:.0e}; please report this, with the processor and the version of g++."
        )


def _largest_difference(sizes: Sizes, forward: Forward, backward: Backward) -> float:
    """Return the largest difference of outputs and gradients, relative to the largest number of each; NaN → ∞."""
    flat, x, dy = example(sizes)
    y, hidden = forward(sizes, flat, x)
    dx, dflat = backward(sizes, dy, flat, x, hidden, True)
    dx_alone, _ = backward(sizes, dy, flat, x, hidden, False)
    reference = plain(sizes, flat.double(), x.double(), dy.double())
    differences = [
        (ours.double() - theirs).abs().max() / theirs.abs().max()
        for ours, theirs in zip((y, dflat, dx, dx_alone), (*reference, reference[-1]), strict=True)
    ]
    return float(torch.stack(differences).nan_to_num(torch.inf).max())


def example(sizes: Sizes) -> tuple[Tensor, Tensor, Tensor]:
    """Return parameters [G, n], inputs [G/k, B, in] and slopes of the outputs [G, B, out] that never change."""
    weights = sum(inputs * outputs for inputs, outputs in pairwise(sizes))
    groups, size = SOURCES * COPIES, weights + sum(sizes[1:])

    def waves(*shape: int) -> Tensor:
        count = torch.Size(shape).numel()
        return torch.arange(1, count + 1, dtype=torch.float32, device="cpu").square().sin().view(shape)

    flat = waves(groups, size) + 0.2
    flat[:, weights:] += 0.3  # biases: a layer of one unit that is never active would hide what is behind it
    dy = waves(groups, ROWS, sizes[-1])
    dy[:, 1] = 0.0  # rows without a slope take another path
    return flat, waves(SOURCES, ROWS, sizes[0]), dy


def plain(sizes: Sizes, flat: Tensor, x: Tensor, dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return outputs and the gradients of parameters and inputs, by the chain rule in plain torch."""
    shapes = list(pairwise(sizes))
    lengths = [inputs * outputs for inputs, outputs in shapes] + [outputs for _, outputs in shapes]
    parts = torch.split(flat, lengths, 1)
    weights = [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=False)]
    biases = [part.unsqueeze(1) for part in parts[len(shapes) :]]
    inputs, y = [], x.repeat_interleave(len(flat) // len(x), 0)
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        inputs.append(y.relu() if i else y)
        y = inputs[-1] @ weight + bias
    slope = dy
    dweights: list[Tensor] = []
    dbiases: list[Tensor] = []
    for i, weight in reversed(list(enumerate(weights))):
        dweights.insert(0, (inputs[i].mT @ slope).flatten(1))
        dbiases.insert(0, slope.sum(1))
        slope = slope @ weight.mT
        if i:
            slope = slope * (inputs[i] > 0)
    return y, torch.cat([*dweights, *dbiases], 1), slope.view(len(x), -1, *x.shape[1:]).sum(1)
