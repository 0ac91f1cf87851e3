"""Where curves are compared: the last step, or minute, that all of one's own runs have reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from maxent.findings import listed, plural
from maxent.results.curves import Curve


@final
@dataclass(frozen=True)
class Place:
    """A step or a number of minutes of an environment, the curves that have a value there, and notes on it."""

    at: float
    curves: Mapping[str, list[Curve]]
    notes: tuple[str, ...]


def choose_place(
    env: str, own: Mapping[str, list[Curve]], *, minutes: bool = False, at: float | None = None
) -> Place | None:
    """Return where to compare the settings on an environment; None if no time of any run is known.

    It is `at`, or else the last step of the shortest run; of runs that do not overlap, where most have a value. Failed
    runs and references do not shorten it. Runs that were not measured until there, or only later, are left out; a run
    that failed before counts as failed.
    """
    unit, notes = "min" if minutes else "steps", []
    timed = {label: [curve for curve in curves if _known(curve, minutes)] for label, curves in own.items()}
    if untimed := [label for label in own if len(timed[label]) < len(own[label])]:
        notes.append(f"{env}: runs of {listed(untimed)} are left out, since their time is not known.")
    curves = [curve for group in timed.values() for curve in group]
    if not curves:
        return None
    running = [curve for curve in curves if not curve.failed] or curves
    limiting = [curve for curve in running if not curve.reference] or running
    ends = {_last(curve, minutes): curve for curve in reversed(limiting)}
    place = _most_common(limiting, minutes) if at is None else at
    kept, missing = {}, []
    for label, group in timed.items():
        inside = [curve for curve in group if _covers(curve, place, minutes)]
        if outside := [curve for curve in group if not _covers(curve, place, minutes)]:
            first = min(_first(curve, minutes) for curve in outside)
            last = max(_last(curve, minutes) for curve in outside)
            span = f"{amount(first)} to {amount(last)}" if first < last else f"at {amount(last)}"
            seeds = plural(len(outside), "seed") if len(outside) > 1 else f"seed {outside[0].seed}"
            missing.append(f"{seeds} of {label} ({span})")
        if inside:
            kept[label] = inside
    if missing:
        notes.append(f"{env}: left out, since not measured at {amount(place)} {unit}: {listed(missing, 20)}.")
    went_on = {id(curve) for curve in limiting if _last(curve, minutes) > 1.02 * place}
    longer = [label for label, group in timed.items() if any(id(curve) in went_on for curve in group)]
    if at is None and longer:
        shortest = ends[place]
        notes.append(
            f"{env}: compared at {amount(place)} {unit}, where the shortest run ends ({shortest.algorithm}, seed "
            f"{shortest.seed}); {listed(longer)} went on."
        )
    return Place(place, kept, tuple(notes))


def _most_common(curves: Sequence[Curve], minutes: bool) -> float:
    """Return the end of a curve at which most have a value: the first end if all overlap; of equal ones the last."""
    ends = sorted({_last(curve, minutes) for curve in curves})
    return max(ends, key=lambda end: (sum(_first(one, minutes) <= end <= _last(one, minutes) for one in curves), end))


def amount(place: float) -> str:
    """Return a number of steps or minutes in words: small ones with three digits."""
    return f"{place:,.0f}" if place >= 100 else f"{place:.3g}"


def _known(curve: Curve, minutes: bool) -> bool:
    return curve.axis(minutes=minutes) is not None


def _first(curve: Curve, minutes: bool) -> float:
    axis = curve.axis(minutes=minutes)
    return float("nan") if axis is None else float(axis[0])


def _last(curve: Curve, minutes: bool) -> float:
    axis = curve.axis(minutes=minutes)
    return float("nan") if axis is None else float(axis[-1])


def _covers(curve: Curve, place: float, minutes: bool) -> bool:
    """Return whether a curve has a value at a place, or has failed before it."""
    return _first(curve, minutes) <= place and (place <= _last(curve, minutes) or curve.failed)
