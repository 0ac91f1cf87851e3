"""Every algorithm in small, data to update it with, and its networks as plain matrix products.

Numbers are compared in float64, where an error in the equations cannot hide in rounding.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from flat import flatten
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from maxent import algorithms
from maxent.algorithms import Algorithm
from maxent.algorithms.base import Noise
from maxent.batch import Batch
from maxent.nn.network import Network, mlp
from maxent.nn.optimiser import State
from maxent.records import build
from maxent.spaces import ActionLayout, ObservationLayout

OBS, A, K = 3, 2, 4  # sizes of observations and of continuous actions, number of discrete ones
LANES, STEPS = 2, 8
B = LANES * STEPS  # an on-policy batch is two lanes of eight steps
HIDDEN = (12, 10)
OBSERVATION = ObservationLayout.vector(OBS)
LAYOUTS = {
    "continuous": ActionLayout.from_space(Box(-1.0, 1.0, (A,), np.float32)),
    "discrete": ActionLayout.from_space(Discrete(K)),
}
Update = tuple[Batch, Noise]


class Case(NamedTuple):
    """An algorithm with settings, on one kind of actions."""

    name: str
    kind: Literal["continuous", "discrete"]
    settings: Mapping[str, Any] = {}

    def make(self, members: int = 2, **settings: Any) -> Algorithm:
        kind = algorithms.find(self.name)
        own = {"hidden": HIDDEN} | ({"rollout_steps": STEPS} if kind.on_policy else {})
        config = build(kind.config_class, {**own, **self.settings, **settings})
        return kind(config, members, OBSERVATION, LAYOUTS[self.kind])

    def takes(self, setting: str) -> bool:
        return setting in algorithms.find(self.name).config_class.__dataclass_fields__


SMALL = {"critic_hidden": None, "atoms": 11, "policy_delay": 1, "horizon": 30}
FEW = {"value_particles": 3, "policy_particles": 5}
CASES = {
    "sac": Case("sac", "continuous"),
    "redq": Case("redq", "continuous", {"critics": 5, "policy_delay": 1}),
    "droq": Case("droq", "continuous", {"dropout": 0.2, "policy_delay": 1}),
    "tqc": Case("tqc", "continuous", {"quantiles": 5}),
    "crossq": Case("crossq", "continuous", {"critic_hidden": None, "policy_delay": 1}),
    "xqc": Case("xqc", "continuous", SMALL),
    "flash-sac": Case("flash-sac", "continuous", SMALL | {"hidden": (6, 6)}),
    "sac-v1": Case("sac-v1", "continuous"),
    "sac-discrete": Case("sac-discrete", "discrete"),
    "soft-q": Case("soft-q", "continuous", FEW),
    "soft-q, own proposals": Case("soft-q", "continuous", FEW | {"proposal": "policy", "critics": 2}),
    "soft-q, discrete": Case("soft-q", "discrete"),
    "td3": Case("td3", "continuous"),
    "ddpg": Case("ddpg", "continuous"),
    "dqn": Case("dqn", "discrete"),
    "dqn, double and dueling": Case("dqn", "discrete", {"double": True, "dueling": True, "critics": 2}),
    "reinforce": Case("reinforce", "continuous", {"alpha": 0.1}),
    "reinforce, discrete": Case("reinforce", "discrete", {"reward_to_go": False}),
    "actor-critic": Case("actor-critic", "continuous", {"alpha": 0.1}),
    "actor-critic, discrete": Case("actor-critic", "discrete", {"signal": "q"}),
}


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def clone(state: State) -> State:
    return {name: tensor.clone() for name, tensor in state.items()}


def online(state: State, target: str) -> Tensor:
    """The parameters that a target copy follows."""
    return state[target.removeprefix("target_")]


def fresh(algorithm: Algorithm) -> State:
    """A state in float64 whose targets differ from what they follow, as they do in a run."""
    state = {name: tensor.double() for name, tensor in algorithm.init(generators(range(algorithm.members))).items()}
    (generator,) = generators([99])
    for name, network in algorithm.networks.items():
        if name.startswith("target_"):
            for view in network.views(state[name]).values():
                view += 0.1 * torch.randn(view.shape, generator=generator, dtype=torch.float64)
    return state


def member_data(algorithm: Algorithm, seed: int, updates: int, dtype: torch.dtype = torch.float64) -> list[Update]:
    """Batches and noise for the updates of one member, P = 1."""
    (generator,) = generators([seed])
    noise = algorithm.update_noise(B)

    def normal(*shape: int) -> Tensor:
        return torch.randn(1, *shape, generator=generator, dtype=torch.float64).to(dtype)

    def batch() -> Batch:
        action = torch.tanh(normal(B, algorithm.action.size))
        if algorithm.action.kind == "discrete":
            action = torch.randint(0, K, (1, B, 1), generator=generator).to(dtype)
        terminated, truncated = normal(B) > 1.0, normal(B) > 1.0  # about one in six each
        return Batch(
            obs=normal(B, OBS),
            action=action,
            reward=normal(B),
            discount=0.9 * (~terminated).to(dtype),
            next_obs=normal(B, OBS),
            ended=terminated | truncated if algorithm.on_policy else None,
        )

    return [(batch(), {name: normal(*shape) for name, shape in noise.items()}) for _ in range(updates)]


def together(members: Sequence[list[Update]]) -> list[Update]:
    """The data of several members as one list with P = len(members)."""
    joined = []
    for updates in zip(*members, strict=True):
        fields = zip(*(batch for batch, _ in updates), strict=True)
        batch = Batch(*(None if parts[0] is None else torch.cat(parts) for parts in fields))
        joined.append((batch, {name: torch.cat([noise[name] for _, noise in updates]) for name in updates[0][1]}))
    return joined


def data(algorithm: Algorithm, updates: int, dtype: torch.dtype = torch.float64) -> list[Update]:
    return together([member_data(algorithm, 100 + p, updates, dtype) for p in range(algorithm.members)])


def train(algorithm: Algorithm, state: State, updates: Sequence[Update]) -> list[dict[str, Tensor]]:
    """The updates as the engine makes them: numbered from 1, without gradient tracking."""
    metrics = []
    with torch.no_grad():
        for number, (batch, noise) in enumerate(updates, start=1):
            policy, target = algorithm.due(number)
            metrics.append(algorithm.update(state, batch, noise, policy=policy, target=target))
    return metrics


class Plain:
    """One network of one member, [W₀, b₀, W₁, …] that autograd and torch.optim know, as plain matrix products."""

    def __init__(self, network: Network, flat: Tensor, rate: float = 3e-4) -> None:
        assert network.sizes is not None
        self.network, self.count = mlp((), network.sizes), len(network.sizes) - 1
        views = self.network.views(flat)
        names = [f"layer_{i}.{part}" for i in range(self.count) for part in ("weight", "bias")]
        self.parameters = {name: views[name][0].detach().clone().requires_grad_() for name in names}
        self.optimiser = torch.optim.Adam(self.parameters.values(), lr=rate)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Outputs [B, out] for inputs [B, …] side by side."""
        x = torch.cat(inputs, -1)
        for i in range(self.count):
            x = x @ self.parameters[f"layer_{i}.weight"] + self.parameters[f"layer_{i}.bias"]
            x = F.relu(x) if i < self.count - 1 else x
        return x

    def descend(self, loss: Tensor) -> None:
        """One step of Adam against ∇ loss with respect to these parameters alone."""
        self.optimiser.zero_grad()
        loss.backward(inputs=list(self.parameters.values()))
        self.optimiser.step()

    def polyak_update(self, other: "Plain", tau: float) -> None:
        """θ̄ ← (1 − τ) θ̄ + τ θ."""
        for name, parameter in self.parameters.items():
            parameter.data = (1.0 - tau) * parameter.data + tau * other.parameters[name].data

    def flat(self) -> Tensor:
        """The parameters as the state has them. [n]"""
        return self._flat({name: parameter.data for name, parameter in self.parameters.items()})

    def gradient(self, loss: Tensor) -> Tensor:
        """∇ loss as Adam's moments have it. [n]"""
        grads = torch.autograd.grad(loss, list(self.parameters.values()), retain_graph=True)
        return self._flat(dict(zip(self.parameters, grads, strict=True)))

    def _flat(self, values: Mapping[str, Tensor]) -> Tensor:
        return flatten(self.network, values)


