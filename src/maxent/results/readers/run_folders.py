"""Curves of the run folders of maxent."""

from pathlib import Path

import numpy as np

from maxent.errors import FileError
from maxent.results.curves import Curve, Measured, make_curve
from maxent.results.run import RunResults, read_run
from maxent.runs.ending import read_ending
from maxent.runs.layout import ENDING, METRICS

TAGS: tuple[tuple[str, Measured], ...] = (("eval/mean_reward", "evaluation"), ("rollout/ep_rew_mean", "training"))


def read_run_folder(path: Path) -> list[Curve]:
    """Return the curve of each seed of a run: its evaluations, or its training returns if there are none.

    A member without a number where others have one has failed, and so have all members of a run that an error ended.
    """
    return curves_of(read_run(path))


def curves_of(run: RunResults) -> list[Curve]:
    """Return the curve of each seed of a run that has been read."""
    failed = read_ending(run.folder / ENDING) == "failed"
    settings = {name: value for name, value in run.settings.items() if name not in ("seed", "seeds")}
    for tag, measured in TAGS:
        rows, values = run.metrics.known(tag)
        if not len(rows) or values.shape[1] != run.members:
            continue
        minutes, steps = run.metrics.axis("minutes")[rows], run.metrics.steps[rows]
        if failed and steps[-1] < run.steps:  # at the planned end there is no return
            steps, minutes = np.append(steps, run.steps), np.append(minutes, minutes[-1])
            values = np.append(values, np.full((1, run.members), np.nan), axis=0)
        return [
            make_curve(
                run.algorithm, run.env, seed, steps, own,
                60.0 * minutes if np.isfinite(minutes).all() else None,
                settings=settings, source=str(run.folder), measured=measured,
            )
            for seed, own in zip(run.seeds, values.T, strict=True)
        ]  # fmt: skip
    problem = "expected returns of evaluations or of training, got none"
    raise FileError(run.folder / METRICS, problem, "the run may have only begun")
