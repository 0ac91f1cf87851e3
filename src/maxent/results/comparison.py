"""Comparison of settings over seeds: scores at a common step, their summaries, and pairs of settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.findings import listed, plural
from maxent.results.curves import Curve
from maxent.results.grouping import Groups, differing, group_curves
from maxent.results.places import Place, choose_place
from maxent.results.scores import Scale
from maxent.statistics import (
    Estimate,
    difference_estimate,
    holm,
    improvement_estimate,
    interquartile_mean,
    mean_of_means,
    permutation_test,
    stratified_estimate,
)

FEW = 5


@final
@dataclass(frozen=True)
class Cell:
    """The scores of one setting on one environment.

    Args:
        group: the label of the setting.
        env: the environment.
        curves: of its seeds.
        scores: [n]; a failed seed has the lowest return that any run had on the environment.
        failed: how many seeds failed.
        minutes: median of the minutes that the seeds took to the step of comparison; NaN if unknown.
        iqm: interquartile mean and its interval.
        mean: mean and its interval.
    """

    group: str
    env: str
    curves: tuple[Curve, ...]
    scores: NDArray[np.float64]
    failed: int
    minutes: float
    iqm: Estimate
    mean: Estimate


@final
@dataclass(frozen=True)
class Total:
    """The summaries of one setting over all environments, of normalised scores."""

    group: str
    strata: tuple[NDArray[np.float64], ...]
    iqm: Estimate
    mean: Estimate


@final
@dataclass(frozen=True)
class Pair:
    """Two settings on the environments that both have, the better one first.

    Args:
        better, worse: labels.
        envs: the environments.
        seeds: numbers of seeds on each environment, (better, worse).
        probability: of improvement, with its interval.
        p: of the permutation test.
        adjusted: the same, adjusted for the number of pairs (Holm).
        difference: of the interquartile means with its interval; None without a common scale of several environments.
    """

    better: str
    worse: str
    envs: tuple[str, ...]
    seeds: tuple[tuple[int, int], ...]
    probability: Estimate
    p: float
    adjusted: float
    difference: Estimate | None


@final
@dataclass(frozen=True)
class Comparison:
    """Everything that a table and a figure show.

    Args:
        unit: "steps" or "minutes", what `at` counts.
        at: the step, or the minutes, of comparison on each environment.
        cells: of each setting and environment; those with the same environment follow each other.
        totals: over all environments, if scores are normalised and all settings have all environments.
        pairs: of settings, all of them.
        curves: all curves by environment and setting, also those that are not measured where settings are compared.
        scale: of normalised scores, if they are.
        notes: sentences for the reader.
    """

    unit: str
    at: Mapping[str, float]
    cells: tuple[Cell, ...]
    totals: tuple[Total, ...]
    pairs: tuple[Pair, ...]
    curves: Mapping[str, Mapping[str, tuple[Curve, ...]]]
    scale: Scale | None
    notes: tuple[str, ...]

    @property
    def groups(self) -> list[str]:
        """Return the labels of the settings, first those that are compared."""
        return list(
            dict.fromkeys([cell.group for cell in self.cells] + [one for own in self.curves.values() for one in own])
        )


def compare(
    curves: Sequence[Curve],
    by: Sequence[str] = ("algo",),
    *,
    minutes: bool = False,
    at: float | None = None,
    scale: Scale | None = None,
) -> Comparison:
    """Compare settings at the last step, or minute, that every run has reached on an environment.

    Args:
        curves: of all seeds, at most one of a seed, setting and environment.
        by: algo, env, run or settings.
        minutes: compare after equal minutes instead of equal steps.
        at: the step or the minutes, instead of the last common one; runs that ended before are left out.
        scale: normalises scores.
    """
    groups = group_curves(curves, by)
    notes = _mixed(groups)
    cells: list[Cell] = []
    places: dict[str, float] = {}
    drawn: dict[str, dict[str, tuple[Curve, ...]]] = {}
    unknown: list[str] = []
    for env in dict.fromkeys(env for strata in groups.values() for env in strata):
        own = {label: strata[env] for label, strata in groups.items() if env in strata}
        drawn[env] = {label: tuple(group) for label, group in own.items()}
        if scale is not None and env not in scale.ends:
            unknown.append(env)
            continue
        place = choose_place(env, own, minutes=minutes, at=at)
        if place is None:
            notes.append(f"{env}: left out, since the time of no run is known.")
            continue
        notes += place.notes
        if place.curves and (found := _cells(env, place, minutes, scale, notes)):
            places[env] = place.at
            cells += found
    if scale is not None and unknown:
        notes.append(f"Left out, since {scale.name} has no scores of them: {listed(unknown, 20)}.")
    if not cells:
        raise UserError(" ".join(["There is nothing to compare.", *notes]))
    if any(1 < len(cell.scores) < FEW for cell in cells):
        notes.append(f"Bootstrap intervals of fewer than {FEW} seeds are too narrow; the test does not depend on them.")
    pairs = _pairs(cells, scale)
    return Comparison(
        "minutes" if minutes else "steps",
        places,
        tuple(cells),
        _totals(cells, scale, notes),
        pairs,
        {env: drawn[env] for env in places},
        scale,
        tuple(notes),
    )


def _mixed(groups: Groups) -> list[str]:
    """Return notes on what is compared although it differs."""
    notes, mixed = [], {}
    for label, strata in groups.items():
        found = [name for own in strata.values() for name in differing([curve for curve in own if curve.settings])]
        if found:
            mixed[label] = list(dict.fromkeys(found))
    if mixed:
        labels = [f"{label} ({listed(names)})" for label, names in mixed.items()]
        notes.append(f"One label has runs of different settings: {listed(labels, 20)}; --by separates them.")
    measured = {label: {curve.measured for own in strata.values() for curve in own} for label, strata in groups.items()}
    if len(set.union(*measured.values())) > 1:
        training = [label for label, kinds in measured.items() if "training" in kinds]
        notes.append(
            f"{listed(training)}: returns of training episodes, with exploration; the others are evaluations, which "
            "are usually higher."
        )
    return notes


def _cells(env: str, place: Place, minutes: bool, scale: Scale | None, notes: list[str]) -> list[Cell]:
    """Return the scores of each setting on an environment."""
    own = place.curves
    returns = {
        label: np.array([float(curve.values([place.at], minutes=minutes)[0]) for curve in curves])
        for label, curves in own.items()
    }
    measured = [curve.returns[np.isfinite(curve.returns)] for curves in own.values() for curve in curves]
    everything = np.concatenate(measured) if measured else np.zeros(0)
    if not len(everything):
        notes.append(f"{env}: left out, since every run failed before its first evaluation.")
        return []
    lowest = float(everything.min())
    cells = []
    for label, curves in own.items():
        raw = returns[label]
        failed = int(np.isnan(raw).sum())
        if failed:
            notes.append(
                f"{env}: {failed} of {plural(len(raw), 'seed')} of {label} failed (no finite return); "
                f"counted with the lowest return of any run there, {lowest:,.6g}."
            )
        scores = np.where(np.isnan(raw), lowest, raw)
        if scale is not None:
            scores = scale.normalised(env, scores)
        reached = np.array([place.at if minutes else curve.minutes_at(place.at) for curve in curves])
        known = reached[np.isfinite(reached)]
        cells.append(
            Cell(
                label, env, tuple(curves), scores, failed, float(np.median(known)) if len(known) else float("nan"),
                stratified_estimate([scores], interquartile_mean), stratified_estimate([scores], mean_of_means),
            )
        )  # fmt: skip
    return cells


def _totals(cells: Sequence[Cell], scale: Scale | None, notes: list[str]) -> tuple[Total, ...]:
    """Return the summaries over the environments that all settings have."""
    groups = list(dict.fromkeys(cell.group for cell in cells))
    envs = list(dict.fromkeys(cell.env for cell in cells))
    scores = {(cell.group, cell.env): cell.scores for cell in cells}
    common = [env for env in envs if all((group, env) in scores for group in groups)]
    if len(envs) < 2 or scale is None:
        return ()
    if len(common) < len(envs):
        notes.append(f"All environments: the {plural(len(common), 'environment')} that every setting has.")
    if not common:
        return ()
    totals = []
    for group in groups:
        strata = tuple(scores[group, env] for env in common)
        estimates = [stratified_estimate(strata, statistic) for statistic in (interquartile_mean, mean_of_means)]
        totals.append(Total(group, strata, *estimates))
    return tuple(totals)


def _pairs(cells: Sequence[Cell], scale: Scale | None) -> tuple[Pair, ...]:
    """Return all pairs of settings that share an environment."""
    scores = {(cell.group, cell.env): cell.scores for cell in cells}
    envs = list(dict.fromkeys(cell.env for cell in cells))
    references = {cell.group for cell in cells if all(curve.reference for curve in cell.curves)}
    found = []
    for first, second in combinations(dict.fromkeys(cell.group for cell in cells), 2):
        common = tuple(env for env in envs if (first, env) in scores and (second, env) in scores)
        if not common or {first, second} <= references:  # others' results are not compared with each other
            continue
        strata = {group: [scores[group, env] for env in common] for group in (first, second)}
        probability = improvement_estimate(strata[first], strata[second])
        better, worse = first, second
        if probability.value < 0.5:
            better, worse = second, first
            probability = Estimate(1 - probability.value, 1 - probability.high, 1 - probability.low)
        difference = None
        if scale is not None or len(common) == 1:
            difference = difference_estimate(strata[better], strata[worse], interquartile_mean)
        seeds = tuple((len(x), len(y)) for x, y in zip(strata[better], strata[worse], strict=True))
        p = permutation_test(strata[first], strata[second])
        found.append((better, worse, common, seeds, probability, p, difference))
    adjusted = holm([one[5] for one in found])
    return tuple(Pair(*one[:6], adjusted=adj, difference=one[6]) for one, adj in zip(found, adjusted, strict=True))
