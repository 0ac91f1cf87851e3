"""Curves of anything that the command line names: a run folder, a file, or a folder of them."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import final

from maxent.errors import UserError
from maxent.results.curves import UNKNOWN, Curve
from maxent.results.readers.events import read_events
from maxent.results.readers.npz import read_evaluations
from maxent.results.readers.run_folders import read_run_folder
from maxent.results.readers.tables import read_csv
from maxent.runs.files import is_folder, is_regular, is_taken
from maxent.runs.layout import CONFIG

EVENTS = "events.out.tfevents."
EVALUATIONS = "evaluations.npz"
ENTRIES = 100_000
"""Files and folders that are looked at below a folder."""


@final
@dataclass(frozen=True)
class Source:
    """A run folder, a file of curves, or a folder of them.

    Args:
        path: where it is.
        label: the algorithm's name, instead of the one that it holds.
        env: the environment's name where it holds none.
        metric: the column or tag of returns.
    """

    path: Path
    label: str | None = None
    env: str | None = None
    metric: str | None = None

    def read(self) -> tuple[list[Curve], list[str]]:
        """Return the curves, and a sentence about each file of a folder that could not be read."""
        faults: list[str] = []
        if not is_taken(self.path):
            raise UserError(
                f"{self.path} does not exist: expected a run folder, a folder of them, or a file of curves."
            )
        if is_folder(self.path.resolve()) and not is_taken(self.path / CONFIG):
            curves = self._below(faults)
        else:
            curves = self._one(self.path.resolve() if self.path.is_file() else self.path)  # a link may be named
        named = [
            replace(
                curve,
                algorithm=curve.algorithm if self.label is None else self.label,
                env=self.env if self.env is not None and curve.env == UNKNOWN else curve.env,
            )
            for curve in curves
        ]
        return named, faults

    def _one(self, path: Path) -> list[Curve]:
        """Return the curves of a run folder or a file."""
        if is_folder(path.resolve()):
            return read_run_folder(path)
        if path.name in (CONFIG, "metrics.csv") and is_taken(path.parent / CONFIG):
            return read_run_folder(path.parent)
        if path.suffix == ".npz":
            return [read_evaluations(path)]
        if "tfevents" in path.name:
            return [read_events([path], self.metric)]
        if path.suffix == ".csv":
            return read_csv(path, self.metric)
        raise UserError(f"{path}: expected a run folder, {EVALUATIONS}, a TensorBoard event file or a CSV file.")

    def _below(self, faults: list[str]) -> list[Curve]:
        """Return the curves of all runs below a folder; of the CSV files in it only if there is nothing else."""
        runs, evaluations, events = self._found()
        tables = sorted(path for path in self.path.glob("*.csv") if is_regular(path))
        jobs: list[tuple[Path, Callable[[], list[Curve]]]] = [
            (path, partial(self._one, path)) for path in [*runs, *evaluations]
        ]
        if not evaluations:  # both are of the same runs
            jobs += [(own[0].parent, partial(self._of_events, own)) for own in events]
        if not jobs:
            jobs = [(path, partial(self._one, path)) for path in tables]
        curves: list[Curve] = []
        for path, job in jobs:
            try:
                curves += job()
            except UserError as error:
                faults.append(str(error) if str(path) in str(error) else f"{path}: {error}")
        if not curves:
            notes = f" {faults[0]}" if faults else ""
            raise UserError(
                f"{self.path} holds no curves: expected run folders, {EVALUATIONS}, TensorBoard event files or CSV "
                f"files.{notes}"
            )
        return curves

    def _of_events(self, paths: Sequence[Path]) -> list[Curve]:
        return [read_events(paths, self.metric)]

    def _found(self) -> tuple[list[Path], list[Path], list[list[Path]]]:
        """Return the run folders, the evaluations.npz and the event files by folder below a folder."""
        runs, evaluations, events = list[Path](), list[Path](), dict[Path, list[Path]]()
        seen = 0
        for folder, folders, files in os.walk(self.path):
            here = Path(folder)
            seen += len(folders) + len(files)
            if seen > ENTRIES:
                raise UserError(f"{self.path} holds more than {ENTRIES:,} files: name the folders of the runs.")
            if CONFIG in files:
                runs.append(here)
                folders.clear()
                continue
            folders.sort()
            if EVALUATIONS in files:
                evaluations.append(here / EVALUATIONS)
            if own := sorted(here / name for name in files if name.startswith(EVENTS)):
                events[here] = own
        return sorted(runs), sorted(evaluations), list(events.values())


def read_all(sources: Iterable[Source]) -> tuple[list[Curve], list[str]]:
    """Return the curves of several sources, with a number for each unknown seed, and sentences about faults."""
    curves: list[Curve] = []
    notes: list[str] = []
    for source in sources:
        own, faults = source.read()
        curves += own
        notes += faults
    return number_seeds(curves), notes


def number_seeds(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves with the next free number for each unknown seed of an algorithm on an environment."""
    taken: dict[tuple[str, str], set[int]] = defaultdict(set)
    for curve in curves:
        taken[curve.algorithm, curve.env].add(curve.seed)
    free: dict[tuple[str, str], int] = defaultdict(int)
    numbered = []
    for curve in curves:
        if curve.seed < 0:
            key = curve.algorithm, curve.env
            while free[key] in taken[key]:
                free[key] += 1
            curve = replace(curve, seed=free[key])
            free[key] += 1
        numbered.append(curve)
    return numbered
