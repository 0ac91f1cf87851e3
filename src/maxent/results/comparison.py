"""Comparison of settings over seeds: scores at a common step, their summaries, and pairs of settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.findings import listed, plural
from maxent.results.curves import Curve
from maxent.results.grouping import Groups, differing, group_curves
from maxent.results.pairs import Pair, pairs_of
from maxent.results.places import Place, choose_place
from maxent.results.scores import Scale
from maxent.statistics import (
    Estimate,
    interquartile_mean,
    mean_of_means,
    stratified_estimate,
)

FEW = 10
"""Seeds below which the bootstrap's intervals are noticeably too narrow."""
COVERAGE = {3: 75, 5: 85, 10: 92}
"""Percent of 95 % intervals of the mean that held the true one, by seeds: 2,000 samples of normal returns, measured."""


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
class Comparison:
    """Everything that a table and a figure show.

    Args:
        unit: "steps" or "minutes", what `at` counts.
        at: the step, or the minutes, of comparison on each environment.
        cells: of each setting and environment; those with the same environment follow each other.
        totals: over all environments, if scores are normalised and all settings have all environments.
        pairs: of settings, all of them.
        lowest: return of any run on each environment, with which failed seeds count.
        curves: all curves by environment and setting, also those that are not measured where settings are compared.
        scale: of normalised scores, if they are.
        notes: sentences for the reader.
    """

    unit: str
    at: Mapping[str, float]
    lowest: Mapping[str, float]
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
    lowest: dict[str, float] = {}
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
        if place.curves and (least := _lowest(env, place, notes)) is not None:
            places[env], lowest[env] = place.at, least
            cells += _cells(env, place, minutes, scale, least, notes)
    if scale is not None and unknown:
        notes.append(f"Left out, since {scale.name} has no scores of them: {listed(unknown, 20)}.")
    if not cells:
        raise UserError(" ".join(["There is nothing to compare.", *notes]))
    if any(1 < len(cell.scores) < FEW for cell in cells):
        shares = listed([f"{share} % with {seeds} seeds" for seeds, share in COVERAGE.items()])
        notes.append(
            f"Bootstrap intervals of fewer than {FEW} seeds are too narrow: of normal returns they held the true mean "
            f"in {shares}, not in 95 %. The test does not depend on them."
        )
    pairs = _pairs(cells, scale)
    return Comparison(
        "minutes" if minutes else "steps",
        places,
        lowest,
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


def _lowest(env: str, place: Place, notes: list[str]) -> float | None:
    """Return the lowest return of any run on an environment; None, with a note, if there is none."""
    measured = [curve.returns[np.isfinite(curve.returns)] for curves in place.curves.values() for curve in curves]
    everything = np.concatenate(measured)
    if not len(everything):
        notes.append(f"{env}: left out, since every run failed before its first evaluation.")
        return None
    return float(everything.min())


def _cells(env: str, place: Place, minutes: bool, scale: Scale | None, lowest: float, notes: list[str]) -> list[Cell]:
    """Return the scores of each setting on an environment."""
    own = place.curves
    returns = {
        label: np.array([float(curve.values([place.at], minutes=minutes)[0]) for curve in curves])
        for label, curves in own.items()
    }
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
        if single := [env for env, own in zip(common, strata, strict=True) if len(own) < 2]:
            notes.append(
                f"All environments: no interval for {group}, which has one seed on {listed(single)}: its spread is not "
                "known there."
            )
    return tuple(totals)


def _pairs(cells: Sequence[Cell], scale: Scale | None) -> tuple[Pair, ...]:
    """Return all pairs of settings that share an environment, but none of two references."""
    scores = {(cell.group, cell.env): cell.scores for cell in cells}
    references = {cell.group for cell in cells if all(curve.reference for curve in cell.curves)}
    return pairs_of(scores, references, common_scale=scale is not None)
