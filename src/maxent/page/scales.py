"""From values to places in a figure."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from maxent.results.metrics import Array

DECADES = 30.0
"""Positive values that span more than this factor are shown on a logarithmic scale."""
SMALLEST = 1e-100
"""Values and ranges below it are as good as zero for an axis."""


@final
@dataclass(frozen=True)
class Scale:
    """A range of values along an axis, linear or logarithmic."""

    low: float
    high: float
    log: bool = False

    def place(self, values: Array) -> Array:
        """Return the places of values on the axis: 0 at its low end, 1 at its high end."""
        low, high, x = self.low, self.high, values
        if self.log:
            low, high = math.log10(low), math.log10(high)
            x = np.log10(np.maximum(values, self.low))
        return np.asarray((x - low) / (high - low))

    def ticks(self, most: int = 6) -> list[float]:
        """Return at most about `most` round values in the range."""
        return log_ticks(self.low, self.high, most) if self.log else ticks(self.low, self.high, most)


def scale_of(values: Array, *, log: bool = False, margin: float = 0.05) -> Scale:
    """Return the scale of all finite values with a margin on both sides; one value alone is in the middle."""
    known = values[np.isfinite(values)]
    if log:
        low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 10.0)
        factor = (high / low) ** margin if high > low else 2.0
        return Scale(low / factor, high * factor, log=True)
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    extent = high - low
    if extent < max(SMALLEST, 1e-12 * max(abs(low), abs(high))):
        extent = max(abs(high), 1.0)
    space = margin * extent
    return Scale(low - space, high + space)


def wants_log(values: Array) -> bool:
    """Return whether all known values are positive and span several decades."""
    known = values[np.isfinite(values)]
    return bool(len(known) and known.min() > SMALLEST and known.max() > DECADES * known.min())


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten from low to high, at most `most` + 1 of them."""
    rough = (high - low) / most
    if rough < max(SMALLEST, 1e-13 * max(abs(low), abs(high))):  # floats have no round values so close to each other
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(k * step, digits) + 0.0 for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return powers of ten from low to high, every second or third where there are many; round values within one."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    if last - first < 1:
        return ticks(low, high, most)
    step = math.ceil((last - first + 1) / most)
    return [float(f"1e{k}") for k in range(first, last + 1, step)]
