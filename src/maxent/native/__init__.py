"""Fully connected ReLU layers as one operator: forward and backward passes of many networks in one call each.

torch computes a network layer by layer, each a batched product and several passes over its result, and distributes each
of them over its threads. Here one call computes all layers of all networks (`mlp.cpp`), and threads claim their work
(`team.h`). docs/performance-notes.md has measurements. Where there is no compiler, or the numbers are not float32 on
the CPU, networks go through torch, with the same results up to rounding.
"""

import threading
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

from maxent.native.library import Library, UnavailableError, find, obstacle
from maxent.native.selftest import self_test

__all__ = ["knows", "layout", "mlp", "ready", "takes", "use_threads", "why_not"]

DIGIT, MOST_LAYERS = 15, 4  # as in mlp.cpp

TWICE = "maxent's own layers can be differentiated once: set maxent.native.used = False to differentiate twice."

used = True
"""If False, every network goes through torch. MAXENT_NATIVE=0 in the environment does the same for a process."""


def ready() -> bool:
    """Return whether the operators are available; the first call on a machine builds them, which takes seconds.

    Traced code must treat the result as a constant.
    """
    return used and _opened().library is not None


def why_not() -> str:
    """Return the reason why the operators are not available, or an empty string."""
    return obstacle() or (_state[0].reason if _state else "")


def layout() -> int:
    """Return the layout of hidden activations. It is part of compiled code, so that another library refuses it."""
    library = _opened().library
    assert library is not None
    return library.layout


def knows(sizes: tuple[int, ...]) -> bool:
    """Return whether the operators support layers of these sizes (in, hidden..., out)."""
    return len(sizes) - 1 <= MOST_LAYERS and min(sizes) > 0 and max(sizes) < 2**DIGIT


def takes(sizes: tuple[int, ...], parameters: Tensor, x: Tensor) -> bool:
    """Return whether the operators compute this: plain layers of float32 numbers on the CPU."""
    return (
        knows(sizes)
        and parameters.dtype == x.dtype == torch.float32
        and parameters.device.type == x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and x.numel() > 0
        and ready()
    )


def mlp(sizes: tuple[int, ...], flat: Tensor, x: Tensor) -> Tensor:
    """Compute the outputs of networks `flat` [G, n] for x [G/k, B, in] → [G, B, out]; differentiable once in both."""
    if x.shape[-1] != sizes[0]:
        raise ValueError(f"expected inputs [..., {sizes[0]}], got {tuple(x.shape)}")
    keep = torch.is_grad_enabled() and (flat.requires_grad or x.requires_grad)
    y: Tensor = torch.ops.maxent.mlp(flat.contiguous(), x.contiguous(), digits(sizes), layout(), keep)[0]
    return y


def use_threads(most: int) -> int:
    """Let at most so many threads of this process compute the layers; return the number before, 1 without layers."""
    library = _opened().library if ready() else None
    return 1 if library is None else library.use_threads(most)


def digits(sizes: tuple[int, ...]) -> int:
    """Encode the widths after the inputs as digits of one integer, as compiled code can pass nothing else."""
    return sum(width << (DIGIT * place) for place, width in enumerate(sizes[1:]))


def _widths(digits: int) -> list[int]:
    widths = []
    while digits:
        widths.append(digits & ((1 << DIGIT) - 1))
        digits >>= DIGIT
    return widths


class _Opened(NamedTuple):
    """The library, or the reason why there is none."""

    library: Library | None
    reason: str = ""


_state: list[_Opened] = []
_lock = threading.Lock()


def _opened() -> _Opened:
    """Return the library of this process, registered and tested at the first call."""
    if not _state:
        failed = False
        with _lock:
            if not _state:  # no other thread was quicker
                opened, failed = _open()
                _state.append(opened)
        if failed:
            warnings.warn(f"Networks go through torch: {_state[0].reason}", stacklevel=3)
    return _state[0]


def _open() -> tuple[_Opened, bool]:
    """Load, register and test the library; return it and whether that failed unexpectedly."""
    if reason := obstacle():
        return _Opened(None, reason), False
    try:
        library = find()
        library.use_threads(torch.get_num_threads())
        _register()
        layout = library.layout
        self_test(
            lambda sizes, flat, x: torch.ops.maxent.mlp(flat, x, digits(sizes), layout, True),
            lambda sizes, dy, flat, x, hidden, for_flat: torch.ops.maxent.mlp_backward(
                dy, flat, x, hidden, digits(sizes), layout, True, for_flat
            ),
        )
    except UnavailableError as error:
        return _Opened(None, str(error)), True
    return _Opened(library), False


def _register() -> None:
    """Register what torch needs to trace and differentiate the operators."""

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

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
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
    torch.library.register_autograd("maxent::mlp", backward, setup_context=setup_context)
