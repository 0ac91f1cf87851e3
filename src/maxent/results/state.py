"""What a run does now: whether it trains or how it ended, how far it is, how fast, and its latest return."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, final

from maxent.errors import UserError
from maxent.results.config import read_run_config
from maxent.runs.ending import read_ending
from maxent.runs.files import is_taken
from maxent.runs.layout import CHECKPOINTS, CONFIG, ENDING, METRICS, newest_checkpoint, require_run
from maxent.runs.lock import is_locked
from maxent.runs.table import last_values

Doing = Literal["training", "finished", "interrupted", "failed"]

EVALUATION, TRAINING = "eval/mean_reward", "rollout/ep_rew_mean"
FPS, TOTAL, ELAPSED = "time/fps", "time/total_timesteps", "time/time_elapsed"

SILENT = 60.0
"""Seconds without a new row after which a training run may count as silent."""


class Score(NamedTuple):
    """The latest return, its mean over all members, and whether it is of evaluation or of training episodes."""

    value: float
    of: Literal["evaluation", "training"]
    step: int


@final
@dataclass(frozen=True)
class RunState:
    """The state of one run at one moment."""

    folder: Path
    algorithm: str
    env: str
    members: int
    steps: int
    """Steps that the run is to make, per member."""
    step: int
    """Steps it has made, as far as its files say."""
    doing: Doing
    created: str
    wrote: float
    """Time of the last write, in seconds since the epoch."""
    score: Score | None
    speed: float | None
    """Steps per second of all members: of the latest row while it trains, else the mean over the run."""
    log_every: int
    """Steps between two rows of metrics, per member."""

    def silent(self, now: float) -> float:
        """Return the seconds since the last write."""
        return max(0.0, now - self.wrote)

    def left(self, now: float) -> float | None:
        """Return the seconds until a training run has made its steps, at its present speed; None if unknown."""
        if self.doing != "training" or not self.speed:
            return None
        return max(0.0, (self.steps - self.step) * self.members / self.speed - self.silent(now))

    def stalled(self, now: float) -> bool:
        """Return whether a training run has written nothing for three times as long as a row of metrics takes."""
        if self.doing != "training" or not self.speed:
            return False
        return self.silent(now) > max(SILENT, 3 * self.log_every * self.members / self.speed)


@final
@dataclass(frozen=True)
class Unreadable:
    """A run folder that cannot be read, and why."""

    folder: Path
    problem: str


def find_runs(root: Path) -> Iterator[Path]:
    """Yield the run folders below a folder, or the folder itself, in order; links are not followed."""
    for path, folders, files in os.walk(root):
        if CONFIG in files:
            folders.clear()  # the parts of a run are no runs
            yield Path(path)
        folders.sort()


def read_states(root: Path) -> list[RunState | Unreadable]:
    """Return the state of every run below a folder, in the order of their names."""
    states: list[RunState | Unreadable] = []
    for folder in find_runs(root):
        try:
            states.append(read_state(folder))
        except UserError as error:
            states.append(Unreadable(folder, str(error)))
        except OSError as error:
            states.append(Unreadable(folder, f"{error.strerror}."))
    return states


def read_state(folder: Path) -> RunState:
    """Return the state of a run; raise `UserError` if its files cannot be read, as `results.run.read_run` does.

    Of metrics.csv only the end is read.
    """
    doing = doing_of(folder)  # first: a run that ends meanwhile still counts as training
    about = _about(folder)
    metrics = folder / METRICS
    rows = last_values(metrics, [EVALUATION, TRAINING, FPS, TOTAL, ELAPSED]) if is_taken(metrics) else {}
    newest = newest_checkpoint(folder / CHECKPOINTS) or 0
    return RunState(
        folder=folder,
        step=max([newest, *(row[0] for row in rows.values())]),
        doing=doing,
        wrote=_last_write(folder),
        score=_score(rows),
        speed=_speed(rows, doing),
        **about,
    )


def _about(folder: Path) -> dict[str, Any]:
    """Return the fields of a state that config.json has."""
    data = read_run_config(folder)
    return {
        "algorithm": data["learner"]["algorithm"],
        "env": data["env"]["name"],
        "created": data["created"],
        "members": len(data["learner"]["seeds"]),
        "steps": data["run"]["steps"],
        "log_every": data["run"].get("log_every", 1),
    }


def doing_of(folder: Path) -> Doing:
    """Return whether a run trains, or how it has ended."""
    require_run(folder)
    if is_locked(folder):
        return "training"
    reason = read_ending(folder / ENDING)
    if reason is None:  # killed, or written by an earlier version
        steps = read_run_config(folder)["run"]["steps"]
        return "finished" if (newest_checkpoint(folder / CHECKPOINTS) or 0) >= steps else "interrupted"
    if reason == "failed":
        return "failed"
    return "finished" if reason in ("finished", "stopped") else "interrupted"


def _last_write(folder: Path) -> float:
    """Return the time of the last change among the files that a run writes at intervals."""
    paths = [folder / name for name in (CONFIG, METRICS, ENDING, CHECKPOINTS)]
    return max(path.lstat().st_mtime for path in paths if is_taken(path))


def _score(rows: dict[str, tuple[int, float]]) -> Score | None:
    """Return the latest evaluation, NaN where a member has failed, or the latest training return without any."""
    if EVALUATION in rows:
        step, value = rows[EVALUATION]
        return Score(value, "evaluation", step)
    if TRAINING in rows:
        step, value = rows[TRAINING]
        if math.isnan(value):  # a member has not finished an episode yet
            return None
        return Score(value, "training", step)
    return None


def _speed(rows: dict[str, tuple[int, float]], doing: Doing) -> float | None:
    if doing == "training":
        speed = rows[FPS][1] if FPS in rows else 0.0
    else:
        speed = rows[TOTAL][1] / rows[ELAPSED][1] if TOTAL in rows and ELAPSED in rows and rows[ELAPSED][1] else 0.0
    return speed if 0.0 < speed < math.inf else None
