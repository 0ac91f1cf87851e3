"""Which tensors a learner has, and whether it is for an environment: known before any memory is taken."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from maxent import algorithms
from maxent.algorithms.base import Algorithm
from maxent.algorithms.settings import AlgorithmConfig
from maxent.engine.memory import require_networks
from maxent.errors import UserError
from maxent.records import build
from maxent.spaces import ActionLayout, ObservationLayout
from maxent.stateful import TensorSpec


def require_fitting(
    kind: type[Algorithm],
    config: AlgorithmConfig,
    members: int,
    observation: ObservationLayout,
    action: ActionLayout,
) -> None:
    """Raise unless an algorithm is for these actions and its networks fit into memory; none is taken."""
    require_kind(kind, action)
    require_networks(kind(config, members, observation, action))


def made_for(data: Mapping[str, Any], kind: type[Algorithm]) -> Algorithm:
    """Return the algorithm of a learner that `to_plain` described; it has no tensors, so it takes no memory."""
    action = ActionLayout.from_json(data["action"])
    require_kind(kind, action)
    config = build(kind.config_class, data["settings"])
    return kind(config, len(data["seeds"]), ObservationLayout.from_json(data["observation"]), action)


def specs_of(algorithm: Algorithm, names: Iterable[str]) -> dict[str, TensorSpec]:
    """Return types and shapes of tensors of the state by their names in files, as `Learner.named` writes them.

    Tensors that are neither of a network nor statistics, which an algorithm of the user may have, are left out.
    """
    specs: dict[str, TensorSpec] = {}
    networks, statistics = algorithm.networks, algorithm.perception.statistics
    for name in names:
        owner, _, kind = name.partition(".")
        if owner in networks:
            network = networks[owner]
            shapes = {key: shape for key, (shape, _) in network.starts.items()} if kind else network.shapes
            for layer, shape in shapes.items():
                specs[f"{name}/{layer}"] = TensorSpec(torch.float32, (*network.groups, *shape))
        elif name in statistics:
            specs[name] = TensorSpec(torch.float64, statistics[name])
    return specs


def require_kind(algorithm: type[Algorithm], action: ActionLayout) -> None:
    """Raise if an algorithm is not for actions of this kind."""
    if action.kind not in algorithm.actions:
        fitting = ", ".join(algorithms.taking(action.kind))
        raise UserError(
            f"{algorithm.name} is for {' and '.join(algorithm.actions)} actions and this environment's are "
            f"{action.kind}: algorithms for {action.kind} actions: {fitting}."
        )
