"""What a run has come to, in one number, its interval and one sentence."""

from dataclasses import dataclass
from typing import final

import numpy as np

from maxent.findings import plural
from maxent.results.metrics import LARGEST, Array
from maxent.results.run import RunResults
from maxent.results.state import Doing
from maxent.statistics import mean_interval
from maxent.view.readings import clock, number


@final
@dataclass(frozen=True)
class Verdict:
    """The last return of a run.

    Args:
        kind: `evaluation`, `training` where there are no evaluations, or `none` where no episode has finished.
        step: where it was measured.
        values: the return of each member, NaN where it has none. [P]
        failed: members that have no number where they had one before, or where others have one.
        doing: whether the run trains, or how it ended.
    """

    kind: str
    step: int
    values: Array
    failed: int = 0
    doing: Doing = "finished"

    @property
    def mean(self) -> float:
        """Mean over the members that have a return; NaN where nothing is known."""
        known = self.values[np.isfinite(self.values)]
        return float(known.mean()) if len(known) else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % t-interval of the mean; NaN for one member, and where a member has no return."""
        if len(self.values) < 2 or not np.isfinite(self.values).all():
            return float("nan"), float("nan")
        found = mean_interval(self.values)
        return float(found.low), float(found.high)

    def sentence(self) -> str:
        """Return how the number was measured and how sure it is."""
        if self.kind == "none":
            return "No episode has finished yet." if self.doing == "training" else "No episode has finished."
        what = {
            "evaluation": "Mean return of the last evaluation",
            "training": "Mean return of the last 100 training episodes",
        }[self.kind]
        members, known = len(self.values), int(np.isfinite(self.values).sum())
        if known < members:
            if not known:
                return f"{self.failures()} At step {self.step:,}, the last one measured, no return is a finite number."
            mean = f"{what}, at step {self.step:,}, over {known} of {members} seeds"
            return f"{self.failures()} {mean}; without the others it has no interval.".lstrip()
        where = f"{what}, at step {self.step:,}, over {plural(members, 'seed')}"
        if members == 1:
            return f"{where}. One seed has no interval: train several to know how sure it is."
        return f"{where}. The interval is Student's t-interval of the mean over seeds."

    def failures(self) -> str:
        """Return how many seeds have failed; empty if none has."""
        if not self.failed:
            return ""
        return f"{self.failed} of {plural(len(self.values), 'seed')} {'has' if self.failed == 1 else 'have'} failed."

    def ending(self) -> str:
        """Return what has become of a run that did not end as planned, or of one that trains; else empty."""
        return ENDINGS.get(self.doing, "")


ENDINGS = {
    "training": "This run is training.",
    "interrupted": "This run was interrupted before its last step.",
    "failed": "This run has failed: an error ended it.",
}


def verdict_of(run: RunResults) -> Verdict:
    """Return the last evaluation of a run; without evaluations its last training return.

    Members without a finite return have failed there; in training only if they had one before.
    """
    evaluations = run.evaluations
    if len(evaluations.steps):
        means = evaluations.means[-1]
        return Verdict("evaluation", int(evaluations.steps[-1]), means, int(np.isnan(means).sum()), run.doing)
    returns = run.metrics.by_member("rollout/ep_rew_mean")  # [T, P]
    rows = np.flatnonzero(~np.isnan(returns).all(axis=1))
    if not len(rows) or returns.shape[1] != run.members:
        return Verdict("none", 0, np.empty(0), doing=run.doing)
    finite = np.abs(returns) < LARGEST
    last = np.where(finite[rows[-1]], returns[rows[-1]], np.nan)
    failed = int((~finite[rows[-1]] & finite.any(axis=0)).sum())
    return Verdict("training", int(run.metrics.steps[rows[-1]]), last, failed, run.doing)


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
