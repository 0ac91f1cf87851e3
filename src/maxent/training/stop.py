"""Early end of a run by a signal: the loop stops at the end of the current step, or gives up a step that hangs."""

import atexit
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from types import FrameType
from typing import Any, final

HANGUP, ALARM = getattr(signal, "SIGHUP", None), getattr(signal, "SIGALRM", None)  # not on Windows
GRACE = 10.0
"""Seconds that the environments get to end their step after a signal."""


class Outcome(Enum):
    """How a run ended."""

    FINISHED = 0
    HUNG_UP = 1  # SIGHUP: the terminal has gone
    INTERRUPTED = signal.SIGINT
    TERMINATED = signal.SIGTERM


class Overdue(Exception):  # noqa: N818 - it ends a step and is no error of anybody
    """A signal has arrived, and the environments have not ended their step since."""


@final
class Stop:
    """The signal that stops the run, if one has arrived."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._stepping = False
        self._ended = threading.Event()

    @property
    def due(self) -> bool:
        """Whether the run is to stop: a signal has arrived, or Ctrl-C has ended the main thread and this is another."""
        interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
        if self.signal is None and interrupted and not threading.main_thread().is_alive():
            self.signal = signal.SIGINT
        return self.signal is not None

    @property
    def outcome(self) -> Outcome:
        """How the run ended, as far as signals go."""
        return Outcome.FINISHED if self.signal is None else Outcome(self.signal)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take note of the first Ctrl-C, SIGTERM or SIGHUP; a second one ends the process as usual.

        A signal that is ignored stays ignored, as SIGHUP under nohup. A run in another thread gets no signals: it
        stops once Ctrl-C has ended the main thread, or when the program exits without waiting for its thread.
        """
        self.signal = None
        if threading.current_thread() is not threading.main_thread():
            self._ended.clear()
            atexit.register(self._stop_at_exit)
            yield
            return

        def stop(number: int, _: FrameType | None) -> None:
            self.signal = number
            for one, handler in previous.items():
                signal.signal(one, handler)
            if ALARM is not None and signal.getitimer(signal.ITIMER_REAL)[0] == 0.0:  # not one of the user's
                alarmed.append(signal.signal(ALARM, give_up))
                signal.setitimer(signal.ITIMER_REAL, GRACE)

        def give_up(_: int, __: FrameType | None) -> None:
            if self._stepping:
                raise Overdue

        alarmed: list[Any] = []  # the handler of the alarm before this one
        numbers = [number for number in (signal.SIGINT, signal.SIGTERM, HANGUP) if number is not None]
        previous = {number: signal.getsignal(number) for number in numbers}
        previous = {number: handler for number, handler in previous.items() if handler is not signal.SIG_IGN}
        for number in previous:
            signal.signal(number, stop)
        try:
            yield
        finally:
            if ALARM is not None and alarmed:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
                signal.signal(ALARM, alarmed[0])
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _stop_at_exit(self) -> None:
        """Stop the run and wait until its last checkpoint is written."""
        self.signal = signal.SIGINT
        self._ended.wait(GRACE)

    def end(self) -> None:
        """Take note that the run has ended and everything is saved."""
        atexit.unregister(self._stop_at_exit)
        self._ended.set()

    @contextmanager
    def during_step(self) -> Iterator[None]:
        """Let a step of the environments end by `Overdue` if it takes too long after a signal."""
        self._stepping = True
        try:
            yield
        finally:
            self._stepping = False
