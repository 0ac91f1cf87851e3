"""What a run has come to, in one number, its interval and one sentence."""

from dataclasses import dataclass
from typing import final

import numpy as np

from maxent.findings import plural
from maxent.results.metrics import Array
from maxent.results.run import RunResults
from maxent.statistics import mean_interval
from maxent.view.readings import clock, number


@final
@dataclass(frozen=True)
class Verdict:
    """The last return of a run.

    Args:
        kind: `evaluation`, `training` where there are no evaluations, or `none` where no episode has finished.
        step: where it was measured.
        values: the return of each member. [P]
    """

    kind: str
    step: int
    values: Array

    @property
    def mean(self) -> float:
        """Mean over members; NaN where nothing is known."""
        return float(self.values.mean()) if len(self.values) else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % t-interval of the mean; NaN for one member."""
        if len(self.values) < 2:
            return float("nan"), float("nan")
        found = mean_interval(self.values)
        return float(found.low), float(found.high)

    def sentence(self) -> str:
        """Return how the number was measured and how sure it is."""
        if self.kind == "none":
            return "No episode has finished yet."
        what = {
            "evaluation": "Mean return of the last evaluation",
            "training": "Mean return of the last 100 training episodes",
        }[self.kind]
        members = len(self.values)
        where = f"{what}, at step {self.step:,}, over {plural(members, 'seed')}"
        if members == 1:
            return f"{where}. One seed has no interval: train several to know how sure it is."
        return f"{where}. The interval is Student's t-interval of the mean over seeds."


def verdict_of(run: RunResults) -> Verdict:
    """Return the last evaluation of a run; without evaluations its last training return."""
    evaluations = run.evaluations
    if len(evaluations.steps):
        return Verdict("evaluation", int(evaluations.steps[-1]), evaluations.means[-1])
    rows, values = run.metrics.known("rollout/ep_rew_mean")
    whole = np.flatnonzero(~np.isnan(values).any(axis=1))
    if len(whole):
        return Verdict("training", int(run.metrics.steps[rows[whole[-1]]]), values[whole[-1]])
    return Verdict("none", 0, np.empty(0))


def facts_of(run: RunResults) -> dict[str, str]:
    """Return what stands beside the verdict: how much was trained, for how long, and where."""
    metrics = run.metrics
    steps = f"{metrics.reached:,} per seed"
    if metrics.reached < run.steps:
        steps += f" of {run.steps:,} planned"
    facts = {"Seeds": f"{run.members:,} ({_seeds(run.seeds)})", "Environment steps": steps}
    if np.isfinite(metrics.seconds):
        facts["Time"] = f"{clock(metrics.seconds)} (h:mm:ss)"
        if metrics.seconds > 0:
            facts["Speed"] = f"{number(metrics.reached * run.members / metrics.seconds, 0)} steps/s, all seeds together"
    if np.isfinite(metrics.updates):
        facts["Updates"] = f"{int(metrics.updates):,} per seed"
    facts["Machine"] = run.machine
    return facts


def _seeds(seeds: tuple[int, ...]) -> str:
    """Return the seeds in words: a range where they follow each other."""
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds[:8])) + (", …" if len(seeds) > 8 else "")


def signed(value: float) -> str:
    """Return a number with a minus sign instead of a hyphen."""
    return number(value).replace("-", "\N{MINUS SIGN}") if value == value else "unknown"
