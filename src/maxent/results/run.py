"""Everything of a run folder that people look at, read within bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from maxent.errors import UserError
from maxent.findings import Finding
from maxent.results.config import read_run_config
from maxent.results.metrics import LARGEST, Array, Metrics
from maxent.results.state import Doing, doing_of
from maxent.runs.files import is_taken, naming
from maxent.runs.findings import read_findings
from maxent.runs.layout import EVALUATIONS, FINDINGS, METRICS
from maxent.runs.table import read_table


@final
@dataclass(frozen=True)
class Evaluations:
    """The evaluations of a run.

    Args:
        steps: environment steps per member. [n]
        seconds: seconds over all sessions until then, NaN where they are unknown. [n]
        returns: undiscounted returns [n, P, episodes]; of a run that has written the means over the episodes alone,
            those [n, P, 1]. NaN where a member has no number: it has failed.
        single: whether `returns` are those of single episodes.
    """

    steps: Array
    seconds: Array
    returns: Array
    single: bool

    @property
    def means(self) -> Array:
        """Mean return of each member over its episodes. [n, P]"""
        return np.asarray(self.returns.mean(axis=2))


@final
@dataclass(frozen=True)
class RunResults:
    """The results of one run folder.

    Args:
        folder: the run folder.
        algorithm: the algorithm, by name or as module:Class.
        env: name of the environment.
        env_id: the id that makes it; None where the environment was handed over in Python.
        env_kwargs: its arguments.
        seeds: the seed of each member. [P]
        settings: every setting by name: of the run, the replay and the algorithm.
        recipe: source of the recipe, if one was used.
        steps: planned environment steps per member.
        metrics: rows of metrics.
        evaluations: evaluations during training.
        findings: what the watcher found, each with its step.
        versions: versions of everything that a result depends on, with platform and processors.
        command: the command that started the run.
        created: when it was started.
        doing: whether it trains, or how it ended.
    """

    folder: Path
    algorithm: str
    env: str
    env_id: str | None
    env_kwargs: Mapping[str, Any]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    recipe: str | None
    steps: int
    metrics: Metrics
    evaluations: Evaluations
    findings: tuple[tuple[int, Finding], ...]
    versions: Mapping[str, str]
    command: str
    created: str
    doing: Doing

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name or self.folder.resolve().name

    @property
    def members(self) -> int:
        """P."""
        return len(self.seeds)

    @property
    def machine(self) -> str:
        """Platform, processors and device, in words."""
        cpus = self.versions.get("cpus", "an unknown number of")
        platform = self.versions.get("platform", "unknown platform")
        return f"{platform}, {cpus} CPUs, device {self.settings.get('device', 'unknown')}"


def read_run(path: Path) -> RunResults:
    """Return the results of a run folder; raise `UserError` for a folder or file that cannot be used.

    Reading changes nothing, so a run can be read while it is being written.
    """
    doing = doing_of(path)  # first: a run that ends meanwhile still counts as training
    data = read_run_config(path)
    run, learner, source = data["run"], data["learner"], data["env"]["source"]
    seeds = tuple(learner["seeds"])
    metrics = _read_metrics(path / METRICS, len(seeds))
    return RunResults(
        folder=path,
        algorithm=learner["algorithm"],
        env=data["env"]["name"] if source is None else source["id"],
        env_id=None if source is None else source["id"],
        env_kwargs={} if source is None else source["kwargs"],
        seeds=seeds,
        settings={**run, **(data["replay"] or {}), **learner["settings"]},
        recipe=data["recipe"],
        steps=run["steps"],
        metrics=metrics,
        evaluations=_evaluations(path / EVALUATIONS, metrics),
        findings=_findings(path / FINDINGS),
        versions=data["versions"],
        command=data["command"],
        created=data["created"],
        doing=doing,
    )


def watches(run: RunResults) -> bool:
    """Return whether the watcher has looked at a run."""
    return bool(run.findings) or run.metrics.has("watch/findings")


def _read_metrics(path: Path, members: int) -> Metrics:
    """Return the rows of a metrics.csv; none where a run has not written any yet."""
    columns = read_table(path) if is_taken(path) else {"step": np.empty(0)}
    with naming(path):
        steps = columns.pop("step", None)
        if steps is None:
            raise UserError("expected the first column 'step', got none of that name.")
        if not ((steps >= 0) & (steps < LARGEST)).all() or (np.diff(steps) < 0).any():
            raise UserError("expected steps of at least 0 that never decrease, got others.")
    return Metrics(steps, columns, members)


def _evaluations(path: Path, metrics: Metrics) -> Evaluations:
    """Return the evaluations of a run: of single episodes where it has written them, else those of its metrics."""
    columns = read_table(path) if is_taken(path) else {}
    if not columns:
        return _mean_evaluations(metrics)
    with naming(path):
        steps = columns.get("step", np.array([np.nan]))
        if not ((steps >= 0) & (steps < LARGEST)).all() or (np.diff(steps) < 0).any():
            raise UserError("expected steps of at least 0 that never decrease, got others.")
        episodes = sum(name.startswith("return/") for name in columns)
        if metrics.members > 1:
            episodes //= metrics.members + 1  # each has a column of the mean, and one for each member
        names = [
            [
                f"return/{episode}/{member}" if metrics.members > 1 else f"return/{episode}"
                for episode in range(episodes)
            ]
            for member in range(metrics.members)
        ]
        if not episodes or not all(name in columns for row in names for name in row):
            raise UserError(f"expected columns return/E/M of each episode and each of {metrics.members} members.")
        returns = np.array([[columns[name] for name in row] for row in names]).transpose(2, 0, 1)  # [n, P, episodes]
    returns = np.where(np.abs(returns) < LARGEST, returns, np.nan)  # false for NaN
    return Evaluations(steps, 60.0 * metrics.axis_at("minutes", steps), returns, single=True)


def _mean_evaluations(metrics: Metrics) -> Evaluations:
    """Return the evaluations that the rows of metrics hold: their means over the episodes.

    A row in which every member has failed is told from one without an evaluation by the lengths of the episodes.
    """
    values = metrics.by_member("eval/mean_reward")  # [T, P]
    if values.shape[1] != metrics.members:
        values = np.full((len(metrics.steps), metrics.members), np.nan)
    lengths = metrics.by_member("eval/mean_ep_length")
    rows = np.flatnonzero(~np.isnan(values).all(axis=1) | ~np.isnan(lengths).all(axis=1))
    returns = np.where(np.abs(values) < LARGEST, values, np.nan)[rows, :, None]
    return Evaluations(metrics.steps[rows], 60.0 * metrics.axis("minutes")[rows], returns, single=False)


def _findings(path: Path) -> tuple[tuple[int, Finding], ...]:
    """Return the findings of the watcher with their steps."""
    rows = read_findings(path) if is_taken(path) else []
    return tuple((row["step"], Finding(**{name: row[name] for name in row if name != "step"})) for row in rows)
