"""The records of a run: metrics and evaluations, when they are due."""

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from maxent.engine.learner import Learner
from maxent.engine.update import Engine
from maxent.envs.making import EnvSource
from maxent.runs.observer import Evaluation, Record
from maxent.runs.tags import CRITIC_TAGS
from maxent.training.best import BestPolicy
from maxent.training.evaluation import Critic, Evaluator
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
@dataclass(kw_only=True)
class Reporter:
    """Makes the records of a run: reads its metrics and evaluates its policies when they are due.

    Args:
        source: makes environments for evaluation.
        schedule: decides when records are due.
        updater: has the learner and counts updates.
        guard: rolls back members that have diverged before they are evaluated.
        window: statistics of finished episodes.
        best: keeps each member's best policy.
        progress: counts of steps, and rates.
        watcher: applies its rules to each record.
    """

    source: EnvSource
    schedule: Schedule
    updater: Updater
    guard: Guard
    window: EpisodeWindow
    best: BestPolicy
    progress: Progress
    watcher: Watcher
    evaluating: bool = field(default=False, init=False)
    """Whether evaluation environments are being stepped, or failed at it."""
    _evaluator: Evaluator | None = field(default=None, init=False)

    @property
    def learner(self) -> Learner:
        """The learner whose metrics and policies are reported."""
        return self.updater.learner

    @property
    def evaluates(self) -> bool:
        """Whether evaluations are on, and there are environments for them."""
        return self.schedule.run.eval_every > 0 and self.source.can_make

    def report(self, engine: Engine, everyone: Observers, before: int) -> None:
        """Record what has become due since step `before`; everything if an observer stops the run."""
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
        """Return the metrics and the evaluation of a last record that these values lack."""
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
        learner = self.learner
        critic = Critic(learner.values, learner.config.gamma) if learner.algorithm.has_q() else None
        self.evaluating = True
        result = self._evaluator.run(learner.mode, critic)
        self.evaluating = False
        self.best.consider(result.mean)
        self.watcher.add_evaluation(result.mean)
        everyone.on_evaluation(Evaluation(self.progress.step, result.returns, result.lengths, result.successes))
        metrics = {
            "eval/mean_reward": result.mean,
            "eval/mean_ep_length": result.lengths.mean(1),
            "eval/success_rate": result.success_rate,
        }
        if result.values is not None and result.discounted is not None:
            metrics |= dict(zip(CRITIC_TAGS, (result.values.mean(1), result.discounted.mean(1)), strict=True))
        return metrics

    def close(self) -> None:
        """Close the environments for evaluation."""
        if self._evaluator is not None:
            self._evaluator.close()
