"""The loop of every algorithm: act, step, store, update; now and then log, evaluate and save."""

from dataclasses import replace
from typing import Any, NoReturn, final

import numpy as np
import torch
from numpy.typing import NDArray

from maxent.algorithms.base import AlgorithmConfig, OnPolicyConfig
from maxent.engine.device import Compute, DeviceColumns, HostColumns
from maxent.engine.host import subnormals_as_zero
from maxent.engine.learner import Learner
from maxent.engine.streams import Streams
from maxent.engine.update import Engine, Mode
from maxent.envs.lanes import Lanes, LaneState
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.nn.optimiser import State
from maxent.replay import Gather, Newest, Replay, RowLayout, Sampler
from maxent.runs.checkpoint import CheckpointStore, Snapshot
from maxent.runs.folder import RunFolder
from maxent.runs.observer import Observer, Record, RunHeader
from maxent.spaces import Packed
from maxent.training.evaluation import Evaluator
from maxent.training.experience import make_sampler
from maxent.training.metrics import MetricWindow, tags_of
from maxent.training.settings import TrainConfig
from maxent.training.stop import Outcome, Stop
from maxent.view.readings import Clock

EVALUATION_BASE = 0
"""Where the seeds of a run's own evaluations start: the same for every run, so that members and runs compare."""


