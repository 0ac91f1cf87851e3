"""Rules about action bounds and observations."""

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from maxent.diagnosis.probe import Probe
from maxent.envs.bounds import Bounds
from maxent.findings import Finding, listed, plural
from maxent.spaces import ActionLayout, ObservationLayout

WIDE_ACTION = 100.0
"""Bounds from here on are rarely those of a physical action; 1e3 and more stand for "no bounds"."""
LARGE = 100.0
"""Typical size of an observation from which networks without normalisation learn badly."""
SPREAD = 1_000.0
"""Factor between the standard deviations of two dimensions from which the smaller one is hard to see."""
GROWTH, CORRELATED = 2.0, 0.7
"""Factor between late and early values of an episode, and correlation of values with the time in the episode, from
which a number counts as growing."""


def action_bounds(action: ActionLayout) -> Finding | None:
    """Return a warning about bounds that are too wide to be meant."""
    if action.kind == "discrete":
        return None
    largest = np.maximum(np.abs(action.low), np.abs(action.high))
    wide = np.flatnonzero(largest >= WIDE_ACTION)
    if not wide.size:
        return None
    at = wide[0]
    return Finding(
        "action-bounds",
        "warning",
        f"the action bounds are implausibly wide in dimension {listed(wide)}",
        f"from {action.low[at]:g} to {action.high[at]:g} in dimension {at}, by the action space",
        "a new policy and the first random actions cover the whole range, so if the environment clips actions to a "
        "smaller one, nearly all of them are the same and exploration is lost",
        "give the action space the bounds of the actuators, in the environment or with "
        "gymnasium.wrappers.TransformAction(env, lambda action: action, gymnasium.spaces.Box(-1, 1, "
        f"{action.shape}))",
    )


def action_symmetry(action: ActionLayout) -> Finding | None:
    """Return a note about bounds whose middle is not zero."""
    if action.kind == "discrete":
        return None
    low, high = np.array(action.low), np.array(action.high)
    asymmetric = np.flatnonzero(np.abs(low + high) > 1e-3 * (high - low))
    if not asymmetric.size:
        return None
    at = asymmetric[0]
    return Finding(
        "action-symmetry",
        "note",
        f"the action bounds are asymmetric in dimension {listed(asymmetric)}",
        f"from {low[at]:g} to {high[at]:g} in dimension {at}, by the action space",
        f"a new policy acts around the middle of the range, {(low[at] + high[at]) / 2:g} in dimension {at}, not "
        "around zero",
        "nothing if the middle is a harmless action; else shift the action in a wrapper so that it is",
    )


def observation_scales(layout: ObservationLayout, probe: Probe) -> Finding | None:
    """Return a warning about numbers of observations that are large, or of widely different scales."""
    values = probe.floats[:, _numbers(layout)]
    if not values.size:
        return None
    names = _names(layout)
    size, spread = np.sqrt((values**2).mean(0)), values.std(0)
    moving = np.flatnonzero(spread > 1e-6 * np.maximum(size, 1e-12))
    large = np.flatnonzero(size > LARGE)
    if large.size:
        worst = large[np.argmax(size[large])]
        what = f"observations are large in {plural(large.size, 'dimension')}"
        measured = f"root mean square {size[worst]:,.0f} in {names[worst]}, {probe.steps:,} random steps"
    elif moving.size and spread[moving].max() > SPREAD * spread[moving].min():
        widest, least = moving[np.argmax(spread[moving])], moving[np.argmin(spread[moving])]
        what = "observations have wildly different scales"
        measured = (
            f"standard deviation {spread[widest]:.3g} in {names[widest]} and {spread[least]:.3g} in {names[least]}, "
            f"{probe.steps:,} random steps"
        )
    else:
        return None
    return Finding(
        "observation-scales",
        "warning",
        what,
        measured,
        "actor and critics take the numbers as they are: large ones drown the others and make step sizes too big",
        "train with --norm-obs, or scale the observation in the environment",
    )


def observation_constant(layout: ObservationLayout, probe: Probe) -> Finding | None:
    """Return a note about numbers of observations that never change."""
    numbers = _numbers(layout)
    values = probe.floats[:, numbers]
    if not len(values):
        return None
    constant = np.flatnonzero(values.max(0) == values.min(0)) if values.shape[1] else np.zeros(0, np.int64)
    pixels = probe.reached.get("byte")
    blank = pixels is not None and bool((pixels == pixels[0]).all())
    if not constant.size and not blank:
        return None
    names = _names(layout)
    every = constant.size == values.shape[1] and (pixels is None or blank)
    shown = "bytes" if blank and not constant.size else _listed([names[at] for at in constant])
    return Finding(
        "observation-constant",
        "fault" if every else "note",
        "observations never change" if every else f"observations have constant parts: {shown}",
        f"the same value in all {probe.steps:,} random steps",
        "what never changes tells the policy nothing; if it should change, the environment hides its state",
        "check that these are meant to be constant under random actions; leave them out where they always are",
    )


