"""The training loop of every algorithm: collect, update, log, evaluate, save."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from maxent.engine.device import Compute
from maxent.engine.learner import Learner, LearnerState
from maxent.engine.streams import Streams
from maxent.engine.update import Engine, Mode
from maxent.envs.failures import Failure
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.replay import RowLayout
from maxent.runs.checkpoint import CheckpointStore, Snapshot
from maxent.runs.folder import RunFolder
from maxent.runs.observer import EpisodeEnd, Observer
from maxent.stateful import Saved, Stateful, gather, part_of
from maxent.training.best import BestPolicy, write_policies
from maxent.training.collector import Collector
from maxent.training.description import Said, announcements, header_of, resume_command
from maxent.training.experience import make_experience
from maxent.training.failing import saved_where
from maxent.training.guard import Guard
from maxent.training.lanes import open_lanes
from maxent.training.memory import require_memory
from maxent.training.metrics import EpisodeWindow, tags_of
from maxent.training.observers import Observers
from maxent.training.progress import Progress
from maxent.training.reporting import Reporter
from maxent.training.restoring import OF_REPLAY, require_restorable
from maxent.training.sampling import ArraysState
from maxent.training.schedule import Schedule
from maxent.training.settings import Settings, require_used
from maxent.training.stop import Outcome, Overdue, Stop
from maxent.training.watcher import Watcher
from maxent.training.words import whole


@final
class Trainer:
    """Trains P members in lockstep. A checkpoint contains the state of its `parts`.

    Args:
        source: where environments come from.
        settings: all settings of the run.
        console: an observer that shows the run to its user.
        place: a folder on whose disk the replay is if `replay_storage` is disk; None for that of temporary files.
    """

    def __init__(self, source: EnvSource, settings: Settings, console: Observer, *, place: Path | None = None) -> None:
        run = settings.run
        seeds = [run.seed + member for member in range(run.seeds)]
        self.source, self.console = source, console
        self.lanes = open_lanes(source, settings, seeds, console)
        self.compute = Compute.choose(run.device, run.precision)
        self.compute.apply()
        # the resolved device and precision are saved, so that a resume on another machine uses the same ones or fails
        run = replace(run, device=self.compute.device, precision=self.compute.precision)
        self._given = replace(settings, run=run)
        observation, action = self.lanes.observation, self.lanes.action
        self.schedule = Schedule(self._given, self.lanes.count // run.seeds)
        self.settings = self._given.planned(self.schedule.updates_at(run.steps))
        config = self.settings.config
        self.learner = Learner(settings.algorithm, config, seeds, observation, action, device=self.compute.device)
        require_used(self.learner.algorithm, config)
        self.streams = Streams(seeds, self.compute.device)
        self.layout = RowLayout(observation.floats, observation.bytes, action.size)
        self.window, self.best, self.progress = EpisodeWindow(run.seeds), BestPolicy(self.learner), Progress()
        self._make_replay(place)
        self.folder: RunFolder | None = None
        self._engine: Engine | None = None
        self._filling = True  # whether the replay may lack transitions to sample
        self._stop = Stop()
        self._restored = 0  # updates that were made before this process
        self._said = Said()
        self.notes: list[str] = []  # sentences for the user, before the announcements

    def _make_replay(self, place: Path | None) -> None:
        """Make the replay, and everything that depends on it."""
        self.replay, self.dropped, self.sampler, self.gather, self.updater = make_experience(self, place)
        self.guard = Guard(self.learner, self.streams, self.replay, self.sampler)
        self.collector = Collector(self.lanes, self.replay, self.learner, self.streams, self.schedule, self.guard)
        self.watcher = Watcher(self.learner, self.replay, self.schedule.n_step)
        self.reporter = Reporter(
            source=self.source, schedule=self.schedule, updater=self.updater, guard=self.guard,
            window=self.window, best=self.best, progress=self.progress, watcher=self.watcher,
        )  # fmt: skip

    def write_to(self, folder: RunFolder) -> None:
        """Write this run into a folder; a replay on the disk that has no rows yet moves there."""
        self.folder = folder
        if self.replay.file is not None and not self.replay.file.reserved:
            self._make_replay(folder.path)

    def extend(self, steps: int) -> None:
        """Set the total number of steps. An eager engine is chosen anew: more updates may pay for compilation."""
        steps = whole(steps)
        if steps < self.progress.step:
            raise UserError(
                f"steps: every member has made {self.progress.step:,} already, got {steps:,}; expected more."
            )
        run = replace(self.settings.run, steps=steps)
        if self.updater.updates == 0:  # nothing has been learned by another schedule of step sizes
            self.settings = self._given.planned(self.schedule.updates_at(steps))
            self.learner.configure(self.settings.config)
        self.settings = replace(self.settings, run=run)
        self.schedule.run = run
        if self._engine is not None and (self.updater.updates == 0 or not self._engine.mode.compiled):
            self._engine = None

    def engine(self) -> Engine:
        """Return the update. Whether it is compiled is decided before a run starts and kept until `extend`."""
        if self._engine is None:
            updates = self.schedule.updates_at(self.settings.run.steps) - self._restored
            made = self.updater.updates - self._restored
            self._engine = self._make_engine(Mode.choose(self.settings.run.compile, updates, made))
        return self._engine

    def _make_engine(self, mode: Mode) -> Engine:
        priorities, threads = self.sampler.uses_priorities, self.settings.run.threads
        engine = Engine(self.learner.algorithm, self.gather, mode, priorities, self.compute, threads)
        if "metric_sums" not in self.learner.state:
            engine.add_metrics(self.learner.state)
        return engine

    def scores(self) -> NDArray[np.float64]:
        """Return the score of each member: its best evaluation, or its training return before the first one. [P]"""
        return self.best.score if np.isfinite(self.best.score).any() else self.window.returns()

    def run(self, observers: Sequence[Observer] = ()) -> Outcome:
        """Train until every member has made its steps, a signal arrives, or an observer stops the run; then save."""
        if self.folder:
            self.folder.lock()
        try:
            engine, listening = self.engine(), [self.console, *observers]
            if self.folder:
                episodes = self.settings.run.eval_episodes if self.reporter.evaluates else 0
                listening = [*self.folder.sinks(tags_of(self.learner.algorithm), episodes), *listening]
            everyone = Observers(listening)
            try:
                self.guard.on_message = everyone.on_message
                everyone.on_start(header_of(self))
                self._said.pass_on([*self.notes, *announcements(self)], everyone.on_message)
                with self._stop.on_signals():
                    self.collector.begin()
                    self._said.pass_on(self.collector.remarks(), everyone.on_message)
                    if self.folder and self.folder.checkpoints.newest is None:
                        self._checkpoint(everyone, self.folder)
                    self._loop(engine, everyone)
                if self._stopped(everyone):
                    everyone.on_message(f"stopped by an observer at step {self.progress.step:,}")
                if self.folder:
                    self._finish(everyone, self.folder)
            except BaseException as error:
                everyone.fail(error)
                raise
            everyone.on_end("stopped" if self._stopped(everyone) else self._stop.outcome.name.lower())
        finally:
            if self.folder:
                self.folder.unlock()
            self._stop.end()
        return self._stop.outcome

    def _loop(self, engine: Engine, everyone: Observers) -> None:
        progress, schedule, until = self.progress, self.schedule, self.settings.run.steps
        progress.begin(self.updater.updates)
        save = partial(self._save_failed, everyone)
        while progress.step < until and not self._stop.due and not everyone.stop:
            before = progress.step
            try:
                with saved_where(lambda: self.collector.stepping, save), self._stop.during_step():
                    collected = self.collector.step(before)
            except Overdue:
                everyone.on_message(f"the environments did not end step {before:,} after the signal; it is given up")
                break
            progress.transitions += collected.transitions
            progress.step += schedule.envs
            for episode in collected.episodes:
                member, env = divmod(episode.lane, schedule.envs)
                self.window.add_episode(member, episode.ret, episode.length, episode.success)
                self.watcher.add_episode(member, episode.ret)
                end = episode.ret, episode.length, episode.success
                everyone.on_episode(EpisodeEnd(progress.step, member, env, *end))
            for failure in collected.failures:
                self._drop(failure, everyone)
            due = schedule.updates_due(self._transitions()) - self.updater.updates
            if due > 0 and self._filling:
                self._filling = not self.replay.can_sample()
            if not self._filling:
                self.updater.run(engine, due, min(1.0, progress.step / until))
                self.guard.hold()
            progress.elapsed = progress.clock.elapsed()
            with saved_where(lambda: self.reporter.evaluating, save):
                self.reporter.report(engine, everyone, before)
            if schedule.log_due(before, progress.step):
                self._said.pass_on(self.lanes.advice(), everyone.on_message)
            if schedule.checkpoint_due(before, progress.step):
                self.guard.examine(progress.step)
                self.guard.keep(progress.step)
                if self.folder:
                    self._checkpoint(everyone, self.folder)
            everyone.on_step(progress.step)

    def _drop(self, failure: Failure, everyone: Observers) -> None:
        """Drop the steps of an episode that an environment could not finish."""
        rows = self.dropped.drop(failure.lane, failure.length)
        self.sampler.forget(rows)
        self.window.add_failure(failure.lane // self.schedule.envs)
        self._filling = True
        if self.schedule.rollout:
            self.schedule.count_from(self._transitions(), self.updater.updates)
        everyone.on_message(f"{failure.text} Its {failure.length:,} steps are dropped, and another episode begins.")

    def _save_failed(self, everyone: Observers) -> str:
        """Write a checkpoint as it was before the environments failed; return how to go on, "" without a folder."""
        if self.folder is None:
            return ""
        self.collector.pending = None  # the environments may fail again at the same actions
        self._checkpoint(everyone, self.folder)
        return resume_command(self)

    def _stopped(self, everyone: Observers) -> bool:
        """Return whether an observer stopped the run before its last step."""
        return everyone.stop and self._stop.signal is None and self.progress.step < self.settings.run.steps

    @property
    def parts(self) -> dict[str, Stateful]:
        """The parts that a checkpoint contains, in the order in which they are restored."""
        return {
            "learner": LearnerState(self.learner),
            "guard": self.guard,
            "best": self.best,
            "streams": self.streams,
            "metrics": self.window,
            "schedule": self.schedule,
            "progress": self.progress,
            "watcher": self.watcher,
            "updater": self.updater,
            "dropped": ArraysState(self.dropped),  # after the rows of the replay
            "sampler": ArraysState(self.sampler),
            "collector": self.collector,
        }

    def save(self, store: CheckpointStore, *, replay: bool = True) -> None:
        """Write a checkpoint into the store; without the replay, updates are counted anew from here after loading."""
        engine = self.engine()  # it puts the sums of metrics into the state
        saved = gather({name: part for name, part in self.parts.items() if replay or name not in OF_REPLAY})
        parts = dict(saved.plain)
        if not replay:
            parts["schedule"] = self.schedule.counted_from(self._transitions(), self.updater.updates)
        plain = {"compiled": engine.mode.compiled, "layers": engine.layers, "parts": parts}
        tensors = {**saved.tensors, "scores": torch.tensor(self.scores())}
        store.write(self.progress.step, plain, tensors, self.replay if replay else None)

    def restore(self, store: CheckpointStore, snapshot: Snapshot) -> None:
        """Restore a checkpoint."""
        plain, saved = snapshot.plain, Saved(snapshot.plain["parts"], snapshot.tensors)
        self._engine = engine = self._make_engine(Mode.resumed(plain["compiled"]))
        if plain["layers"] != engine.layers:
            was = plain["layers"]
            self.console.on_message(f"layers: {engine.layers}; they were {was}, so numbers will differ by rounding")
        require_restorable(self, saved)
        require_memory(self, saved.plain["progress"]["step"])
        for name, part in self.parts.items():
            if name in OF_REPLAY and name not in saved.plain:
                continue
            if name == "dropped":
                store.read_replay(snapshot, self.replay)
            part.restore(part_of(saved, name))
        self._restored = self.updater.updates

    def _transitions(self) -> int:
        """Return the transitions of each member so far."""
        return self.progress.transitions // self.learner.members

    def _checkpoint(self, everyone: Observers, folder: RunFolder) -> None:
        everyone.flush()  # no row of metrics before a checkpoint may be lost
        self.guard.examine(self.progress.step)
        self.save(folder.checkpoints)
        everyone.on_checkpoint(self.progress.step)

    def _finish(self, everyone: Observers, folder: RunFolder) -> None:
        """Write the last checkpoint and the final policies."""
        self._checkpoint(everyone, folder)
        write_policies(folder, self.best, step=self.progress.step, scores=self.scores())

    def close(self) -> None:
        """Close the environments."""
        self.lanes.close()
        self.reporter.close()
