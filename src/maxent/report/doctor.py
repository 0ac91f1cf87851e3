"""The examination of an environment before training: random play, a timed piece of a run, and the rules over both."""

import os
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from gymnasium.vector import VectorEnv

from maxent import algorithms, recipes
from maxent.diagnosis import episodes, spaces
from maxent.diagnosis.probe import Probe, play, snapshot_differs
from maxent.envs.faults import EnvironmentFault
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.findings import Finding, by_level, plural
from maxent.replay import Replay
from maxent.runs.observer import Observer
from maxent.spaces import ActionLayout
from maxent.training.settings import Settings
from maxent.training.trainer import Trainer

UPDATES = 30
"""Updates that are timed; their median counts."""


@final
@dataclass(frozen=True)
class Examination:
    """What a doctor found: facts in words by name, measured numbers, and findings, faults first."""

    env: str
    facts: Mapping[str, str]
    numbers: Mapping[str, float]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no fault."""
        return all(finding.level != "fault" for finding in self.findings)

    def to_plain(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        findings = [finding.to_plain() for finding in self.findings]
        return {"env": self.env, "facts": dict(self.facts), "numbers": dict(self.numbers), "findings": findings}


def examine(
    source: EnvSource, algo: str | None = None, *, steps: int = 5_000, settings: Mapping[str, Any] | None = None
) -> Examination:
    """Return what is to know about an environment before training on it.

    Args:
        source: makes the environment.
        algo: the algorithm of the planned run; by default sac, or sac-discrete for a finite set of actions.
        steps: random steps to play.
        settings: of the planned run, beside those of the recipe for this environment, if there is one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium's own checks of spaces, which are findings here
        return _examine(source, algo, steps, settings or {})


def _examine(source: EnvSource, algo: str | None, steps: int, settings: Mapping[str, Any]) -> Examination:
    env = source.vector or source.instance or source.make()
    wrappers, spec = episodes.statistics_wrappers(env), env.spec
    space = env.single_observation_space if isinstance(env, VectorEnv) else env.observation_space
    if source.vector is None and source.instance is None:
        env.close()
    lanes = Lanes.open(source, 1, 1, [0])
    found: list[Finding | None] = [wrappers, spaces.action_bounds(lanes.action), spaces.action_symmetry(lanes.action)]
    try:
        try:
            probe = play(lanes, steps)
        except EnvironmentFault as error:
            return Examination(source.name, {}, {}, tuple(by_level([*found, _broken(error)])))
        chosen = planned(source, lanes.action, algo, settings)
        found += [
            spaces.observation_scales(lanes.observation, probe),
            spaces.observation_constant(lanes.observation, probe),
            spaces.observation_growth(lanes.observation, space, probe),
            spaces.observation_space(lanes.observation, space, probe),
            episodes.reward_scale(probe, chosen.config.gamma),
            episodes.endless(probe, None if spec is None else spec.max_episode_steps),
            episodes.truncation(probe),
        ]
        facts = _facts(lanes, probe)
        if source.vector is not None:
            found.append(episodes.autoreset(source.vector))
        elif wrappers is None:  # their numbers change with every step, so no episode would be repeated
            difference = _difference(source)
            found.append(episodes.reproducible(difference))
            facts["seed"] = (
                "the same seed and actions give the same episode" if difference is None else "not reproducible"
            )
    finally:
        lanes.close()
    cost = cost_of(source, chosen, probe)
    found.append(cost.too_large())
    facts |= cost.facts()
    numbers = {"env_steps_per_second": probe.rate, **cost.numbers()}
    return Examination(source.name, facts, numbers, tuple(by_level(found)))


def planned(source: EnvSource, action: ActionLayout, algo: str | None, settings: Mapping[str, Any]) -> Settings:
    """Return the settings of the run that someone would start on this environment."""
    kind = algorithms.find(algo or ("sac-discrete" if action.kind == "discrete" else "sac"), import_module=True)
    recipe = recipes.find(source.env_id, kind.name)
    tuned = {} if recipe is None else {**recipe.settings, "steps": recipe.steps}
    return Settings.of(kind, {**tuned, **settings})


def _broken(error: EnvironmentFault) -> Finding:
    """Return the finding about data that no run can use."""
    return Finding(
        "data",
        "fault",
        "the environment returns data that cannot be used",
        str(error),
        "a run stops there",
        "correct the environment; `gymnasium.utils.env_checker.check_env` names further mistakes",
    )


def _difference(source: EnvSource) -> str | None:
    """Return how an episode differs when it is played again from its seed, in another environment where possible."""
    first = Lanes.open(source, 1, 1, [1])
    again = Lanes.open(source, 1, 1, [1])
    try:
        return snapshot_differs(first, again)
    except EnvironmentFault as error:
        return str(error)
    finally:
        first.close()
        again.close()


def _facts(lanes: Lanes, probe: Probe) -> dict[str, str]:
    """Return what random play has shown, in words."""
    action, floats, reward = lanes.action, probe.floats, probe.reward + 0.0  # no negative zero
    pixels = lanes.observation.bytes
    parts = (
        [f"{plural(floats.shape[1], 'number')} from {floats.min():.3g} to {floats.max():.3g}"] if floats.size else []
    )
    parts += [f"{pixels:,} bytes"] if pixels else []
    bounds = f"{plural(action.size, 'number')} from {min(action.low, default=0):g} to {max(action.high, default=0):g}"
    facts = {
        "observations": ", ".join(parts),
        "actions": plural(action.count, "choice") if action.kind == "discrete" else bounds,
        "rewards": f"{reward.mean():.3g} a step, from {reward.min():.3g} to {reward.max():.3g}",
    }
    if probe.episodes:
        lengths, returns = [one.length for one in probe.episodes], [one.ret for one in probe.episodes]
        ended = sum(one.terminated for one in probe.episodes)
        span = f"{min(lengths):,}" if len(set(lengths)) == 1 else f"{min(lengths):,} to {max(lengths):,}"
        facts["episodes"] = (
            f"{len(lengths):,} of {span} steps, {ended:,} terminated, {len(lengths) - ended:,} truncated; "
            f"return {np.mean(returns):,.4g} ± {np.std(returns):,.3g}"
        )
    else:
        facts["episodes"] = f"none ended within {int(probe.time.max()):,} steps"
    facts["speed"] = f"{probe.rate:,.0f} random steps a second, the environment alone"
    return facts