def observation_growth(layout: ObservationLayout, space: spaces.Space[object], probe: Probe) -> Finding | None:
    """Return a warning about unbounded numbers that keep growing within episodes."""
    unbounded = _unbounded(layout, space)[_numbers(layout)]
    values = np.abs(probe.floats[:, _numbers(layout)])
    longest = int(probe.time.max(initial=0))
    early, late = probe.time <= longest // 4, probe.time > 3 * longest // 4
    if longest < 40 or not unbounded.any() or early.sum() < 10 or late.sum() < 10:
        return None
    before, after = np.quantile(values[early], 0.9, 0), np.quantile(values[late], 0.9, 0)
    grown = unbounded & (after > 10.0) & (after > GROWTH * before)
    growing = np.flatnonzero(grown & (_correlation(values, probe.time) > CORRELATED))
    if not growing.size:
        return None
    at, names = growing[np.argmax(after[growing])], _names(layout)
    return Finding(
        "observation-growth",
        "warning",
        f"observations without bounds grow during an episode in {plural(growing.size, 'dimension')}",
        f"{before[at]:,.3g} in the first quarter of a long episode and {after[at]:,.3g} in the last, in {names[at]} "
        "(90 % quantiles of the absolute value)",
        "networks see numbers late in an episode that they were never trained on, and values there are guesses",
        "leave out or wrap what accumulates, such as a position or a time; or bound it; --norm-obs helps in part",
    )


def observation_space(layout: ObservationLayout, space: spaces.Space[object], probe: Probe) -> Finding | None:
    """Return a warning about observations outside their space; an episode that begins outside cannot be used."""
    bounds = Bounds(layout, space)
    rows = [{part: values[at] for part, values in probe.reached.items()} for at in range(len(probe.reward))]
    outside = [problem for row in rows if (problem := bounds.violation(row))]
    if not outside:
        return None
    return Finding(
        "observation-space",
        "warning",
        "observations leave their space",
        f"{len(outside):,} of {len(rows):,} observations; the first: {outside[0].rstrip('.')}",
        "maxent does not scale by the bounds, so learning goes on; an episode that begins outside stops the run, and "
        "wrappers that rely on the bounds give wrong numbers",
        "correct the bounds of the observation space, or clip the observation",
    )


def _unbounded(layout: ObservationLayout, space: spaces.Space[object]) -> NDArray[np.bool_]:
    """Return which float columns have no finite bounds. [F]"""
    found = np.zeros(layout.floats, np.bool_)
    for leaf in layout.leaves:
        box = space.spaces[leaf.name] if isinstance(space, spaces.Dict) else space
        if leaf.kind == "float" and isinstance(box, spaces.Box):
            found[leaf.columns] = ~(np.isfinite(box.low) & np.isfinite(box.high)).reshape(-1)
    return found


def _numbers(layout: ObservationLayout) -> NDArray[np.int64]:
    """Return the float columns that hold numbers and no categories."""
    columns = [np.arange(layout.floats)[leaf.columns] for leaf in layout.leaves if leaf.kind == "float"]
    return np.concatenate(columns) if columns else np.zeros(0, np.int64)


def _correlation(values: NDArray[np.float64], time: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the correlation of each column with the time; 0 for constant ones. [F]"""
    centred, late = values - values.mean(0), time - time.mean()
    scale = np.sqrt((centred**2).sum(0) * (late**2).sum())
    result: NDArray[np.float64] = np.divide(late @ centred, scale, out=np.zeros(values.shape[1]), where=scale > 0.0)
    return result


def _listed(names: list[str]) -> str:
    """Return the names of columns, with the word dimension once."""
    return listed([names[0], *(name.removeprefix("dimension ") for name in names[1:])])


def _names(layout: ObservationLayout) -> list[str]:
    """Return the names of the columns of `_numbers`."""
    return [
        f"{leaf.name} {at}".strip() if leaf.name else f"dimension {at}"
        for leaf in layout.leaves
        if leaf.kind == "float"
        for at in range(leaf.size)
    ]
