"""Curves in CSV files: tables of (algorithm, environment, seed, step, return), W&B, Trackio, progress.csv."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, final

import numpy as np

from maxent.errors import UserError
from maxent.results.curves import UNKNOWN, Curve, Measured, make_curve
from maxent.results.readers.episodes import EPISODES, averaged
from maxent.results.readers.names import names_of
from maxent.runs.files import naming, read_bytes
from maxent.untrusted import parse_json, require, require_small, short

ALGORITHM = ("algorithm", "algo", "group", "method", "exp_name", "agent")
ENV = ("env", "environment", "env_id", "env_name", "task")
SEED = ("seed",)
RUN = ("run", "run_name", "run_id", "name")
STEP = (
    "global_step", "time/total_timesteps", "total_timesteps", "timesteps", "env_step", "env_steps", "timestep",
    "step", "steps", "_step",
)  # fmt: skip
"""The step of the environment before the count of log entries, which W&B and Trackio call _step and step."""
RETURN = (
    "return", "returns", "eval/mean_reward", "eval/mean_return", "eval/episodic_return", "eval/return", "eval_return",
    "score", "mean_reward", "rollout/ep_rew_mean", "charts/episodic_return", "episodic_return", "episode_return",
    "episode_reward", "reward",
)  # fmt: skip
TRAINING = frozenset({"rollout/ep_rew_mean", "charts/episodic_return", "episodic_return"})
SECONDS = ("seconds", "time/time_elapsed", "_runtime")
TIMESTAMP = ("timestamp", "_timestamp")
PANEL = re.compile(r"(?P<run>.+) - (?P<metric>.+)")
"""A column of a chart that W&B exports: RUN - METRIC; beside it are RUN - METRIC__MIN and __MAX."""
COLUMNS = 10_000
CURVES = 20_000


@final
@dataclass(frozen=True)
class Table:
    """The header of a CSV file, and its rows of texts."""

    header: list[str]
    rows: list[list[str]]

    def place(self, names: Sequence[str]) -> int | None:
        """Return the column with the first of these names that there is, whatever its case."""
        lower = [name.strip().lower() for name in self.header]
        return next((lower.index(name) for name in names if name in lower), None)


def read_csv(path: Path, metric: str | None = None) -> list[Curve]:
    """Return the curves of a CSV file, whose layout its header tells."""
    with naming(path):
        table = parse_csv(read_bytes(path))
        if any(_panel(name) for name in table.header[1:]) and table.place(RETURN) is None:
            return _read_panel(table, path, metric)
        return _read_rows(table, path, metric)


def parse_csv(data: bytes) -> Table:
    """Return the cells of a CSV file; comments, lines that begin with #, and empty lines are left out."""
    require_small(data)
    try:
        text = data.decode("utf-8-sig")
        lines = (line for line in io.StringIO(text, newline="") if line.strip() and not line.startswith("#"))
        rows = list(csv.reader(lines))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"it is not a CSV file: {error}.") from error
    if len(rows) < 2:
        raise UserError("expected a header and rows, got less than two lines.")
    header = rows[0]
    if len(header) > COLUMNS:
        raise UserError(f"expected at most {COLUMNS:,} columns, got {len(header):,}.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise UserError(f"row {number}: expected {len(header)} cells as in the header, got {len(row)}.")
    return Table(header, rows[1:])


def _read_rows(table: Table, path: Path, metric: str | None) -> list[Curve]:
    """Return the curves of a table with a row for each measurement."""
    step = table.place(STEP)
    value = table.place([metric.lower()] if metric is not None else RETURN)
    if step is None or value is None:
        raise UserError(
            "expected a column of steps and one of returns (algorithm, environment, seed, step, return[, seconds]), "
            f"got {short(', '.join(table.header))}; --metric NAME names the column of returns"
        )
    algorithm, env, seed, run = (table.place(names) for names in (ALGORITHM, ENV, SEED, RUN))
    settings, seconds, stamp = table.place(("settings",)), table.place(SECONDS), table.place(TIMESTAMP)
    identity = [place for place in (algorithm, env, seed, run, settings) if place is not None]
    points: dict[tuple[str, ...], list[tuple[float, float, float]]] = {}
    for number, row in enumerate(table.rows, 2):
        if not row[value].strip() or not row[step].strip():  # the row has another metric
            continue
        if seconds is not None:
            time = _number(row[seconds].strip() or "nan", number)
        else:
            time = math.nan if stamp is None else _moment(row[stamp])
        key = tuple(row[place] for place in identity)
        points.setdefault(key, []).append((_number(row[step], number), _number(row[value], number), time))
    if len(points) > CURVES:
        raise UserError(f"expected at most {CURVES:,} runs, got {len(points):,}.")
    measured: Measured = "training" if table.header[value].strip().lower() in TRAINING else "evaluation"
    curves = []
    for key, own in points.items():
        cells = dict(zip(identity, key, strict=True))
        steps, returns, times = np.array(own).T
        if table.header[value].strip().lower() in EPISODES:
            steps, returns, times = averaged(steps, returns, times)
        first = times.min() if seconds is None else 0.0
        said = names_of(cells[run]) if run is not None else names_of(_file_name(path))
        curves.append(
            make_curve(
                (cells[algorithm] if algorithm is not None else said.algorithm) or path.stem,
                (cells[env] if env is not None else said.env) or UNKNOWN,
                _seed(cells[seed]) if seed is not None else -1 if said.seed is None else said.seed,
                steps, returns, times - first,
                settings=_settings(cells[settings]) if settings is not None else {}, source=str(path),
                measured=measured,
            )
        )  # fmt: skip
    if not curves:
        raise UserError("expected rows with a step and a return, got none.")
    return curves


def _read_panel(table: Table, path: Path, metric: str | None) -> list[Curve]:
    """Return the curves of a chart that W&B exported: a column of steps and one for each run."""
    columns = [(place, found) for place, name in enumerate(table.header) if place and (found := _panel(name))]
    metrics = list(dict.fromkeys(found["metric"] for _, found in columns))
    chosen = metric if metric is not None else metrics[0] if len(metrics) == 1 else None
    if chosen is None:
        chosen = next((name for name in RETURN if name in metrics), None)
    if chosen not in metrics:
        raise UserError(f"expected one metric, got {short(', '.join(metrics))}; --metric NAME chooses one")
    if table.header[0].lower().startswith(("relative", "wall")):
        raise UserError(f"expected steps in the first column, got {short(table.header[0])}; export against steps")
    curves = []
    for place, found in columns:
        if found["metric"] != chosen:
            continue
        rows = [
            (_number(row[0], number), _number(row[place], number), math.nan)
            for number, row in enumerate(table.rows, 2)
            if row[place].strip()
        ]
        if not rows:
            continue
        steps, returns, times = np.array(rows).T
        if chosen in EPISODES:
            steps, returns, times = averaged(steps, returns, times)
        said = names_of(found["run"])
        curves.append(
            make_curve(
                said.algorithm or found["run"], said.env or UNKNOWN, -1 if said.seed is None else said.seed,
                steps, returns, source=f"{path} {found['run']}",
                measured="training" if chosen in TRAINING else "evaluation",
            )
        )  # fmt: skip
    if not curves:
        raise UserError("expected rows with a step and a return, got none.")
    return curves


def _panel(name: str) -> re.Match[str] | None:
    """Return the run and the metric of a column of W&B; None for its bounds and for anything else."""
    return None if name.endswith(("__MIN", "__MAX")) or len(name) > 1_000 else PANEL.fullmatch(name)


def _file_name(path: Path) -> str:
    """Return the name that tells a run: the file's, or the folder's if the file has the name that libraries give."""
    return path.absolute().parent.name if path.stem in ("progress", "metrics", "history") else path.stem


def _number(cell: str, row: int) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise UserError(f"row {row}: expected a number, got {short(cell)}.") from error


def _seed(cell: str) -> int:
    """Return a seed; libraries write some as 0.0."""
    try:
        number = float(cell)
        if number == int(number) and 0 <= number < 2**63:
            return int(number)
    except (ValueError, OverflowError):
        pass
    raise UserError(f"seed: expected a whole number of at least 0, got {short(cell)}.")


def _moment(cell: str) -> float:
    """Return a time as seconds since 1970; NaN if the cell holds no time."""
    try:
        return float(cell)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(cell.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.nan


def _settings(cell: str) -> dict[str, Any]:
    """Return the settings in a cell of JSON."""
    if not cell.strip():
        return {}
    found = parse_json(cell.encode())
    require(found, dict, "settings")
    plain: dict[str, Any] = found
    return {name: value for name, value in plain.items() if name not in ("seed", "seeds")}
