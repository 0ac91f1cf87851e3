"""Acting without a framework: the forward pass of a policy in NumPy, for one observation or a few.

A network of 256 units takes 12 µs in NumPy and 50 µs as a series of torch calls, each of which costs more than its
arithmetic. The arrays are windows into the learner's tensors, which updates change in place.
"""

import math
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from maxent.nn.heads import CategoricalActor, DeterministicActor, GaussianActor
from maxent.nn.network import Network

Array = NDArray[np.float32]

MOST_ROWS = 16  # observations of one member; with more, torch's threads and vectorised functions are faster


class FastActor(Protocol):
    """Actions for observations [P, N, O], equal to those of the algorithm in torch to rounding."""

    def act(self, obs: Array, noise: Array) -> Array:
        """Return exploring actions; noise [P, N, A] → [P, N, A]."""

    def mode(self, obs: Array) -> Array:
        """Return the policy's most probable actions. → [P, N, A]"""


@final
class NumpyMLP:
    """The forward pass of a plain ReLU network with one group for each member, on the memory of its parameters [P, n].

    Each member is computed separately, so its outputs do not depend on the number of members.
    """

    def __init__(self, network: Network, parameters: Tensor) -> None:
        views = {name: view.numpy() for name, view in network.views(parameters.detach()).items()}
        assert network.sizes is not None
        layers = range(len(network.sizes) - 1)
        self._members = [
            [(views[f"layer_{i}.weight"][p], views[f"layer_{i}.bias"][p, 0]) for i in layers]
            for p in range(network.count)
        ]

    def __call__(self, x: Array) -> Array:
        """Return the outputs for x [P, N, in] → [P, N, out]."""
        if len(self._members) == 1:
            return self._forward(x[0], self._members[0])[np.newaxis]
        return np.stack([self._forward(rows, layers) for rows, layers in zip(x, self._members, strict=True)])

    def _forward(self, x: Array, layers: list[tuple[Array, Array]]) -> Array:
        """Return the outputs of one member: x [N, in] → [N, out]."""
        *hidden, (weight, bias) = layers
        for inner, shift in hidden:
            x = x @ inner
            x += shift
            np.maximum(x, 0.0, out=x)
        x = x @ weight
        x += bias
        return x


@final
class FastGaussian:
    """The squashed Gaussian policy a = tanh(μ(s) + σ(s) ε) of `distributions.SquashedGaussian`."""

    def __init__(self, actor: GaussianActor, parameters: Tensor) -> None:
        self._network, self._size = NumpyMLP(actor.network, parameters), actor.actions
        self._log_std = actor.log_std

    def act(self, obs: Array, noise: Array) -> Array:
        """Return a ~ π(·|s)."""
        out = self._network(obs)
        u = np.exp(self._log_std.numpy(out[..., self._size :]))
        u *= noise
        u += out[..., : self._size]
        return np.asarray(np.tanh(u))

    def mode(self, obs: Array) -> Array:
        """Return tanh(μ(s))."""
        return np.asarray(np.tanh(self._network(obs)[..., : self._size]))


@final
class FastCategorical:
    """The policy over K actions of `distributions.Categorical`, sampled by inversion."""

    def __init__(self, actor: CategoricalActor, parameters: Tensor) -> None:
        self._network = NumpyMLP(actor.network, parameters)

    def act(self, obs: Array, noise: Array) -> Array:
        """Return a ~ π(·|s): the first action whose cumulated probability exceeds Φ(ε)."""
        logits = self._network(obs)
        cumulated = np.cumsum(np.exp(logits - logits.max(-1, keepdims=True)), -1)  # not normalised
        share = np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in noise.ravel().tolist()], np.float32)
        share = np.minimum(share, 1.0 - np.finfo(np.float32).eps).reshape(noise.shape)
        return np.asarray((cumulated <= share * cumulated[..., -1:]).sum(-1, keepdims=True), np.float32)

    def mode(self, obs: Array) -> Array:
        """Return the most probable action."""
        return np.asarray(self._network(obs).argmax(-1)[..., np.newaxis], np.float32)


@final
class FastDeterministic:
    """The deterministic policy a = μ(s), with exploration noise σ ε."""

    def __init__(self, actor: DeterministicActor, parameters: Tensor, exploration_noise: float) -> None:
        self._network, self._noise = NumpyMLP(actor.network, parameters), np.float32(exploration_noise)

    def act(self, obs: Array, noise: Array) -> Array:
        """Return μ(s) + σ ε, clipped to the bounds."""
        action = self.mode(obs)
        action += self._noise * noise
        return np.asarray(np.minimum(np.maximum(action, np.float32(-1.0)), np.float32(1.0)))

    def mode(self, obs: Array) -> Array:
        """Return μ(s)."""
        return np.asarray(np.tanh(self._network(obs)))


def fast_actor(actor: object, parameters: Tensor, exploration_noise: float = 0.0) -> FastActor | None:
    """Return a NumPy version of an actor with plain layers; None for any other."""
    if isinstance(actor, GaussianActor | CategoricalActor | DeterministicActor) and actor.network.sizes is not None:
        if isinstance(actor, GaussianActor):
            return FastGaussian(actor, parameters)
        if isinstance(actor, CategoricalActor):
            return FastCategorical(actor, parameters)
        return FastDeterministic(actor, parameters, exploration_noise)
    return None
