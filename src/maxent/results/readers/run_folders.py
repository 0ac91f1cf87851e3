"""Curves of the run folders of maxent."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maxent.errors import FileError, UserError
from maxent.results.curves import Curve, Measured, make_curve
from maxent.runs.files import naming
from maxent.runs.folder import CONFIG, METRICS, RunFolder
from maxent.runs.table import read_table
from maxent.untrusted import ListOf, Whole, require

TAGS: tuple[tuple[str, Measured], ...] = (("eval/mean_reward", "evaluation"), ("rollout/ep_rew_mean", "training"))


def read_run_folder(path: Path) -> list[Curve]:
    """Return the curve of each seed of a run: its evaluations, or its training returns if there are none."""
    folder = RunFolder.open(path)
    config = folder.read_config()
    with naming(path / CONFIG):
        env, algorithm, settings, seeds = _described(config)
    columns = read_table(folder.metrics)
    if "step" not in columns:
        raise FileError(folder.metrics, "expected a column step, got none")
    for tag, measured in TAGS:
        names = [f"{tag}/{member}" for member in range(len(seeds))] if len(seeds) > 1 else [tag]
        if not all(name in columns for name in names):
            continue
        values = np.stack([columns[name] for name in names])  # [P, T]
        rows = ~np.isnan(values).all(axis=0)  # rows without an evaluation
        if not rows.any():
            continue
        steps, seconds = columns["step"][rows], _seconds(columns, rows)
        try:
            return [
                make_curve(
                    algorithm, env, seed, steps, own, seconds,
                    settings=settings, source=str(path), measured=measured,
                )
                for seed, own in zip(seeds, values[:, rows], strict=True)
            ]  # fmt: skip
        except UserError as error:
            raise FileError(folder.metrics, str(error)) from error
    raise FileError(
        path / METRICS, "expected returns of evaluations or of training, got none", "the run has only begun"
    )


def _described(config: dict[str, Any]) -> tuple[str, str, dict[str, Any], list[int]]:
    """Return environment, algorithm, settings and seeds."""
    env, learner = config.get("env"), config.get("learner")
    require(env, dict, "env")
    require(learner, dict, "learner")
    assert isinstance(env, dict)
    assert isinstance(learner, dict)
    require(env.get("name"), str, "env name")
    require(learner.get("algorithm"), str, "learner algorithm")
    require(learner.get("seeds"), ListOf(Whole()), "learner seeds")
    if not learner["seeds"]:
        raise UserError("learner seeds: expected at least one, got none.")
    settings: dict[str, Any] = {}
    for part in (config.get("run"), config.get("replay"), learner.get("settings")):
        settings |= part if isinstance(part, dict) else {}
    for name in ("seed", "seeds"):
        settings.pop(name, None)
    return env["name"], learner["algorithm"], settings, learner["seeds"]


def _seconds(columns: dict[str, NDArray[np.float64]], rows: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    elapsed = columns.get("time/time_elapsed")
    return None if elapsed is None else elapsed[rows]
