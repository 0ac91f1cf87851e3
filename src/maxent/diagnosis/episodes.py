"""Rules about rewards, the ends of episodes, seeds and wrappers."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from maxent.diagnosis.probe import Probe
from maxent.envs.wrappers import layers_of, with_statistics
from maxent.findings import Finding, listed

LARGE_REWARD, SMALL_REWARD = 50.0, 1e-3
"""Root mean square of a reward outside of which step sizes and the first α of 1 are far off."""
EPISODES = 3
"""Episodes from which their lengths say something."""


def reward_scale(probe: Probe, gamma: float) -> Finding | None:
    """Return a finding about rewards that are very large, very small, or absent."""
    size, largest = float(np.sqrt((probe.reward**2).mean())), float(np.abs(probe.reward).max())
    if largest == 0.0:
        return Finding(
            "reward-scale",
            "note",
            "random play earns no reward",
            f"0 in all {probe.steps:,} random steps",
            "until the first reward, actor and critics learn nothing but the entropy bonus",
            "shape the reward, hold random actions longer (--random-hold), or use --replay hindsight for goals",
        )
    if SMALL_REWARD <= size <= LARGE_REWARD:
        return None
    large = size > LARGE_REWARD
    return Finding(
        "reward-scale",
        "warning",
        f"rewards are {'large' if large else 'small'}",
        f"root mean square {size:.3g} and at most {largest:.3g} over {probe.steps:,} random steps; values of states "
        f"may reach {size / (1.0 - gamma):.3g} at γ = {gamma:g}",
        "critics of one step size fit values of about 1 to 1,000; α starts at 1 and has to follow the reward"
        if large
        else "the entropy bonus with α = 1 drowns the reward until α has followed it",
        f"train with --reward-scale {_nearest(1.0 / size):g}, or --norm-reward",
    )


def endless(probe: Probe, limit: int | None) -> Finding | None:
    """Return a warning about episodes that did not end; `limit` is the environment's own limit of steps.

    It is no fault: episodes may end later than the probe does, or only under a policy that has learned.
    """
    longest = int(probe.time.max(initial=0))
    if probe.episodes or longest < 1_000 or (limit is not None and limit > longest):
        return None
    known = "has no limit of steps" if limit is None else f"has a limit of {limit:,} steps that had no effect"
    return Finding(
        "episodes-endless",
        "warning",
        "no episode ended",
        f"none ended within {longest:,} random steps, and the environment {known}",
        "while no episode ends, no training return is reported, an evaluation episode is cut off after 10,000 steps, "
        "and all rows of a run are one trajectory",
        "if episodes can go on for ever, make the environment with max_episode_steps (`--env-arg "
        "max_episode_steps=1000`): it truncates, so values stay right; if they end later, nothing, or examine more "
        "steps (--steps)",
    )


def limit_of(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> int | None:
    """Return the limit of steps of an environment, by its spec or a TimeLimit; None if it has none."""
    if env.spec is not None and env.spec.max_episode_steps is not None:
        return env.spec.max_episode_steps
    limits = [layer._max_episode_steps for layer in layers_of(env) if isinstance(layer, gym.wrappers.TimeLimit)]
    return min(limits, default=None)


def truncation(probe: Probe) -> Finding | None:
    """Return a fault about a limit of steps that is reported as a termination.

    Every episode terminates at the same length, in states as different as those on the way. Where a number of the
    observation gives the end away, such as the time left, it is a true terminal state.
    """
    lengths = {episode.length for episode in probe.episodes}
    if len(probe.episodes) < EPISODES or len(lengths) != 1 or any(one.truncated for one in probe.episodes):
        return None
    (length,) = lengths
    if length < 5:
        return None
    values = np.concatenate([probe.floats, probe.reached.get("byte", np.zeros((len(probe.reward), 0)))], -1)
    final, others = values[probe.ends], values[~probe.ends]
    if _gives_away(final, others) or (final.std(0) < 0.3 * others.std(0)).all():
        return None
    return Finding(
        "truncation",
        "fault",
        "a limit of steps is reported as a termination",
        f"all {len(probe.episodes)} random episodes terminated after exactly {length:,} steps, in states as different "
        "as those on the way",
        "the target of a terminal state is the reward alone, so states near the limit look worthless that are not, and "
        "the same state has two values",
        "return truncated=True, terminated=False at the limit: remove it from the environment and register with "
        "max_episode_steps, or use gymnasium.wrappers.TimeLimit",
    )


def reproducible(difference: str | None) -> Finding | None:
    """Return a fault about an environment that its seed does not determine; `difference` of two plays of a seed."""
    if difference is None:
        return None
    return Finding(
        "seed",
        "fault",
        "the same seed and actions do not give the same episode",
        f"one episode played in two environments: {difference}",
        "a resumed run cannot return to where it was, two runs of one seed differ, and evaluations cannot be compared",
        "draw all random numbers from self.np_random after super().reset(seed=seed), and reset every state",
    )


def statistics_wrappers(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> Finding | None:
    """Return a fault about wrappers with running statistics."""
    if not (found := with_statistics(env)):
        return None
    option = "--norm-reward" if all("Reward" in name for name in found) else "--norm-obs and --norm-reward"
    return Finding(
        "statistics",
        "fault",
        f"the environment keeps running statistics: {listed(found)}",
        "by the wrappers of the environment",
        "a checkpoint does not hold them, evaluation environments have others, and rows of the replay were normalised "
        "by different numbers",
        f"remove the wrapper and train with {option}, whose statistics are part of the agent",
    )


def autoreset(env: VectorEnv[Any, Any, Any]) -> Finding | None:
    """Return a note about the autoreset mode of a vector environment that resets by itself."""
    mode = AutoresetMode(env.metadata["autoreset_mode"])
    if mode is AutoresetMode.DISABLED:
        return None
    lost = " and spends a step of each environment per episode" if mode is AutoresetMode.NEXT_STEP else ""
    return Finding(
        "autoreset",
        "note",
        f"the vector environment resets by itself (autoreset mode {mode.name})",
        "by metadata['autoreset_mode']",
        f"final observations are handled, but later episodes have no seed of their own{lost}: a resumed run starts "
        "fresh episodes",
        "pass an id with --num-envs N, or autoreset_mode=AutoresetMode.DISABLED, where exact resume matters",
    )


def _gives_away(final: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Return whether a column tells the end: one value that it never has before, or all beyond those before."""
    if ((final.min(0) > others.max(0)) | (final.max(0) < others.min(0))).any():
        return True
    constant = np.flatnonzero(final.max(0) == final.min(0))
    return any(not np.isclose(others[:, at], final[0, at], rtol=1e-4, atol=1e-6).any() for at in constant)


def _nearest(factor: float) -> float:
    """Return the power of ten next to a factor."""
    return float(10.0 ** np.round(np.log10(factor)))
