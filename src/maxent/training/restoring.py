"""What has to hold before a run goes on from a checkpoint that anyone may have written."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from maxent.algorithms.base import Algorithm
from maxent.engine.fitting import specs_of
from maxent.engine.learner import Learner
from maxent.envs.lanes import Lanes
from maxent.errors import UserError
from maxent.runs.checkpoint import Snapshot
from maxent.runs.files import naming
from maxent.spaces import ActionLayout
from maxent.stateful import Saved, Stateful, gather, require_alike, require_tensors
from maxent.training.settings import RunConfig
from maxent.untrusted import Number, Whole, require, short

FREE = {"collector/lanes/actions": (0,), "dropped/spans": (0,), "sampler/priority": (2,)}
"""Axes of a checkpoint's tensors whose size depends on how far the run is."""

OF_REPLAY = ("dropped", "sampler")
"""The parts that a checkpoint without the replay lacks."""

LANE = {"episode": Whole(-1), "seed": Whole(0, 2**32 - 1), "return": Number(), "length": Whole()}


class Run(Protocol):
    """What a checkpoint is compared with."""

    learner: Learner
    lanes: Lanes

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """The parts of a fresh run."""


def require_plain(snapshot: Snapshot) -> None:
    """Raise unless the plain data of a checkpoint has its sections; the parts are checked with `require_restorable`."""
    require(snapshot.plain, {"compiled": bool, "layers": str, "parts": dict}, "state.json")
    for name in ("learner", "best", "collector", "progress"):
        require(snapshot.plain["parts"].get(name), dict, f"state.json {name}")


def require_settings(snapshot: Snapshot, algorithm: Algorithm, environments: int | None) -> None:
    """Raise unless a checkpoint can be of a run with these settings, before the run takes memory and environments.

    `environments` is their number over all members; None for a vector environment, which has its own.
    """
    lanes = snapshot.plain["parts"]["collector"].get("lanes")
    require(lanes, {"reproducible": bool, "lanes": list}, "state.json collector lanes")
    found = len(lanes["lanes"])
    if environments is not None and found != environments:
        raise UserError(f"expected a checkpoint of {environments} environments, as in config.json, got {found}.")
    names = [*algorithm.networks, *algorithm.perception.statistics]
    specs = specs_of(algorithm, names)
    require_tensors(snapshot.below("learner/"), specs, others=True)


def require_seeds(seeds: list[int], run: RunConfig) -> None:
    """Raise unless the seeds of a learner are those of its run."""
    if len(seeds) != run.seeds or seeds[0] != run.seed or seeds != list(range(seeds[0], seeds[0] + len(seeds))):
        raise UserError(f"expected the seeds {run.seed} to {run.seed + run.seeds - 1} of the run, got {short(seeds)}.")


def require_restorable(run: Run, saved: Saved) -> None:
    """Raise `FileError` unless a state from a file is one that this run, freshly made, could have had."""
    with naming("checkpoint"):
        _require_restorable(run, saved)


def _require_restorable(run: Run, saved: Saved) -> None:
    parts = {name: part for name, part in run.parts.items() if name not in OF_REPLAY or name in saved.plain}
    fresh, layout = gather(parts), run.lanes.observation
    tensors = {**fresh.tensors, "scores": torch.zeros(run.learner.members, dtype=torch.float64)}
    started = saved.plain.get("collector", {}).get("started") is True
    if started:
        sizes = {"float": (layout.floats, torch.float32), "byte": (layout.bytes, torch.uint8)}
        tensors |= {
            f"collector/obs/{part}": torch.zeros(run.lanes.count, size, dtype=kind)
            for part, (size, kind) in sizes.items()
            if size
        }
    require_alike(saved, Saved(fresh.plain, tensors), FREE)
    lanes = saved.plain["collector"]["lanes"]["lanes"]
    for number, lane in enumerate(lanes):
        require(lane, LANE, f"lane {number}")
    actions, held = saved.tensors["collector/lanes/actions"], saved.tensors["collector/held"]
    if len(actions) not in (0, sum(lane["length"] for lane in lanes)):
        raise UserError("collector: expected the actions of every step of the current episodes, got others.")
    for tensor in (actions, held, saved.tensors["collector/pending"]):
        _require_actions(tensor, run.lanes.action)
    _require_counts(saved, run.learner.members)
    _require_streams(saved, run.learner.device)


def _require_actions(actions: torch.Tensor, layout: ActionLayout) -> None:
    """Raise unless these are actions that an environment can take."""
    if layout.kind == "discrete":
        possible = (actions >= 0) & (actions < layout.count) & (actions == actions.floor())
    else:
        possible = actions.isfinite()
    if not bool(possible.all()):
        raise UserError("collector: expected actions of the environment, got others.")


def _require_counts(saved: Saved, members: int) -> None:
    """Raise unless steps, transitions and updates fit together: a run would owe updates without end."""
    progress: Mapping[str, Any] = saved.plain["progress"]
    since, before = saved.plain["schedule"]["origin"]
    made = progress["step"] * members, saved.plain["updater"]["updates"]
    if not (progress["transitions"] <= made[0] and since <= progress["step"] and before <= made[1]):
        raise UserError("progress: expected counts of steps, transitions and updates that fit together, got others.")


def _require_streams(saved: Saved, device: str) -> None:
    """Raise unless these are positions of random streams."""
    for name in ("acting", "sampling", "uniform"):
        for stream in saved.plain["streams"][name]:
            kind, pending = stream["bit_generator"], (stream["has_uint32"], stream["uinteger"])
            if kind != "PCG64" or pending[0] > 1 or pending[1] >= 2**32:
                raise UserError(f"streams {name}: expected positions of PCG64 streams, got others.")
    for position in saved.tensors["streams/noise"]:
        try:
            torch.Generator(device).set_state(position.clone())
        except RuntimeError as error:
            raise UserError(f"streams noise: expected positions of torch generators, got others: {error}.") from error