@final
class Trainer:
    """Trains P members in lockstep; all that it knows is in its learner, replay, lanes, streams and counters.

    Args:
        source: where environments come from.
        algorithm: the algorithm's name.
        algorithm_config: its settings.
        config: the settings of the run.
        console: what the user sees.
    """

    def __init__(
        self,
        source: EnvSource,
        algorithm: str,
        algorithm_config: AlgorithmConfig,
        config: TrainConfig,
        console: Observer,
    ) -> None:
        self.source, self.config, self.console = source, config, console
        self.seeds = [config.seed + member for member in range(config.seeds)]
        self.lanes = Lanes.open(
            source, members=config.seeds, envs_per_member=config.num_envs, seeds=self.seeds, workers=config.workers
        )
        self.envs = self.lanes.count // config.seeds  # N
        self.compute = Compute.choose(config.device, config.precision)
        self.compute.apply()
        # what "auto" meant stands in the run's files, so that a resume on another machine computes alike or says so
        self.config = config = replace(config, device=self.compute.device, precision=self.compute.precision)
        self.learner = Learner(
            algorithm, algorithm_config, self.seeds, self.lanes.observation, self.lanes.action,
            device=self.compute.device,
        )  # fmt: skip
        self.layout = RowLayout(self.lanes.observation.floats, self.lanes.observation.bytes, self.lanes.action.size)
        self.streams = Streams(self.seeds, self.compute.device)
        if isinstance(algorithm_config, OnPolicyConfig):
            config.require_no_replay(algorithm, algorithm_config.run_defaults)
        self.rollout = algorithm_config.rollout_steps if isinstance(algorithm_config, OnPolicyConfig) else 0
        # an on-policy update reads the newest steps: each may be followed by a final observation, and one is pending
        capacity = self.envs * (2 * self.rollout + 2) if self.rollout else config.buffer_size
        self.replay = Replay(self.layout, members=config.seeds, lanes=self.envs, capacity=capacity)
        self.gather = Gather(
            self.layout, self.lanes.observation, self.replay.ring,
            algorithm_config.gamma, config.n_step, algorithm_config.reward_scale, in_order=self.rollout > 0,
        )  # fmt: skip
        self.batch_size = self.envs * self.rollout if self.rollout else config.batch_size
        self.sampler = self._make_sampler()
        self.window = MetricWindow(config.seeds)
        self.step = 0  # environment steps per member
        self.transitions = 0  # all members together
        self.updates = 0  # per member
        self.elapsed = 0.0  # seconds, over all sessions of the run
        self.best: State = self.learner.policy()
        self.best_score = np.full(config.seeds, -np.inf)  # [P]
        self.folder: RunFolder | None = None
        self._held = np.zeros((config.seeds, self.envs, self.lanes.action.size), np.float32)  # the last random action
        on_host = self.compute.device == "cpu"
        self._columns = HostColumns(self.replay) if on_host else DeviceColumns(self.replay, self.compute.device)
        self._engine: Engine | None = None
        self._evaluator: Evaluator | None = None
        self._obs: Packed | None = None
        self._stop = Stop()
        self._torn = False  # whether an exception came between a step of the environments and the replay
        self._counted_from = (0, 0)  # transitions and updates from which updates are due

    def _make_sampler(self) -> Sampler:
        """What chooses the transitions of each update."""
        if self.rollout:
            return Newest(self.replay, self.rollout)
        return make_sampler(
            self.config, self.replay, self.streams.sampling, source=self.source, observation=self.lanes.observation
        )

    def extend(self, steps: int) -> None:
        """Set the number of steps to go to; an eager engine is chosen anew: more updates may pay to compile."""
        if steps < self.step:
            raise UserError(f"steps: every member has made {self.step:,} already, got {steps:,}; ask for more.")
        self.config = replace(self.config, steps=steps)
        if self._engine is not None and not self._engine.mode.compiled:
            self._engine = None

    def engine(self) -> Engine:
        """The update; whether it is compiled is decided before a run starts, and stands until `extend`."""
        if self._engine is None:
            mode = Mode.choose(self.config.compile, self._updates_at(self.config.steps) - self.updates)
            self._engine = Engine(self.learner.algorithm, self.gather, mode, self.sampler.learns_errors, self.compute)
            if "metric_sums" not in self.learner.state:
                self._engine.add_metrics(self.learner.state)
        return self._engine

    def header(self) -> RunHeader:
        """What the run says of itself at its start."""
        return RunHeader(
            algo=self.learner.algorithm.name,
            env=self.source.name,
            members=self.config.seeds,
            device=str(self.compute),
            compiled=self.engine().mode.compiled,
            steps=self.config.steps,
            start=self.step,
            folder=None if self.folder is None else str(self.folder.path),
        )

    def announce(self) -> None:
        """Say what the run will take and how it computes, before it takes anything."""
        nbytes = Replay.nbytes(self.layout, members=self.config.seeds, capacity=self.replay.capacity)
        self.console.on_message(
            f"replay: {self.replay.capacity:,} rows of {self.layout.nbytes} bytes a member, "
            f"{nbytes / 1e6:,.1f} MB for {self.config.seeds} when full; memory is taken as it fills"
        )
        if self.config.eval_every and not self.source.can_make:
            self.console.on_message("no evaluation: another environment like the one handed in cannot be made")
        if not self._updates_at(self.config.steps):
            self.console.on_message(
                f"no update will be made: {self.config.steps:,} steps are fewer than the first takes"
            )
        mode = self.engine().mode
        self.console.on_message(f"updates: {'compiled' if mode.compiled else 'eager'}, because {mode.reason}")
        self.console.on_message(f"layers: {self.engine().layers}")

    def bytes_to_write(self) -> int:
        """What a run folder may come to hold: replay segments, up to one ring too many, and checkpoints."""
        rows = min(self.replay.capacity, 2 * self.config.steps)
        replay = Replay.nbytes(self.layout, members=self.config.seeds, capacity=rows)
        state = sum(tensor.nbytes for tensor in self.learner.state.values())
        return 2 * replay + 4 * state

    def scores(self) -> NDArray[np.float64]:
        """How good each member is so far: its best evaluation, or its training return before any. [P]"""
        return self.best_score if np.isfinite(self.best_score).any() else self.window.returns()

    def attach(self, folder: RunFolder) -> None:
        """From now on write metrics, checkpoints and policies into this folder."""
        self.folder = folder

    def run(self) -> Outcome:
        """Train until every member has made `config.steps` steps, or a signal asks to stop; then save what there is."""
        engine, sinks = self.engine(), list[Observer]()
        self.console.on_start(self.header())
        try:
            if self.folder:
                self.folder.lock()
            self.announce()
            if self.folder:
                sinks = self.folder.sinks(tags_of(self.learner.algorithm))
                for sink in sinks:
                    sink.on_start(self.header())
            with self._stop.on_signals():
                self._begin_episodes()
                if self.folder and self.folder.checkpoints.newest is None:
                    self.save(self.folder.checkpoints)
                self._loop(engine, sinks)
            if self.folder:
                self._finish(self.folder)
        finally:
            for sink in sinks:
                sink.on_end("end")
            if self.folder:
                self.folder.unlock()
            self.console.on_end("end")
        return self._stop.outcome

    def _begin_episodes(self) -> None:
        """Reset the environments at the start, and after a step that an exception tore between them and the replay."""
        if self._obs is None:
            self._obs = self.lanes.reset()
            self.replay.begin(self._obs)
        elif self._torn:
            self._obs = self.lanes.reset()
            self.replay.end_episode(np.arange(self.lanes.count), self._obs)
        self._torn = False

    def _loop(self, engine: Engine, sinks: list[Observer]) -> None:
        until = self.config.steps
        clock = Clock(self.step, self.updates, self.elapsed)
        while self.step < until and self._stop.signal is None:
            before = self.step
            self._torn = True
            self._advance()
            self._torn = False
            self.update(self.updates_due() - self.updates)
            self.elapsed = clock.elapsed()
            values: dict[str, Any] = {}
            if _crossed(before, self.step, self.config.log_every) or self.step >= until:
                values |= self._log(engine, clock)
            if _crossed(before, self.step, self.config.eval_every) or (self.step >= until and self.config.eval_every):
                values |= self._evaluate()
            if values:
                record = Record(self.step, values)
                for sink in sinks:
                    sink.on_record(record)
                self.console.on_record(record)
            if self.folder and _crossed(before, self.step, self.config.checkpoint_every):
                for sink in sinks:
                    sink.flush()  # a row must not be missing behind the checkpoint that follows it
                self.save(self.folder.checkpoints)
            self.console.on_step(self.step)

    def _advance(self) -> None:
        """One step of every environment, into the replay."""
        assert self._obs is not None
        members, envs, size = self.config.seeds, self.envs, self.lanes.action.size
        if self.step < self.config.learning_starts:
            action = self._random_actions()
        else:
            draws = (envs, self.learner.algorithm.act_noise)
            noise = np.stack([stream.standard_normal(draws, np.float32) for stream in self.streams.acting])
            obs = {part: array.reshape(members, envs, -1) for part, array in self._obs.items()}
            action = self.learner.act(obs, noise, self.step)
            if not np.isfinite(action).all():  # before the environment is blamed for what it makes of them
                self._stop_diverged(["actions"])
        action = action.reshape(members * envs, size)
        step = self.lanes.step(action)
        if self.rollout and not step.live.all():
            raise UserError(
                "environment: an on-policy algorithm needs equally many steps of all environments, and this vector "
                "environment spends some on resets; make it with autoreset_mode=AutoresetMode.SAME_STEP."
            )
        self.replay.add(
            action, step.reward, step.terminated, step.truncated, step.next_obs, step.obs, step.live
        )  # fmt: skip
        self._obs = step.obs
        for episode in step.episodes:
            self.window.add_episode(episode.lane // envs, episode.ret, episode.length)
        self.transitions += int(step.live.sum())
        self.step += envs

    def _random_actions(self) -> NDArray[np.float32]:
        """Uniform actions [P, N, A], until learning starts; each is held for `random_hold` steps."""
        if (self.step // self.envs) % self.config.random_hold:
            return self._held
        action, shape = self.lanes.action, (self.envs, self.lanes.action.size)
        if action.kind == "discrete":
            draws = [stream.integers(0, action.count, shape).astype(np.float32) for stream in self.streams.acting]
        else:
            draws = [stream.uniform(-1.0, 1.0, shape).astype(np.float32) for stream in self.streams.acting]
        self._held = np.stack(draws)
        return self._held

    def updates_due(self) -> int:
        """Updates that each member owes by now; a replay that was left behind has to fill before more are."""
        transitions, updates = self._counted_from
        return updates + self._updates_at((self.transitions - transitions) // self.config.seeds)

    def _updates_at(self, transitions: int) -> int:
        """Updates that a member owes after this many of its transitions."""
        return transitions // self.batch_size if self.rollout else self.config.updates_due(transitions)

    def update(self, count: int) -> None:
        """Make `count` gradient updates on the transitions so far."""
        if not count:
            return
        with subnormals_as_zero():
            self._update(count)

    def _update(self, count: int) -> None:
        engine, columns = self.engine(), self._columns.current()
        noise_size = engine.noise_size(self.batch_size)
        self.compute.apply()  # another agent of this process may have asked for other numbers
        for _ in range(count):
            self.updates += 1
            sample = self.sampler.sample(min(1.0, self.step / self.config.steps))
            rows = torch.from_numpy(sample.rows).to(self.compute.device, non_blocking=True)
            beside = {name: torch.from_numpy(array).to(self.compute.device) for name, array in sample.beside.items()}
            noise = self.streams.normal(noise_size)
            error = engine(self.learner.state, columns, rows, noise, self.updates, beside)
            if self.sampler.learns_errors:
                errors = error.numpy(force=True)
                if not np.isfinite(errors).all():  # no priority can be made of them
                    self._stop_diverged(["errors of Q"])
                self.sampler.learned(sample.rows, errors)

    def _log(self, engine: Engine, clock: Clock) -> dict[str, Any]:
        """What happened since the last row of metrics; every value [P]."""
        values = engine.read_metrics(self.learner.state) | self.window.summarise()
        self._require_finite(values)
        fps, ups = clock.rates(self.step, self.updates)
        shared = self.learner.algorithm.scheduled(self.step) | {
            "time/fps": fps * self.config.seeds,
            "time/updates_per_second": ups * self.config.seeds,
            "time/time_elapsed": self.elapsed,
            "time/total_timesteps": float(self.step * self.config.seeds),
            "train/n_updates": float(self.updates),
        }
        return values | {tag: np.full(self.config.seeds, value) for tag, value in shared.items()}

    def _require_finite(self, values: dict[str, Any]) -> None:
        """Stop a run that has diverged instead of training on numbers that are none."""
        wrong = [tag for tag in ("train/critic_loss", "train/actor_loss") if np.isinf(values.get(tag, 0.0)).any()]
        state = self.learner.state
        broken = [name for name in self.learner.algorithm.policy_names if not bool(torch.isfinite(state[name]).all())]
        if wrong or broken:
            self._stop_diverged(wrong + broken)

    def _stop_diverged(self, what: list[str]) -> NoReturn:
        raise UserError(
            f"Training diverged by step {self.step:,} ({', '.join(what)} not finite): try a smaller "
            "--learning-rate, --max-grad-norm 1, a smaller --reward-scale, and check the environment's rewards."
        )

    def _evaluate(self) -> dict[str, Any]:
        """Play the mode on the evaluation seeds; remember each member's best policy."""
        if not self.source.can_make:
            return {}
        if self._evaluator is None:
            self._evaluator = Evaluator(self.source, self.config.seeds, self.config.eval_episodes, EVALUATION_BASE)
        result = self._evaluator.run(self.learner.mode)
        better = result.mean > self.best_score
        for name, tensor in self.learner.policy().items():
            self.best[name][better] = tensor[better]
        self.best_score = np.where(better, result.mean, self.best_score)
        return {"eval/mean_reward": result.mean, "eval/mean_ep_length": result.lengths.mean(1)}

    def save(self, store: CheckpointStore, *, replay: bool = True) -> None:
        """Write a checkpoint into the store."""
        streams, stream_tensors = self.streams.state()
        lanes = self.lanes.state()
        window = self.window.state()
        sampler = self.sampler.state() if replay else {}
        plain = {
            "step": self.step,
            "transitions": self.transitions,
            "updates": self.updates,
            "counted_from": [self.transitions, self.updates] if not replay else list(self._counted_from),
            "elapsed": self.elapsed,
            "compiled": self.engine().mode.compiled,
            "layers": self.engine().layers,
            "started": self._obs is not None,
            "streams": streams,
            "lanes": lanes.json,
        }
        tensors = self.learner.named(self.learner.state) | stream_tensors
        tensors |= {f"best/{name}": tensor for name, tensor in self.learner.named(self.best).items()}
        tensors |= {f"lanes/{name}": torch.from_numpy(array) for name, array in lanes.tensors.items()}
        tensors |= {f"metrics/{name}": torch.from_numpy(np.asarray(array)) for name, array in window.items()}
        tensors["held"] = torch.from_numpy(self._held)
        tensors |= {"best_score": torch.from_numpy(self.best_score), "scores": torch.tensor(self.scores())}
        tensors |= {f"sampler/{name}": torch.from_numpy(array) for name, array in sampler.items()}
        if self._obs is not None:
            tensors |= {f"obs/{part}": torch.from_numpy(array) for part, array in self._obs.items()}
        store.write(self.step, plain, tensors, self.replay if replay else None)

    def restore(self, store: CheckpointStore, snapshot: Snapshot) -> tuple[int, ...]:
        """Go back to a checkpoint; answers the lanes whose episode could not be brought back and starts afresh."""
        plain, tensors = snapshot.plain, snapshot.tensors
        mode = Mode(plain["compiled"], "the run began so")
        self._engine = Engine(self.learner.algorithm, self.gather, mode, self.sampler.learns_errors, self.compute)
        self._engine.add_metrics(self.learner.state)
        if plain["layers"] != self._engine.layers:
            now = self._engine.layers
            self.console.on_message(f"layers: {now}; they were {plain['layers']}, so numbers will differ by rounding")
        self.learner.load_named(tensors, self.learner.state)
        self.learner.load_named(snapshot.below("best/"), self.best)
        self.best_score = tensors["best_score"].numpy()
        self._held = tensors["held"].numpy()
        self.streams.restore(plain["streams"], tensors)
        self.window.restore({name: tensor.numpy() for name, tensor in snapshot.below("metrics/").items()})
        self.step, self.transitions = plain["step"], plain["transitions"]
        self.updates, self.elapsed = plain["updates"], plain["elapsed"]
        self._counted_from = (plain["counted_from"][0], plain["counted_from"][1])
        if not plain["started"]:
            return ()
        obs = {part: tensor.numpy() for part, tensor in snapshot.below("obs/").items()}
        lanes = {name: tensor.numpy() for name, tensor in snapshot.below("lanes/").items()}
        report = self.lanes.restore(LaneState(plain["lanes"], lanes), obs)
        if snapshot.segments:
            store.read_replay(snapshot, self.replay)
            self.sampler.restore({name: tensor.numpy() for name, tensor in snapshot.below("sampler/").items()})
        self.replay.begin(obs)
        if report.fresh:
            fresh = np.array(report.fresh)
            self.replay.end_episode(fresh, {part: array[fresh] for part, array in report.obs.items()})
        self._obs = report.obs
        return tuple(report.fresh)

    def _finish(self, folder: RunFolder) -> None:
        """The last checkpoint, the policies to keep, and the curve."""
        self.save(folder.checkpoints)
        last, never = self.learner.policy(), np.isneginf(self.best_score)
        best = {name: tensor.clone() for name, tensor in self.best.items()}
        for name, tensor in last.items():
            best[name][never] = tensor[never]  # a member that was never evaluated has no better one
        for which, policy in (("last", last), ("best", best)):
            folder.write_policy(
                which,
                learner=self.learner.to_json(),
                tensors=self.learner.named(policy),
                step=self.step,
                scores=self.scores(),
            )
        from maxent.report import curve  # matplotlib takes a moment to import: only when it is needed

        curve.draw_curve(folder.metrics, folder.curve, f"{self.learner.algorithm.name} on {self.source.name}")

    def close(self) -> None:
        """Close the environments."""
        self.lanes.close()
        if self._evaluator is not None:
            self._evaluator.close()


def _crossed(before: int, after: int, every: int) -> bool:
    """Whether a multiple of `every` lies in (before, after]; never for 0."""
    return every > 0 and after // every > before // every
