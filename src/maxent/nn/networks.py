"""Multilayer perceptrons with a leading axis of groups: one batched product computes every member and every critic.

A network owns no tensors. It describes how its parameters lie in one flat vector per group, so that Adam, gradient
clipping and target averaging are each one pass over one tensor, and it computes outputs from such a vector.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from maxent.distributions import Categorical, SquashedGaussian
from maxent.nn import kernels

Views = dict[str, Tensor]
"""Named windows into a flat parameter vector, each [G, rows, columns]."""

ALIGNMENT = 16  # floats: every group starts on a cache line


@dataclass(frozen=True)
class MLP:
    """Fully connected ReLU layers, sizes (in, hidden..., out), optionally with LayerNorm before each ReLU.

    `groups` are the leading axes of its parameters: (P,) for an actor, (P, E) for an ensemble of E critics.
    """

    groups: tuple[int, ...]
    sizes: tuple[int, ...]
    layer_norm: bool = False

    @cached_property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Name → [rows, columns] of each parameter, in storage order: weights first, whose sizes keep alignment."""
        layers = list(enumerate(zip(self.sizes[:-1], self.sizes[1:], strict=True)))
        shapes = {f"layer_{i}.weight": (rows, columns) for i, (rows, columns) in layers}
        shapes |= {f"layer_{i}.bias": (1, columns) for i, (_, columns) in layers}
        if self.layer_norm:
            for i, (_, columns) in layers[:-1]:
                shapes |= {f"norm_{i}.scale": (1, columns), f"norm_{i}.shift": (1, columns)}
        return shapes

    @cached_property
    def size(self) -> int:
        """Floats of one group, rounded up to whole cache lines; what is beyond the parameters stays zero."""
        used = sum(rows * columns for rows, columns in self.shapes.values())
        return math.ceil(used / ALIGNMENT) * ALIGNMENT

    @property
    def count(self) -> int:
        """G, the number of groups."""
        return math.prod(self.groups)

    def views(self, flat: Tensor) -> Views:
        """The named parameters as windows into `flat` [*groups, size] → each [G, rows, columns]."""
        sizes = [rows * columns for rows, columns in self.shapes.values()]
        # one split, whose derivative is one concatenation, where that of each slice would be as long as `flat`
        parts = flat.reshape(self.count, self.size).split_with_sizes([*sizes, self.size - sum(sizes)], -1)
        return {
            name: part.view(self.count, *shape)
            for (name, shape), part in zip(self.shapes.items(), parts[:-1], strict=True)
        }

    def init(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Fresh parameters [*groups, size]; member p draws only from generators[p].

        Choice: weights and biases uniform in ±1/√fan_in, PyTorch's own default and so that of SB3, CleanRL and
        pytorch_sac's ancestors (softlearning: Glorot uniform with zero bias).
        """
        flat = torch.zeros(*self.groups, self.size)
        for p, generator in enumerate(generators):
            member = MLP(self.groups[1:], self.sizes, self.layer_norm).views(flat[p])
            for name, view in member.items():
                layer = int(name.split(".")[0].removeprefix("layer_").removeprefix("norm_"))
                if name.startswith("layer"):
                    bound = 1.0 / math.sqrt(self.sizes[layer])
                    view.copy_(torch.rand(view.shape, generator=generator) * (2.0 * bound) - bound)
                elif name.endswith("scale"):
                    view.fill_(1.0)
        return flat

    def __call__(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Outputs of parameters [*groups, size] for x [G, B, in] → [G, B, out].

        Where x has fewer rows of groups, [G/k, B, in], each serves k groups: all critics of a member.
        """
        if not self.layer_norm and kernels.takes(self.sizes, parameters, x):
            return kernels.mlp(self.sizes, parameters.reshape(self.count, self.size), x)
        views, last = self.views(parameters), len(self.sizes) - 2
        x = _for_each_group(x, self.count)
        for i in range(last + 1):
            # not baddbmm: that copies the bias over its whole output first; this sum is fused with what follows it
            x = torch.bmm(x, views[f"layer_{i}.weight"]) + views[f"layer_{i}.bias"]
            if i < last:
                if self.layer_norm:
                    x = F.layer_norm(x, x.shape[-1:]) * views[f"norm_{i}.scale"] + views[f"norm_{i}.shift"]
                x = F.relu(x)
        return x


Policy_co = TypeVar("Policy_co", bound=SquashedGaussian | Categorical, covariant=True)


class StochasticActor(Protocol[Policy_co]):
    """A network that answers a distribution over actions."""

    @property
    def mlp(self) -> MLP:
        """What its parameters belong to."""

    def __call__(self, parameters: Tensor, obs: Tensor) -> Policy_co:
        """The policy at obs [P, B, O]."""


@dataclass(frozen=True)
class GaussianActor:
    """π(·|s): an MLP that answers the mean and the log standard deviation of a squashed Gaussian.   Seed 001 §3.1."""

    LOG_STD_MIN = -20.0
    LOG_STD_MAX = 2.0

    members: int
    observation_size: int
    action_size: int
    hidden: tuple[int, ...]

    @cached_property
    def mlp(self) -> MLP:
        """Observation [O] → mean and log σ [2A]."""
        return MLP((self.members,), (self.observation_size, *self.hidden, 2 * self.action_size))

    def __call__(self, parameters: Tensor, obs: Tensor) -> SquashedGaussian:
        """The policy at obs [P, B, O].

        Choice: log σ is clipped to [−20, 2], as in the authors' code (haarnoja/sac, softlearning), Spinning Up and SB3;
        pytorch_sac and CleanRL squash it by tanh into [−5, 2], others take a softplus.
        """
        mean, log_std = self.mlp(parameters, obs).chunk(2, dim=-1)
        return SquashedGaussian(mean, log_std.clamp(self.LOG_STD_MIN, self.LOG_STD_MAX))


@dataclass(frozen=True)
class CategoricalActor:
    """π(·|s) over K actions: an MLP that answers one logit for each."""

    members: int
    observation_size: int
    count: int
    hidden: tuple[int, ...]

    @cached_property
    def mlp(self) -> MLP:
        """Observation [O] → logits [K]."""
        return MLP((self.members,), (self.observation_size, *self.hidden, self.count))

    def __call__(self, parameters: Tensor, obs: Tensor) -> Categorical:
        """The policy at obs [P, B, O]."""
        return Categorical.of(self.mlp(parameters, obs))


@dataclass(frozen=True)
class DeterministicActor:
    """μ(s) = tanh(MLP(s)): one action for each observation.   1509.02971 §7."""

    members: int
    observation_size: int
    action_size: int
    hidden: tuple[int, ...]

    @cached_property
    def mlp(self) -> MLP:
        """Observation [O] → action before tanh [A]."""
        return MLP((self.members,), (self.observation_size, *self.hidden, self.action_size))

    def __call__(self, parameters: Tensor, obs: Tensor) -> Tensor:
        """Actions for obs [P, B, O] → [P, B, A]."""
        return torch.tanh(self.mlp(parameters, obs))


@dataclass(frozen=True)
class StateValue:
    """V(s): one value for each observation."""

    members: int
    observation_size: int
    hidden: tuple[int, ...]
    layer_norm: bool = False

    @cached_property
    def mlp(self) -> MLP:
        """Observation [O] → one value."""
        return MLP((self.members,), (self.observation_size, *self.hidden, 1), self.layer_norm)

    def __call__(self, parameters: Tensor, obs: Tensor) -> Tensor:
        """Values at obs [P, B, O] → [P, B]."""
        return self.mlp(parameters, obs).squeeze(-1)


@dataclass(frozen=True)
class CriticEnsemble:
    """Q_1(s, a) … Q_E(s, a): E critics of one shape, computed together."""

    members: int
    critics: int
    observation_size: int
    action_size: int
    hidden: tuple[int, ...]
    layer_norm: bool = False

    @cached_property
    def mlp(self) -> MLP:
        """Observation and action [O + A] → one value."""
        sizes = (self.observation_size + self.action_size, *self.hidden, 1)
        return MLP((self.members, self.critics), sizes, self.layer_norm)

    def __call__(self, parameters: Tensor, obs: Tensor, action: Tensor) -> Tensor:
        """Q of every critic: obs [P, B, O], action [P, B, A] → [P, E, B]."""
        x = torch.cat([obs, action], dim=-1)  # [P, B, O + A]
        return self.mlp(parameters, x).reshape(x.shape[0], self.critics, x.shape[1])


@dataclass(frozen=True)
class DiscreteCriticEnsemble:
    """Q_1(s, ·) … Q_E(s, ·) over K actions, all of a state at once.

    With `dueling` the last layer answers V and an advantage for each action, and Q = V + A − mean_a A
    (1511.06581 eq. 9).
    """

    members: int
    critics: int
    observation_size: int
    count: int
    hidden: tuple[int, ...]
    layer_norm: bool = False
    dueling: bool = False

    @cached_property
    def mlp(self) -> MLP:
        """Observation [O] → a value for each of the K actions, behind V where it is dueling."""
        sizes = (self.observation_size, *self.hidden, self.count + self.dueling)
        return MLP((self.members, self.critics), sizes, self.layer_norm)

    def all_actions(self, parameters: Tensor, obs: Tensor) -> Tensor:
        """Q of every critic and action: obs [P, B, O] → [P, E, B, K]."""
        out = self.mlp(parameters, obs)
        if self.dueling:
            value, advantage = out[..., :1], out[..., 1:]
            out = value + advantage - advantage.mean(-1, keepdim=True)
        return out.reshape(obs.shape[0], self.critics, obs.shape[1], self.count)

    def __call__(self, parameters: Tensor, obs: Tensor, action: Tensor) -> Tensor:
        """Q of every critic at the actions taken: obs [P, B, O], action [P, B, 1], an index → [P, E, B]."""
        return take_action(self.all_actions(parameters, obs), action)


def take_action(q: Tensor, action: Tensor) -> Tensor:
    """Q at the index of an action: q [P, E, B, K], action [P, B, 1] → [P, E, B]."""
    index = action.long().unsqueeze(1).expand(-1, q.shape[1], -1, -1)  # [P, E, B, 1]
    return q.gather(-1, index).squeeze(-1)


def _for_each_group(x: Tensor, groups: int) -> Tensor:
    """The same input for groups that follow one another: [G/k, B, F] → [G, B, F]."""
    given, batch, size = x.shape
    return x.unsqueeze(1).expand(given, groups // given, batch, size).reshape(groups, batch, size)
