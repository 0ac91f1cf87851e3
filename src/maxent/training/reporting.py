"""What a run records: metrics and evaluations, when they are due."""

from typing import Any, final

import numpy as np

from maxent.engine.update import Engine
from maxent.envs.making import EnvSource
from maxent.runs.observer import Evaluation, Record
from maxent.training.best import BestPolicy
from maxent.training.evaluation import Evaluator
from maxent.training.guard import Guard
from maxent.training.metrics import EpisodeWindow
from maxent.training.observers import Observers
from maxent.training.progress import Progress
from maxent.training.schedule import Schedule
from maxent.training.updater import Updater
from maxent.training.watcher import Watcher

RUN_EVALUATION_BASE = 0
"""First seed of a run's own evaluations: the same for every run, so that members and runs compare."""


@final
class Reporter:
    """Makes the records of a run.

    Args:
        source: where environments for evaluation come from.
        schedule: when what is due.
        updater: whose learner is reported.
        guard: puts members back that have diverged, before they are evaluated.
        window: finished episodes.
        best: keeps each member's best policy.
        progress: counts and rates.
        watcher: looks at the records for what ails the run.
    """

    def __init__(
        self,
        source: EnvSource,
        schedule: Schedule,
        updater: Updater,
        guard: Guard,
        window: EpisodeWindow,
        best: BestPolicy,
        progress: Progress,
        watcher: Watcher,
    ) -> None:
        self.source, self.schedule, self.updater, self.guard = source, schedule, updater, guard
        self.window, self.best, self.progress, self.learner = window, best, progress, updater.learner
        self.watcher = watcher
        self._evaluator: Evaluator | None = None
        self.evaluating = False
        """Whether evaluation environments are being stepped, or failed at it."""

    @property
    def evaluates(self) -> bool:
        """Whether evaluations are on, and there are environments for them."""
        return self.schedule.run.eval_every > 0 and self.source.can_make

    def report(self, engine: Engine, everyone: Observers, before: int) -> None:
        """Record what is due after the steps since `before`; where an observer stops the run, as at its last step."""
        step, values = self.progress.step, dict[str, Any]()
        if self.schedule.log_due(before, step):
            values |= self._metrics(engine)
        if self.evaluates and self.schedule.evaluation_due(before, step):
            values |= self._evaluate(everyone)
        if everyone.stop:  # by an episode or the evaluation
            values |= self._missing(engine, everyone, values)
        if values:
            everyone.on_record(Record(step, values))
        if everyone.stop and (rest := self._missing(engine, everyone, values)):  # by the record
            everyone.on_record(Record(step, rest))
        for finding in self.watcher.take():
            everyone.on_finding(finding, step)

    def _missing(self, engine: Engine, everyone: Observers, values: dict[str, Any]) -> dict[str, Any]:
        """Return the metrics and the evaluation that a last record has and these values lack."""
        rest = {} if "train/n_updates" in values else self._metrics(engine)
        if self.evaluates and "eval/mean_reward" not in values:
            rest |= self._evaluate(everyone)
        return rest

    def _metrics(self, engine: Engine) -> dict[str, Any]:
        """Return the metrics since the last record; every value [P]."""
        members = self.learner.members
        values = engine.read_metrics(self.learner.state) | self.window.summarise()
        self.guard.examine(self.progress.step, values)
        values |= self.watcher.look(self.progress.step, self.updater.updates, values)
        shared = self.learner.algorithm.scheduled(self.progress.step)
        shared |= self.progress.tags(members, self.updater.updates)
        return values | {tag: np.full(members, value) for tag, value in shared.items()}

    def _evaluate(self, everyone: Observers) -> dict[str, Any]:
        """Play the mode on the evaluation seeds; keep each member's best policy."""
        if self._evaluator is None:
            run = self.schedule.run
            self._evaluator = Evaluator(self.source, run.seeds, run.eval_episodes, RUN_EVALUATION_BASE)
        self.guard.examine(self.progress.step)
        self.evaluating = True
        result = self._evaluator.run(self.learner.mode)
        self.evaluating = False
        self.best.consider(result.mean)
        self.watcher.add_evaluation(result.mean)
        everyone.on_evaluation(Evaluation(self.progress.step, result.returns, result.lengths, result.successes))
        return {
            "eval/mean_reward": result.mean,
            "eval/mean_ep_length": result.lengths.mean(1),
            "eval/success_rate": result.success_rate,
        }

    def close(self) -> None:
        """Close the environments for evaluation."""
        if self._evaluator is not None:
            self._evaluator.close()
