"""Algorithms on small images, and data to update them with."""

from typing import Any

import torch
from gymnasium import spaces
from image_programs import ACTION, SMALL, layout
from torch import Tensor

from maxent import algorithms
from maxent.algorithms.base import Algorithm
from maxent.batch import Batch
from maxent.nn.encoders import Convolution
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout

P, B = 2, 6
IMAGES = layout("dict")
SEPARATE = Convolution(SMALL.channels, SMALL.kernels, SMALL.strides, SMALL.features, shared=False)
DISCRETE = ActionLayout.from_space(spaces.Discrete(3))


def make(name: str, members: int = P, observation: ObservationLayout = IMAGES, **settings: Any) -> Algorithm:
    kind = algorithms.find(name)
    if kind.on_policy:
        settings["rollout_steps"] = B
    if name == "soft-q":
        settings |= {"value_particles": 3, "policy_particles": 4}
    action = ACTION if "continuous" in kind.actions else DISCRETE
    return kind(kind.config_class(**{"hidden": (7, 6), "encoder": SMALL, **settings}), members, observation, action)


def fresh(algorithm: Algorithm, dtype: torch.dtype = torch.float64) -> State:
    seeds = [torch.Generator().manual_seed(seed) for seed in range(algorithm.members)]
    return {name: tensor.to(dtype) for name, tensor in algorithm.init(seeds).items()}


def raw_batch(algorithm: Algorithm, seed: int = 0, dtype: torch.dtype = torch.float64) -> Batch:
    """A batch as the replay gives it."""
    generator = torch.Generator().manual_seed(seed)
    features = algorithm.perception.observation.features

    def uniform(*shape: int) -> Tensor:
        return torch.rand(algorithm.members, *shape, generator=generator, dtype=torch.float64).to(dtype)

    action = 1.8 * uniform(B, algorithm.action.size) - 0.9
    if algorithm.action.kind == "discrete":
        action = (uniform(B, 1) * algorithm.action.count).floor()
    ended = uniform(B) > 0.7 if algorithm.on_policy else None
    return Batch(uniform(B, features), action, uniform(B), 0.9 * uniform(B), uniform(B, features), ended=ended)


def noise_of(algorithm: Algorithm, seed: int = 0, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = algorithm.update_noise(B) | algorithm.perception.update_noise(B)
    return {
        name: torch.randn(algorithm.members, *shape, generator=generator, dtype=torch.float64).to(dtype)
        for name, shape in shapes.items()
    }


def update(algorithm: Algorithm, state: State, seed: int = 0, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    noise = noise_of(algorithm, seed, dtype)
    with torch.no_grad():
        batch = algorithm.perception.prepare(state, raw_batch(algorithm, seed, dtype), noise)
        return algorithm.update(state, batch, noise, policy=True, target=True)
