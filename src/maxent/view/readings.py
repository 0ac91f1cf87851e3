"""Pace of a run, and numbers as text."""

import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from maxent.statistics import mean_interval

PACE_SECONDS = 30.0


class Pace:
    """Steps per second over the last half minute, pauses included; the estimate of the time left is based on it."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()  # (seconds, step)

    def add(self, now: float, step: int) -> None:
        """Store the step reached at a time."""
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
        """Return the seconds until step `total`; NaN while the pace is unknown, infinite if it is zero."""
        rate = self.rate
        remaining = max(0, total - self._samples[-1][1]) if self._samples else total
        if remaining == 0:
            return 0.0
        return remaining / rate if rate != 0 else float("inf")


def seed_error(returns: NDArray[np.float64]) -> float:
    """Return how far a mean return over these seeds may be from that over all of them; NaN for one seed.

    Half of Student's 95 % interval of the mean over episodes, each averaged over the members, which play the same ones.

    returns [P, episodes]
    """
    interval = mean_interval(returns.mean(axis=0))
    return float(interval.high - interval.low) / 2


def decimals(largest: float) -> int:
    """Return the decimal places that show four significant digits of a number of this size."""
    if not 0 < largest < float("inf"):
        return 1
    return int(np.clip(3 - np.floor(np.log10(largest)), 0, 4))


def number(value: float, digits: int | None = None) -> str:
    """Return a number with four significant digits and thousands separators, scientific if extreme; - for NaN."""
    if np.isnan(value):
        return "-"
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-3:
        return f"{value:.2e}"
    return f"{value:,.{decimals(abs(value)) if digits is None else digits}f}"


def clock(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds."""
    if not np.isfinite(seconds):
        return "-:--:--"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}"


def tick(value: float, short: float) -> str:
    """Return the label of a tick; from `short` on in thousands or millions: 20000 as 20k, 1500000 as 1.5M."""
    if abs(value) >= max(short, 1e6):
        text = f"{value / 1e6:,g}M"
    elif abs(value) >= short:
        text = f"{value / 1e3:g}k"
    else:
        text = f"{value:,.10g}"
    return text.replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """Return a duration in one unit, such as 40 s, 12 min, 5 h or 3 d."""
    if not np.isfinite(seconds):
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and unit != "min"):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def age(seconds: float, now: float) -> str:
    """Return how long ago something was: a duration on the same day, else the date."""
    if seconds < 86_400:
        return f"{duration(seconds)} ago"
    return time.strftime("%Y-%m-%d", time.localtime(now - seconds))


def short_count(count: int) -> str:
    """Return a count with three significant digits, in thousands or millions: 950, 88.6k, 1.5M."""
    if count < 1_000:
        return str(count)
    size, unit = (1e6, "M") if count >= 999_500 else (1e3, "k")
    return f"{count / size:.3g}{unit}"
