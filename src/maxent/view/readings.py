"""What the views of a run say, as text: its header, its pace, numbers for people."""

import time
from collections import deque

import numpy as np


class Pace:
    """Steps per second over the last half minute, pauses included: what the time left is reckoned from."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()  # (seconds, step)

    def add(self, now: float, step: int) -> None:
        """Note the step reached at a time."""
        self._samples.append((now, step))
        while len(self._samples) > 2 and now - self._samples[1][0] > PACE_SECONDS:
            self._samples.popleft()

    @property
    def rate(self) -> float:
        """Steps per second; NaN until there are two different times."""
        if len(self._samples) < 2:
            return float("nan")
        (first, start), (last, end) = self._samples[0], self._samples[-1]
        return (end - start) / (last - first) if last > first else float("nan")

    def left(self, total: int) -> float:
        """Seconds until step `total`; NaN while the pace is unknown, infinite where nothing moves."""
        rate = self.rate
        remaining = max(0, total - self._samples[-1][1]) if self._samples else total
        if remaining == 0:
            return 0.0
        return remaining / rate if rate != 0 else float("inf")


PACE_SECONDS = 30.0


def decimals(largest: float) -> int:
    """Digits after the point that show four significant ones of a number of this size, at least none."""
    if not 0 < largest < float("inf"):
        return 1
    return int(np.clip(3 - np.floor(np.log10(largest)), 0, 4))


def number(value: float, digits: int | None = None) -> str:
    """A number for people: four significant digits, thousands separated, powers of ten where it must be; - for NaN."""
    if np.isnan(value):
        return "-"
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-3:
        return f"{value:.2e}"
    return f"{value:,.{decimals(abs(value)) if digits is None else digits}f}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    if not np.isfinite(seconds):
        return "-:--:--"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}"
