"""Observers for `learn`: early stopping, functions, and several observers as one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import final

import numpy as np

from maxent.algorithms.settings import finite, require, require_whole
from maxent.errors import UserError
from maxent.findings import Finding
from maxent.runs.observer import EpisodeEnd, Evaluation, Observer, Record, RunHeader

ObserverLike = Observer | Callable[[Record], object]
"""An observer, or a function that is called with each record of metrics and stops the run where it returns true."""

ObserversLike = ObserverLike | Iterable[ObserverLike]
"""One or several of these."""


@dataclass
class StopAtReturn(Observer):
    """Stops the run once the mean evaluation return over all members reaches a value."""

    needs_evaluations = True

    value: float

    def __post_init__(self) -> None:
        require("StopAtReturn", self.value, finite(self.value), "a finite number")

    def on_evaluation(self, evaluation: Evaluation) -> bool | None:
        """Return whether the value is reached."""
        return bool(evaluation.mean.mean() >= self.value)


@dataclass
class StopWithoutImprovement(Observer):
    """Stops the run when this many evaluations in a row have not raised the mean return over all members.

    Each call of `learn` and each resumed run starts counting anew.

    Args:
        evaluations: how many.
        by: what counts as an improvement on the best mean so far.
    """

    needs_evaluations = True

    evaluations: int
    by: float = 0.0
    _best: float = field(default=-np.inf, init=False)
    _without: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        require_whole("StopWithoutImprovement", self.evaluations, 1)
        require("StopWithoutImprovement: by", self.by, finite(self.by) and self.by >= 0, "a number of at least 0")

    def on_start(self, header: RunHeader) -> None:
        """Start counting."""
        self._best, self._without = -np.inf, 0

    def on_evaluation(self, evaluation: Evaluation) -> bool | None:
        """Return whether that many have passed without improvement."""
        mean = float(evaluation.mean.mean())
        improved = mean > self._best + self.by
        self._best, self._without = max(self._best, mean), 0 if improved else self._without + 1
        return self._without >= self.evaluations


@final
class EachRecord(Observer):
    """Calls a function with each record of metrics."""

    def __init__(self, function: Callable[[Record], object]) -> None:
        self.function = function

    def on_record(self, record: Record) -> bool | None:
        """Return what the function returns, as a truth value."""
        return _stops(self.function(record), self.function)


def as_observers(given: ObserversLike) -> list[Observer]:
    """Return the observers for one or several observers or functions."""
    if isinstance(given, Iterable) and not isinstance(given, str | type | Observer):
        return [as_observer(one) for one in given]
    return [as_observer(given)]


def require_evaluations(observers: Iterable[Observer], *, evaluates: bool) -> None:
    """Raise if an observer needs evaluations and the run has none."""
    for observer in observers:
        if observer.needs_evaluations and not evaluates:
            raise UserError(
                f"observers: {type(observer).__name__} needs evaluations, and this run has none; set eval_every, and "
                "pass the environment as an id or a factory."
            )


def as_observer(given: ObserverLike) -> Observer:
    """Return an observer for an observer or a function."""
    if isinstance(given, Observer):
        return given
    if isinstance(given, type) or not callable(given):
        raise UserError(
            f"observers: expected instances of maxent.Observer or functions of a record, got {given!r}; "
            "for instance observers=[maxent.StopAtReturn(200)]."
        )
    return EachRecord(given)


@final
class Observers(Observer):
    """Several observers as one, in order; `stop` becomes true once any of them stops the run."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers, self.stop = list(observers), False
        self._started: list[Observer] = []

    def on_start(self, header: RunHeader) -> None:
        """Forward the event."""
        for observer in self._observers:
            self._started.append(observer)
            observer.on_start(header)

    def on_step(self, step: int) -> None:
        """Forward the event."""
        for observer in self._observers:
            observer.on_step(step)

    def on_episode(self, episode: EpisodeEnd) -> bool | None:
        """Forward the event."""
        return self._any([_stops(observer.on_episode(episode), observer) for observer in self._observers])

    def on_record(self, record: Record) -> bool | None:
        """Forward the event."""
        return self._any([_stops(observer.on_record(record), observer) for observer in self._observers])

    def on_evaluation(self, evaluation: Evaluation) -> bool | None:
        """Forward the event."""
        return self._any([_stops(observer.on_evaluation(evaluation), observer) for observer in self._observers])

    def on_message(self, text: str) -> None:
        """Forward the event."""
        for observer in self._observers:
            observer.on_message(text)

    def on_finding(self, finding: Finding, step: int) -> None:
        """Forward the event."""
        for observer in self._observers:
            observer.on_finding(finding, step)

    def flush(self) -> None:
        """Forward the event."""
        for observer in self._observers:
            observer.flush()

    def on_checkpoint(self, step: int) -> None:
        """Forward the event."""
        for observer in self._observers:
            observer.on_checkpoint(step)

    def on_end(self, reason: str) -> None:
        """Forward the event to all observers that were started, even if one raises; then raise the first exception."""
        failures = self._end(reason)
        for failure in failures[1:]:
            failures[0].add_note(f"on_end of another observer raised {failure!r}")
        if failures:
            raise failures[0]

    def fail(self, error: BaseException) -> None:
        """End all observers that were started, because of an exception; it gets their exceptions as notes."""
        for failure in self._end("failed"):
            error.add_note(f"on_end of an observer then raised {failure!r}")

    def _end(self, reason: str) -> list[Exception]:
        """Return what the observers raise in `on_end`."""
        started, self._started = self._started, []
        failures = []
        for observer in started:
            try:
                observer.on_end(reason)
            except Exception as error:
                failures.append(error)
        return failures

    def _any(self, results: list[bool]) -> bool:
        self.stop = self.stop or any(results)
        return self.stop


def _stops(result: object, source: object) -> bool:
    """Return whether the result of an observer stops the run; raise `UserError` for an array of several values."""
    if isinstance(result, np.ndarray) and result.size != 1:
        name = getattr(source, "__name__", type(source).__name__)
        raise UserError(
            f"observers: expected true or false from {name}, got an array of shape "
            f"{result.shape}; a metric has a value for each member: compare their mean, record.mean(tag)."
        )
    return bool(result)
