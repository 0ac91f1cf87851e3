"""Early end of a run by a signal: after Ctrl-C or SIGTERM the loop stops at the end of the current step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from types import FrameType
from typing import final


class Outcome(Enum):
    """How a run ended."""

    FINISHED = 0
    INTERRUPTED = signal.SIGINT
    TERMINATED = signal.SIGTERM


@final
class Stop:
    """The signal that stops the run, if one has arrived."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def outcome(self) -> Outcome:
        """How the run ended, as far as signals go."""
        return Outcome.FINISHED if self.signal is None else Outcome(self.signal)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take note of the first Ctrl-C or SIGTERM; a second one ends the process as usual."""
        self.signal = None
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, _: FrameType | None) -> None:
            self.signal = number
            for one, handler in previous.items():
                signal.signal(one, handler)

        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in previous:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
