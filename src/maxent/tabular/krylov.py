"""Solve A x = b when only the product x ↦ A x is at hand: for evaluating a policy on too many states to factorise."""

from collections.abc import Callable

import numpy as np

from maxent.tabular.transitions import FloatArray

ROUNDING = 1e-14  # a residual this small beside the largest |x| is as good as zero
RESTARTS = 20


def bicgstab(
    product: Callable[[FloatArray], FloatArray],
    b: FloatArray,
    x: FloatArray,
    *,
    tol: float,
    max_products: int = 20_000,
) -> FloatArray | None:
    """The stabilised bi-conjugate gradient method (van der Vorst 1992), from x, until max|b − A x| ≤ tol.

    The letters are the paper's. Two products a step, no stored basis. Where the recursive residual has drifted from the
    true one, or the method breaks down, it starts again from the point that it has reached. Returns None when that does
    not help; the caller then solves another way. b, x [n] → [n].
    """
    products = 0
    for _ in range(RESTARTS):
        r = b - product(x)
        if float(np.abs(r).max()) <= max(tol, ROUNDING * float(np.abs(x).max())):
            return x
        shadow, p = r, r
        rho = float(shadow @ r)
        while products < max_products and float(np.abs(r).max()) > tol:
            v = product(p)
            shadow_v = float(shadow @ v)
            if shadow_v == 0.0:
                break
            alpha = rho / shadow_v
            s = r - alpha * v
            t = product(s)
            t_t = float(t @ t)
            omega = float(t @ s) / t_t if t_t > 0.0 else 0.0
            x = x + alpha * p + omega * s
            r = s - omega * t
            products += 2
            previous, rho = rho, float(shadow @ r)
            if rho == 0.0 or omega == 0.0:
                break
            p = r + (rho / previous) * (alpha / omega) * (p - omega * v)
    return None