def plain(algorithm: Algorithm, state: State, name: str, *group: int, rate: float = 3e-4) -> Plain:
    """The network state[name] of a member, or of a member and a critic."""
    return Plain(algorithm.networks[name], state[name][group], rate)


def of_member(batch: Batch, noise: Noise, member: int) -> Update:
    """The batch of one member alone, [B, …]."""
    own = Batch(*(None if part is None else part[member] for part in batch))
    return own, {name: part[member] for name, part in noise.items()}


def squash(u: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log π(tanh u) with log(1 − tanh² u) = −2 log cosh u. [B, A] → [B]"""
    gaussian = -0.5 * ((u - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2.0 * math.pi)
    return (gaussian + 2.0 * (torch.logaddexp(u, -u) - math.log(2.0))).sum(-1)


def sample(actor: Plain, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """a = tanh(μ + σ ε) and log π(a|s) of a Gaussian actor. → [B, A], [B]"""
    mean, log_std = actor(obs).chunk(2, -1)
    u = mean + log_std.exp() * noise
    return torch.tanh(u), squash(u, mean, log_std)


def log_prob_of(actor: Plain, obs: Tensor, action: Tensor) -> Tensor:
    """log π(a|s) of an action that was stored, for a Gaussian or a categorical actor. → [B]"""
    if action.shape[-1] == 1:
        return actor(obs).log_softmax(-1)[torch.arange(len(obs)), action[:, 0].long()]
    return squash(torch.atanh(action), *actor(obs).chunk(2, -1))
