"""Wall time of a run."""

import time
from typing import final


@final
class Clock:
    """Wall time of a run over all of its sessions, and the rates since the last row of metrics."""

    def __init__(self, step: int, updates: int, before: float) -> None:
        self._begin = self._mark = time.perf_counter()
        self._before, self._step, self._updates = before, step, updates

    def elapsed(self) -> float:
        """Return the seconds so far, those of earlier sessions included."""
        return self._before + time.perf_counter() - self._begin

    def rates(self, step: int, updates: int) -> tuple[float, float]:
        """Return steps and updates per second and member since the last call."""
        now = time.perf_counter()
        seconds = max(now - self._mark, 1e-9)
        rates = (step - self._step) / seconds, (updates - self._updates) / seconds
        self._mark, self._step, self._updates = now, step, updates
        return rates
