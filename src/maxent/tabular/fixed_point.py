"""Fixed-point iteration with Anderson acceleration, shared by all dynamic-programming methods."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from maxent.tabular.transitions import FloatArray

MAX_SWEEPS = 100_000


class NotConvergedError(RuntimeError):
    """Raised when an iteration does not converge within its limit."""


@final
@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The solution x [n], the number of sweeps, and the residual max|backup(x) − x| of the last sweep."""

    x: FloatArray
    iterations: int
    residual: float


def fixed_point(
    backup: Callable[[FloatArray], FloatArray],
    x: FloatArray,
    *,
    tol: float = 1e-8,
    memory: int = 8,
    max_iterations: int = MAX_SWEEPS,
) -> FixedPoint:
    """Solve x = backup(x) for a contraction; stop when a sweep changes no entry by more than `tol`.

    `memory=0` is the plain iteration x ← backup(x); at contraction rate γ it takes about log(tol)/log(γ) sweeps, 1,800
    at γ = 0.99. With `memory=m`, the next point is the affine combination of the last m + 1 images that minimises the
    norm of the combined changes (Anderson 1965; Walker & Ni 2011, eq. 2.2; for value iteration Geist & Scherrer, arXiv
    1809.09501); for a linear backup this is a form of GMRES. Safeguard: if a combination does not lower the residual,
    the iteration restarts from the last plain sweep, so the residual falls at least every second sweep.

    Args:
        backup: [n] → [n].
        x: initial point [n].
        tol: the largest residual max|backup(x) − x| to accept; the error is then at most tol·γ/(1 − γ).
        memory: number of earlier sweeps to combine.
        max_iterations: number of sweeps after which to raise `NotConvergedError`.
    """
    if not tol > 0.0 or memory < 0:
        raise ValueError(f"fixed_point: expected tol > 0 and memory >= 0, got tol={tol!r} and memory={memory!r}.")
    point, image, change, residual = x, x, np.zeros_like(x), np.inf
    images: deque[FloatArray] = deque(maxlen=memory)  # differences of successive images [n], newest last
    changes: deque[FloatArray] = deque(maxlen=memory)  # and of f(x) = backup(x) − x at the same points [n]
    for iteration in range(1, max_iterations + 1):
        next_image = backup(point)
        next_change = next_image - point
        next_residual = float(np.abs(next_change).max())
        if next_residual <= tol:
            return FixedPoint(next_image, iteration, next_residual)
        if images and not next_residual < residual:  # also if it is NaN
            images.clear()
            changes.clear()
            point = image
            continue
        if iteration > 1:
            images.append(next_image - image)
            changes.append(next_change - change)
        image, change, residual = next_image, next_change, next_residual
        point = _combine(image, change, images, changes)
    raise NotConvergedError(
        f"residual {residual:.3g} after {max_iterations} sweeps, expected {tol:.3g} or less; raise max_iterations, or "
        "raise tol (rounding leaves about 1e-15 times the largest value). With gamma = 1, every policy must reach a "
        "terminal state, and alpha times the entropy must be smaller than the cost of a step."
    )


def _combine(
    image: FloatArray, change: FloatArray, images: deque[FloatArray], changes: deque[FloatArray]
) -> FloatArray:
    """Return image − Σ_i w_i Δimage_i with w = argmin ‖change − Σ_i w_i Δchange_i‖₂; `image` if memory is empty."""
    if not images:
        return image
    weight = np.linalg.lstsq(np.stack(tuple(changes), axis=1), change, rcond=None)[0]  # [m]
    combined: FloatArray = image - np.stack(tuple(images), axis=1) @ weight
    return combined
