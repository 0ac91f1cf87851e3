"""Every use of an undocumented part of torch, with its reason and its fallback.

A release of torch may rename any of these. Each function then falls back to a slower, documented way, so that nothing
outside this file depends on them.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def inductor_compile(graph: Any, inputs: Any, options: Mapping[str, Any]) -> Callable[..., Any] | None:
    """Return the machine code for a traced graph: `torch._inductor.compile`; None where that is missing.

    Reason: as a backend of torch.compile it hands out the compiled function itself, which `compiling.Compiled` calls
    without torch's checks before every call. Without it the traced graph runs uncompiled.
    """
    compile_graph = getattr(getattr(torch, "_inductor", None), "compile", None)
    if compile_graph is None:
        return None
    return compile_graph(graph, inputs, options=dict(options))  # type: ignore[no-any-return]


def trace_the_tape() -> AbstractContextManager[Any]:
    """Return a context in which torch.compile traces `torch.autograd.grad`: `torch._dynamo.config.trace_autograd_ops`.

    Reason: torch refuses `torch.func.grad` over operators with a Python derivative, as own layers are. Without it
    `can_trace_the_tape` is false, and with own layers updates run eagerly (`update.obstacle`).
    """
    if not can_trace_the_tape():
        return nullcontext()
    patched: AbstractContextManager[Any] = torch._dynamo.config.patch(trace_autograd_ops=True)
    return patched


def can_trace_the_tape() -> bool:
    """Return whether this torch can trace `torch.autograd.grad`."""
    try:
        import torch._dynamo.config  # the rest of torch's compiler stays unloaded
    except ImportError:
        return False
    return hasattr(torch._dynamo.config, "trace_autograd_ops")


def has_amx_tiles() -> bool:
    """Return whether the processor multiplies bfloat16 matrices in tiles: `torch.cpu._is_amx_tile_supported`.

    Reason: the choice of the precision "auto". Without it `auto` keeps float32.
    """
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported is not None and torch.backends.cpu.get_cpu_capability() == "AVX512" and supported())