@final
@dataclass(frozen=True)
class Cost:
    """Memory and time of a planned run, with one member.

    Args:
        settings: of the run.
        replay: bytes of the replay when it is full, and of one row.
        networks: bytes of parameters, targets and moments.
        step: seconds for acting, stepping and storing one step of the member.
        update: seconds of one update, eager.
        evaluation: seconds of all evaluations.
        updates: of the whole run.
    """

    settings: Settings
    replay: tuple[int, int]
    networks: int
    step: float
    update: float
    evaluation: float
    updates: int

    @property
    def seconds(self) -> float:
        """Estimated time of the run: an upper bound, since compiled updates are faster."""
        return self.settings.run.steps * self.step + self.updates * self.update + self.evaluation

    def facts(self) -> dict[str, str]:
        """Return memory and time in words."""
        run = f"{self.settings.run.steps:,} steps of {self.settings.algorithm.name}"
        return {
            "memory": f"{self.replay[0] / 1e6:,.1f} MB of replay when full ({self.replay[1]:,} bytes a row), "
            f"{self.networks / 1e6:,.1f} MB of networks, a member",
            "time": f"at most {_duration(self.seconds)} for {run}: {1e3 * self.step:.2g} ms a step and "
            f"{1e3 * self.update:.2g} ms an update, eager",
        }

    def numbers(self) -> dict[str, float]:
        """Return the numbers, for JSON."""
        return {
            "replay_bytes": self.replay[0], "network_bytes": self.networks, "seconds_per_step": self.step,
            "seconds_per_update": self.update, "updates": self.updates, "seconds": self.seconds,
        }  # fmt: skip

    def too_large(self) -> Finding | None:
        """Return a fault about a run that does not fit into memory."""
        needed, there = self.replay[0] + 3 * self.networks, _memory()
        if needed < there:
            return None
        rows = int(0.5 * there / self.replay[1])
        return Finding(
            "memory",
            "fault",
            "the run does not fit into memory",
            f"{needed / 1e9:,.1f} GB for one member when the replay is full; this machine has {there / 1e9:,.1f} GB",
            "memory is taken as the replay fills, so the run would be killed after hours",
            f"use --buffer-size {rows} or less, or smaller observations",
        )


def cost_of(source: EnvSource, settings: Settings, probe: Probe) -> Cost:
    """Measure steps and updates of a run, and estimate the rest.

    The replay of the measurement is small; nothing of it is kept.
    """
    run = replace(settings.run, seeds=1, compile="off", workers=False, step_timeout=None, eval_every=0)
    small = settings.replay and replace(
        settings.replay, buffer_size=min(settings.replay.buffer_size, 4_000), learning_starts=0, random_hold=1
    )
    trainer = Trainer(source, replace(settings, run=run, replay=small), Observer())
    try:
        fill = max(trainer.schedule.rollout, -(-300 // trainer.schedule.envs))
        trainer.collector.begin()
        start = time.perf_counter()
        for number in range(fill):
            trainer.collector.step(number)
        step = (time.perf_counter() - start) / (fill * trainer.schedule.envs)
        engine, count = trainer.engine(), 1 if trainer.schedule.rollout else UPDATES
        times = []
        for _ in range(count):
            start = time.perf_counter()
            trainer.updater.run(engine, 1, progress=0.0)
            times.append(time.perf_counter() - start)
        update = float(np.median(times))  # the first ones are slower, and other processes may come between
        capacity = trainer.schedule.capacity if settings.replay is None else settings.replay.buffer_size
        row = trainer.layout.nbytes
        networks = sum(tensor.nbytes for tensor in trainer.learner.state.values())
        rows = Replay.nbytes(trainer.layout, members=1, capacity=capacity)
        updates = _updates(settings, trainer)
    finally:
        trainer.close()
    plan = settings.run
    length = np.mean([one.length for one in probe.episodes]) if probe.episodes else 10_000
    evaluations = plan.steps // plan.eval_every * plan.eval_episodes if plan.eval_every else 0
    return Cost(settings, (rows, row), networks, step, update, float(evaluations * length / probe.rate), updates)


def _updates(settings: Settings, trainer: Trainer) -> int:
    """Return the number of updates of a run."""
    starts = 0 if settings.replay is None else settings.replay.learning_starts
    return trainer.schedule.updates_at(max(0, settings.run.steps - starts))


def _memory() -> float:
    """Return the bytes of memory of this machine; infinity where they are unknown."""
    if sys.platform == "win32":
        return float("inf")
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _duration(seconds: float) -> str:
    """Return a duration with one unit."""
    for size, unit in ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}s"
    return f"{seconds:.0f} seconds"


def require_examinable(steps: int) -> None:
    """Raise unless enough steps are to be played to say anything."""
    if steps < 100:
        raise UserError(f"steps: expected at least 100, got {steps}.")
