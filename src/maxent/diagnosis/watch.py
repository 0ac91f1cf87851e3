"""Rules over the metrics of a run: each says for which members something is wrong at one record.

A rule fires once it has held for its patience: a number of steps and updates, and three records in a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.findings import Finding, listed

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

RECORDS = 3
"""Records in a row for which a rule has to hold."""
QUIET = 50_000
"""Steps after a finding in which its rule does not fire again."""
DEAD, SATURATED = 0.9, 0.95
"""Shares from which units of a layer and actions are a finding."""


@final
@dataclass(frozen=True)
class Readings:
    """What the rules know of a run at one record; every array [P], NaN where a run has no such number.

    Args:
        entropy: of the policy.
        target: entropy that α is learned towards.
        alpha: α.
        slope: change of log α per update since the record before.
        reward: largest |reward| that the critics have seen, as they see it.
        q: mean value.
        ceiling: highest value that the rewards seen so far can explain.
        score: mean training return, or the latest evaluation where that is higher.
        first: mean return of the first episodes.
        noise: standard deviation of these.
        saturated: share of action entries that lie at ±1.
        dead: largest share of units of a layer that are inactive for every observation.
    """

    entropy: Array
    target: Array
    alpha: Array
    slope: Array
    reward: Array
    q: Array
    ceiling: Array
    score: Array
    first: Array
    noise: Array
    saturated: Array
    dead: Array


@final
@dataclass(frozen=True)
class Rule:
    """A rule of the watcher.

    Args:
        name: its name.
        steps: patience in environment steps.
        updates: patience in updates.
        holds: returns for which members it holds. [P]
        finding: returns the finding for the members [K] for which it has held long enough.
    """

    name: str
    steps: int
    updates: int
    holds: Callable[[Readings], Flags]
    finding: Callable[[Readings, Flags], Finding]


def _far(r: Readings) -> Array:
    """Return the distance from the target entropy at which it counts as far."""
    return 0.5 * np.maximum(1.0, np.abs(r.target))


def _runs_away(r: Readings) -> Flags:
    """α rises without raising the entropy, and its bonus exceeds thirty times any reward."""
    return (r.slope > 0.0) & (r.entropy < r.target) & (r.alpha > 30.0 * r.reward)


def _is_stuck(r: Readings) -> Flags:
    """α stays, although the entropy is far from the target."""
    return (np.abs(r.slope) < 1e-5) & (np.abs(r.entropy - r.target) > _far(r))


def _disagree(r: Readings) -> Flags:
    """Some member has improved clearly, and this one by less than a quarter of that."""
    gain = r.score - r.first.mean()
    best = gain.max()
    clear = len(gain) > 1 and best > 0.0 and best > 3.0 * r.noise.mean()
    return np.asarray(clear & (gain < 0.25 * best), np.bool_)


def _shown(values: Array, members: Flags, form: str = ".3g") -> str:
    """Return the values of these members; with several in the run also which."""
    chosen = [format(value, form) for value in values[members]]
    return chosen[0] if len(members) == 1 else f"{listed(chosen)} of member {listed(np.flatnonzero(members))}"


RULES = (
    Rule(
        "alpha-runs-away", 5_000, 2_000, _runs_away,
        lambda r, m: Finding(
            "alpha-runs-away", "warning", "α runs away",
            f"α = {_shown(r.alpha, m)} and rising, over thirty times the largest reward; entropy "
            f"{_shown(r.entropy, m)}, target {_shown(r.target, m)}",
            "the entropy bonus drowns the reward, and the critics learn the bonus alone",
            "lower the target entropy (--alpha auto target_entropy=…), or fix α (--alpha 0.2)",
        ),
    ),
    Rule(
        "alpha-stuck", 10_000, 5_000, _is_stuck,
        lambda r, m: Finding(
            "alpha-stuck", "warning", "α does not move, although the entropy is far from its target",
            f"α = {_shown(r.alpha, m)}, entropy {_shown(r.entropy, m)}, target {_shown(r.target, m)}",
            "the temperature no longer regulates exploration",
            "raise the step size of α (--alpha auto learning_rate=…) or its upper bound, or set a target that the "
            "policy can reach",
        ),
    ),
    Rule(
        "entropy-low", 20_000, 20_000, lambda r: r.target - r.entropy > _far(r),
        lambda r, m: Finding(
            "entropy-low", "warning", "the entropy stays far below its target",
            f"entropy {_shown(r.entropy, m)}, target {_shown(r.target, m)} for over 20,000 steps, α = "
            f"{_shown(r.alpha, m)}",
            "the policy explores less than it should",
            "raise the step size of α (--alpha auto learning_rate=…); check the scale of rewards (`maxent doctor`)",
        ),
    ),
    Rule(
        "entropy-high", 50_000, 50_000, lambda r: r.entropy - r.target > _far(r),
        lambda r, m: Finding(
            "entropy-high", "warning", "the entropy stays far above its target",
            f"entropy {_shown(r.entropy, m)}, target {_shown(r.target, m)} for over 50,000 steps, α = "
            f"{_shown(r.alpha, m)}",
            "the policy is still close to random: it finds no value in its actions",
            "check that the reward depends on the actions and is not too small (`maxent doctor`)",
        ),
    ),
    Rule(
        "actions-saturated", 10_000, 0, lambda r: r.saturated >= SATURATED,
        lambda r, m: Finding(
            "actions-saturated", "warning", "nearly all actions lie at their bounds",
            f"{_shown(r.saturated, m, '.0%')} of the newest entries beyond ±0.99 of the range",
            "tanh is flat there: the actor gets no gradient and cannot leave the bounds",
            "check the action bounds and the scale of observations (`maxent doctor`); lower the learning rate",
        ),
    ),
    Rule(
        "q-too-high", 5_000, 2_000, lambda r: r.q > r.ceiling,
        lambda r, m: Finding(
            "q-too-high", "warning", "Q is far above any return that was ever seen",
            f"mean Q {_shown(r.q, m, ',.4g')}, explained by rewards and entropy so far: {_shown(r.ceiling, m, ',.4g')} "
            "at most",
            "critics overestimate: the actor follows values that do not exist",
            "lower the critics' learning rate or the replay ratio, use more critics, or tqc or --layer-norm",
        ),
    ),
    Rule(
        "dead-units", 5_000, 2_000, lambda r: r.dead >= DEAD,
        lambda r, m: Finding(
            "dead-units", "warning", "most units of a hidden layer are dead",
            f"{_shown(r.dead, m, '.0%')} of a layer's ReLU units are 0 for all of 128 observations of the replay",
            "the network has lost capacity and hardly learns any more",
            "lower the learning rate or the scale of rewards, or use --layer-norm, or crossq",
        ),
    ),
    Rule(
        "no-learning", 50_000, 0, lambda r: r.score <= r.first + 0.5 * r.noise,
        lambda r, m: Finding(
            "no-learning", "warning", "no learning for long",
            f"mean return {_shown(r.score, m, ',.4g')}, that of the first 20 episodes was {_shown(r.first, m, ',.4g')} "
            f"± {_shown(r.noise, m, ',.3g')}; so for over 50,000 steps",
            "the policy is no better than at the start",
            "run `maxent doctor` on the environment; start from a recipe; check that random play ever earns a reward",
        ),
    ),
    Rule(
        "members-disagree", 50_000, 0, _disagree,
        lambda r, m: Finding(
            "members-disagree", "warning", "members disagree: some have learned and others have not",
            f"mean return {_shown(r.score, m, ',.4g')}, the best member has {r.score.max():,.4g}",
            "the result depends on the seed, so a single run says little",
            "report all members and their interval; more exploration or a smaller learning rate makes them alike",
        ),
    ),
)  # fmt: skip
