"""SAC in small for tests: an algorithm, its state in float64, data, and updates as the engine makes them."""

from collections.abc import Sequence

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from maxent.algorithms.base import Noise
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.batch import Batch
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout

OBS, A, B = 3, 2, 16
HIDDEN = (12, 10)


def make(config: SACConfig, members: int = 2) -> SoftActorCritic:
    return SoftActorCritic(
        config, members, ObservationLayout.vector(OBS), ActionLayout.from_space(Box(-1.0, 1.0, (A,), np.float32))
    )


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def double(state: State) -> State:
    return {name: tensor.double() for name, tensor in state.items()}


def clone(state: State) -> State:
    return {name: tensor.clone() for name, tensor in state.items()}


def member_data(seed: int, updates: int, dtype: torch.dtype = torch.float64) -> list[tuple[Batch, Noise]]:
    """Batches and noise for the updates of one member, P = 1."""
    (generator,) = generators([seed])

    def normal(*shape: int) -> Tensor:
        return torch.randn(1, *shape, generator=generator, dtype=torch.float64).to(dtype)

    return [
        (
            Batch(
                obs=normal(B, OBS),
                action=torch.tanh(normal(B, A)),
                reward=normal(B),
                discount=0.9 * (normal(B) < 1.0),  # about one in six terminates
                next_obs=normal(B, OBS),
            ),
            {"next_action": normal(B, A), "action": normal(B, A)},
        )
        for _ in range(updates)
    ]


def together(members: Sequence[list[tuple[Batch, Noise]]]) -> list[tuple[Batch, Noise]]:
    """The data of several members as one list with P = len(members)."""
    joined = []
    for updates in zip(*members, strict=True):
        batch = Batch(*(torch.cat(parts) for parts in zip(*(batch[:5] for batch, _ in updates), strict=True)))
        noise = {name: torch.cat([noise[name] for _, noise in updates]) for name in updates[0][1]}
        joined.append((batch, noise))
    return joined


def data(members: int, updates: int, dtype: torch.dtype = torch.float64) -> list[tuple[Batch, Noise]]:
    return together([member_data(100 + p, updates, dtype) for p in range(members)])


def train(algorithm: SoftActorCritic, state: State, updates: list[tuple[Batch, Noise]]) -> list[dict[str, Tensor]]:
    """The updates as the engine makes them: numbered from 1, without gradient tracking."""
    metrics = []
    with torch.no_grad():
        for number, (batch, noise) in enumerate(updates, start=1):
            policy, target = algorithm.due(number)
            metrics.append(algorithm.update(state, batch, noise, policy=policy, target=target))
    return metrics


def fresh(config: SACConfig, members: int = 2) -> tuple[SoftActorCritic, State]:
    """An algorithm with a state in float64 whose targets differ from its critics, as they do in a run."""
    algorithm = make(config, members)
    state = double(algorithm.init(generators(range(members))))
    (generator,) = generators([99])
    targets = algorithm.networks["target_critic"].views(state["target_critic"])
    for view in targets.values():
        view += 0.1 * torch.randn(view.shape, generator=generator, dtype=torch.float64)
    return algorithm, state


def of_member(batch: Batch, noise: Noise, member: int) -> tuple[Batch, Noise]:
    return Batch(*(part[member] for part in batch[:5])), {name: part[member] for name, part in noise.items()}
