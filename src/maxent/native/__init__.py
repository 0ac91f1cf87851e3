"""Fully connected ReLU layers as one operator: forward and backward passes of many networks in one call each.

torch computes a network layer by layer, each a batched product and several passes over its result, and hands every one
of them to its threads. Here one call takes all layers of all networks (`mlp.cpp`): measured in docs/performance.md.
Where there is no compiler for it, or numbers are not float32 on the processor, networks go through torch as before, and
answer the same to rounding.
"""

import threading
from typing import Any

import torch
from torch import Tensor

from maxent.native.library import Library, find, why_not

__all__ = ["mlp", "ready", "takes", "why_not"]

DIGIT, MOST_LAYERS = 15, 4  # as in mlp.cpp

TWICE = "maxent's own layers can be differentiated once: set maxent.native.used = False to differentiate twice."

used = True
"""Set to False, every network goes through torch; so does MAXENT_NATIVE=0 in the environment of a process."""


def ready() -> bool:
    """Whether the operators are there; the first question on a machine builds them, which takes some seconds.

    For traced code it is a constant (`training.compiling.tracing`).
    """
    return used and _registered() is not None


def file() -> str:
    """The name of the library, which says what it was made of; empty where it is not used."""
    library = _registered() if used else None
    return library.path.name if library else ""


def layout() -> int:
    """How hidden activations lie; part of compiled code, so that another library refuses it."""
    library = _registered()
    assert library is not None
    return library.layout


def knows(sizes: tuple[int, ...]) -> bool:
    """Whether the operators are for layers of these sizes."""
    return len(sizes) - 1 <= MOST_LAYERS and min(sizes) > 0 and max(sizes) < 2**DIGIT


def takes(sizes: tuple[int, ...], parameters: Tensor, x: Tensor) -> bool:
    """Whether the operators compute this: plain layers of float32 numbers on the processor."""
    return (
        knows(sizes)
        and parameters.dtype == x.dtype == torch.float32
        and parameters.device.type == x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and x.numel() > 0
        and ready()
    )


def mlp(sizes: tuple[int, ...], flat: Tensor, x: Tensor) -> Tensor:
    """Outputs of networks `flat` [G, n] for x [G/k, B, in] → [G, B, out]; can be differentiated once, in both."""
    if x.shape[-1] != sizes[0]:
        raise ValueError(f"expected inputs [..., {sizes[0]}], got {tuple(x.shape)}")
    kept = torch.is_grad_enabled() and (flat.requires_grad or x.requires_grad)
    y: Tensor = torch.ops.maxent.mlp(flat.contiguous(), x.contiguous(), digits(sizes), layout(), kept)[0]
    return y


def digits(sizes: tuple[int, ...]) -> int:
    """The widths behind the inputs as digits of one number, which is all that compiled code can hand over."""
    return sum(width << (DIGIT * place) for place, width in enumerate(sizes[1:]))


def _widths(digits: int) -> list[int]:
    widths = []
    while digits:
        widths.append(digits & ((1 << DIGIT) - 1))
        digits >>= DIGIT
    return widths


_state: list[Library | None] = []
_lock = threading.Lock()


def _registered() -> Library | None:
    """The library, with what torch must know to trace and to differentiate its operators."""
    if not _state:
        with _lock:
            if not _state:  # no other thread was quicker
                found = find()
                if found is not None:
                    _register()
                _state.append(found)
    return _state[0]


def _register() -> None:
    def shapes(flat: Tensor, x: Tensor, widths: int, layout: int, keep: bool) -> tuple[Tensor, Tensor]:
        *hidden, out = _widths(widths)
        panel, apart = layout >> 8, layout & 255
        panels = sum(-(-width // panel) for width in hidden)
        groups, rows = flat.shape[0], x.shape[1]
        kept = x.new_empty(groups if keep else 0, panels, rows + apart, panel)
        return x.new_empty(groups, rows, out), kept

    def shapes_backward(
        dy: Tensor, flat: Tensor, x: Tensor, hidden: Tensor, widths: int, layout: int, for_x: bool, for_flat: bool
    ) -> tuple[Tensor, Tensor]:
        return x.new_empty(x.shape[0] if for_x else 0, *x.shape[1:]), flat.new_empty(
            flat.shape[0] if for_flat else 0, flat.shape[1]
        )

    def remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        flat, x, *ctx.about, _ = inputs
        ctx.save_for_backward(flat, x, output[1])
        ctx.set_materialize_grads(False)

    def backward(ctx: Any, dy: Tensor, _: Tensor | None) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        flat, x, hidden = ctx.saved_tensors
        if torch.is_grad_enabled() and (dy.requires_grad or flat.requires_grad or x.requires_grad):
            raise RuntimeError(TWICE)
        for_flat, for_x = ctx.needs_input_grad[:2]
        dx, dflat = torch.ops.maxent.mlp_backward(dy.contiguous(), flat, x, hidden, *ctx.about, for_x, for_flat)
        return dflat if for_flat else None, dx if for_x else None, None, None, None

    torch.library.register_fake("maxent::mlp", shapes)
    torch.library.register_fake("maxent::mlp_backward", shapes_backward)
    torch.library.register_autograd("maxent::mlp", backward, setup_context=remember)
