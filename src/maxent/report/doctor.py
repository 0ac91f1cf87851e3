"""Examine an environment before training: play it at random, time a short run, and apply the rules to both."""

import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from gymnasium.vector import VectorEnv

from maxent import algorithms
from maxent.diagnosis import episodes, spaces
from maxent.diagnosis.probe import Probe, play, replay_difference
from maxent.envs.faults import EnvironmentFault
from maxent.envs.lanes import Lanes
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.findings import Finding, by_level, plural
from maxent.report.cost import cost_of
from maxent.spaces import ActionLayout
from maxent.training.settings import Settings
from maxent.tuned import tuned


@final
@dataclass(frozen=True)
class Examination:
    """The result of an examination.

    Args:
        env: the name of the environment.
        facts: descriptions by topic, such as "episodes".
        numbers: measured numbers by name.
        findings: faults first.
    """

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
    """Examine an environment before training on it.

    Args:
        source: makes the environment.
        algo: algorithm of the planned run; by default sac, or sac-discrete for a finite set of actions.
        steps: random steps to play.
        settings: settings of the planned run, beside those of the recipe for this environment, if there is one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium's own checks of spaces, which are findings here
        return _examine(source, algo, steps, settings or {})


def _examine(source: EnvSource, algo: str | None, steps: int, settings: Mapping[str, Any]) -> Examination:
    with source.lend() as env:
        wrappers, limit = episodes.statistics_wrappers(env), episodes.limit_of(env)
        space = env.single_observation_space if isinstance(env, VectorEnv) else env.observation_space
    lanes = Lanes.open(source, 1, 1, [0], statistics=True)
    found: list[Finding | None] = [wrappers, spaces.action_bounds(lanes.action), spaces.action_symmetry(lanes.action)]
    try:
        probe = _probe(lanes, steps)
        if isinstance(probe, Finding):
            return Examination(source.name, {}, {}, tuple(by_level([*found, probe])))
        chosen = planned(source, lanes.action, algo, settings)
        found += [
            spaces.observation_scales(lanes.observation, probe),
            spaces.observation_constant(lanes.observation, probe),
            spaces.observation_growth(lanes.observation, space, probe),
            spaces.observation_space(lanes.observation, space, probe),
            episodes.reward_scale(probe, chosen.config.gamma),
            episodes.endless(probe, limit),
            episodes.truncation(probe),
        ]
        facts = _facts(lanes, probe)
        if source.vector is not None:
            found.append(episodes.autoreset(source.vector))
        elif wrappers is None:  # running statistics change with every step, so no episode can be replayed
            difference = _difference(source)
            found.append(episodes.reproducible(difference))
            equal = "the same seed and actions give the same episode"
            facts["seed"] = equal if difference is None else "not reproducible"
    finally:
        lanes.close()
    if wrappers is not None:  # no run would start
        return Examination(source.name, facts, {"env_steps_per_second": probe.rate}, tuple(by_level(found)))
    cost = cost_of(source, chosen, probe)
    found.append(cost.too_large())
    facts |= cost.facts()
    numbers = {"env_steps_per_second": probe.rate, **cost.numbers()}
    return Examination(source.name, facts, numbers, tuple(by_level(found)))


def _probe(lanes: Lanes, steps: int) -> Probe | Finding:
    """Play random steps; return a finding if the environment fails."""
    try:
        return play(lanes, steps)
    except EnvironmentFault as error:
        return _unusable(error)
    except UserError:
        raise
    except Exception as error:
        return _raised(error)


def planned(source: EnvSource, action: ActionLayout, algo: str | None, settings: Mapping[str, Any]) -> Settings:
    """Return the settings of the run that `maxent train` would start on this environment."""
    kind = algorithms.find(algo or ("sac-discrete" if action.kind == "discrete" else "sac"), import_module=True)
    chosen = tuned(kind, source.env_id, settings)
    steps = {} if chosen.recipe is None else {"steps": chosen.recipe.steps}
    return Settings.of(kind, steps | chosen.settings)


def _unusable(error: EnvironmentFault) -> Finding:
    """Return a fault about data that no run accepts."""
    return Finding(
        "data",
        "fault",
        "the environment returns data that cannot be used",
        str(error),
        "a run stops there",
        "correct the environment; `gymnasium.utils.env_checker.check_env` names further mistakes",
    )


def _raised(error: Exception) -> Finding:
    """Return a fault about an error that the environment raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return Finding(
        "error",
        "fault",
        "the environment raises an error while random actions within its bounds are taken",
        f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno}, in {place.name})",
        "a run stops there with a checkpoint; in a worker process the episode is dropped",
        "correct the environment; `gymnasium.utils.env_checker.check_env` names further mistakes",
    )


def _difference(source: EnvSource) -> str | None:
    """Return how an episode differs when another environment replays it; None if it is equal."""
    first = Lanes.open(source, 1, 1, [1], statistics=True)
    again = Lanes.open(source, 1, 1, [1], statistics=True)
    try:
        return replay_difference(first, again)
    except EnvironmentFault as error:
        return str(error)
    finally:
        first.close()
        again.close()


def _facts(lanes: Lanes, probe: Probe) -> dict[str, str]:
    """Describe the environment and its random play, by topic."""
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


def require_examinable(steps: int) -> None:
    """Raise unless there are at least 100 steps, below which most rules find nothing."""
    if steps < 100:
        raise UserError(f"steps: expected at least 100, got {steps}.")
