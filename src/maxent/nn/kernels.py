"""The seam to own compiled layers: the rest of the library knows `maxent.native` through this file alone.

Without the folder `native` every network goes through torch; nothing else changes but speed and rounding.
"""

from types import ModuleType

from torch import Tensor

native: ModuleType | None
try:
    from maxent import native
except ImportError:
    native = None


def ready() -> bool:
    """Return whether own layers are available in this process; the first call may build them."""
    return native is not None and bool(native.ready())


def layout() -> int:
    """Return how own layers arrange hidden activations, a constant of compiled code."""
    assert native is not None
    return int(native.layout())


CONSTANTS = (ready, layout, *((native.ready, native.layout) if native is not None else ()))
"""The functions whose results are constants while torch traces an update."""


def supports(sizes: tuple[int, ...]) -> bool:
    """Return whether own layers compute plain ReLU networks of these sizes (in, hidden..., out)."""
    return native is not None and bool(native.knows(sizes))


def takes(sizes: tuple[int, ...], parameters: Tensor, x: Tensor) -> bool:
    """Return whether own layers compute this network here: float32 on the CPU, and everything they need is there."""
    return native is not None and bool(native.takes(sizes, parameters, x))


def mlp(sizes: tuple[int, ...], flat: Tensor, x: Tensor) -> Tensor:
    """Return outputs of networks `flat` [G, n] for x [G/k, B, in] → [G, B, out]."""
    assert native is not None
    y: Tensor = native.mlp(sizes, flat, x)
    return y


def use_threads(most: int) -> int:
    """Let at most so many threads of this process compute own layers; return the number before."""
    return 1 if native is None else int(native.use_threads(most))


def all_own(sizes: tuple[tuple[int, ...] | None, ...], device: str, precision: str) -> bool:
    """Return whether own layers compute all networks of these sizes; None stands for one that is no plain MLP."""
    own = all(one is not None and supports(one) for one in sizes)
    return own and device == "cpu" and precision == "float32" and ready()


def describe(sizes: tuple[tuple[int, ...] | None, ...], device: str, precision: str) -> str:
    """Return in words whose layers compute networks of these sizes; None stands for one that is no plain MLP."""
    if device != "cpu" or precision != "float32" or not ready():
        return "torch's"
    own = [one is not None and supports(one) for one in sizes]
    return "maxent's own" if all(own) else "maxent's own and torch's" if any(own) else "torch's"


__all__ = ["CONSTANTS", "all_own", "describe", "layout", "mlp", "ready", "supports", "takes", "use_threads"]
