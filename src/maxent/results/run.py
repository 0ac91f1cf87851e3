"""Everything of a run folder that people look at, read within bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from maxent.errors import UserError
from maxent.findings import Finding
from maxent.results.metrics import LARGEST, Array, Metrics
from maxent.runs.files import is_taken, naming
from maxent.runs.findings import read_findings
from maxent.runs.layout import CONFIG, EVALUATIONS, FINDINGS, METRICS, read_config, require_run
from maxent.runs.table import read_table
from maxent.untrusted import Either, Entries, ListOf, Whole, require

MOST_MEMBERS = 10_000

LEARNER = Entries({"algorithm": str, "settings": dict, "seeds": ListOf(Whole())}, {"observation": dict, "action": dict})
SCHEMA = Entries(
    {
        "format": Whole(),
        "env": Entries({"name": str, "source": Either((None, {"id": str, "kwargs": dict}))}, {}),
        "run": dict,
        "replay": Either((None, dict)),
        "learner": LEARNER,
        "recipe": Either((None, str)),
        "command": str,
        "created": str,
        "versions": dict,
    },
    {},
)
"""The part of config.json that results show; settings are shown as they are and not interpreted."""


@final
@dataclass(frozen=True)
class Evaluations:
    """The evaluations of a run.

    Args:
        steps: environment steps per member. [n]
        seconds: seconds over all sessions until then, NaN where they are unknown. [n]
        returns: undiscounted returns [n, P, episodes]; of a run that has written the means over the episodes alone,
            those [n, P, 1].
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
    require_run(path)
    data = read_config(path, SCHEMA)
    run, learner, source = data["run"], data["learner"], data["env"]["source"]
    seeds = tuple(learner["seeds"])
    with naming(path / CONFIG):
        require(run.get("steps"), Whole(1), "run steps")
        if not 1 <= len(seeds) <= MOST_MEMBERS:
            raise UserError(f"expected from 1 to {MOST_MEMBERS:,} seeds, got {len(seeds):,}.")
        require(data["versions"], dict.fromkeys(data["versions"], str), "versions")
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
    )


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
    known = (np.abs(returns) < LARGEST).all(axis=(1, 2))  # false for NaN
    seconds = 60.0 * metrics.axis_at("minutes", steps)
    return Evaluations(steps[known], seconds[known], returns[known], single=True)


def _mean_evaluations(metrics: Metrics) -> Evaluations:
    """Return the evaluations that the rows of metrics hold: their means over the episodes."""
    values = metrics.by_member("eval/mean_reward")  # [T, P]
    if values.shape[1] != metrics.members:
        values = np.empty((0, metrics.members))
        known = np.empty(0, np.intp)
    else:
        known = np.flatnonzero((np.abs(values) < LARGEST).all(axis=1))  # false for NaN
    seconds = 60.0 * metrics.axis("minutes")
    return Evaluations(metrics.steps[known], seconds[known], values[known, :, None], single=False)


def _findings(path: Path) -> tuple[tuple[int, Finding], ...]:
    """Return the findings of the watcher with their steps."""
    rows = read_findings(path) if is_taken(path) else []
    return tuple((row["step"], Finding(**{name: row[name] for name in row if name != "step"})) for row in rows)
