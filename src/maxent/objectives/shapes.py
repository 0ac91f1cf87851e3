"""Shape checks: a missing axis would broadcast silently, as [B] − [B, 1] does to [B, B]."""

from torch import Tensor


def check_shape(name: str, tensor: Tensor, expected: tuple[int, ...]) -> None:
    """Raise ValueError if a tensor does not have the expected shape."""
    if tensor.shape != expected:
        raise ValueError(f"{name}: expected the shape {list(expected)}, got {list(tensor.shape)}.")


def check_batch(name: str, tensor: Tensor, q: Tensor) -> None:
    """Raise ValueError if a tensor is not [P, B, ...] for q [P, E, B, ...]."""
    check_shape(name, tensor, (q.shape[0], *q.shape[2:]))
