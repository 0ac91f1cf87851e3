"""Heads: networks with a meaning. A head reads what its network puts out as a policy, an action or values.

Every head takes parameters first, then its inputs, then the buffers of its network where that has any; `train` is the
same with batch statistics, and returns the buffers that follow as well.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from maxent.distributions import Categorical, SquashedGaussian
from maxent.nn.layers import Layer, Linear
from maxent.nn.log_std import ClippedLogStd, LogStd
from maxent.nn.network import Network

Output = TypeVar("Output")


class Head(ABC, Generic[Output]):
    """A network, what it reads, and what its outputs mean."""

    network: Network

    def join(self, *inputs: Tensor) -> Tensor:
        """Return what the network reads: its inputs [P, B, ...] side by side."""
        return inputs[0] if len(inputs) == 1 else torch.cat(inputs, dim=-1)

    @abstractmethod
    def read(self, out: Tensor) -> Output:
        """Return the meaning of the network's outputs [G, B, out]."""

    def __call__(self, parameters: Tensor, *inputs: Tensor, buffers: Tensor | None = None) -> Output:
        """Return the output in evaluation."""
        return self.read(self.network(parameters, self.join(*inputs), buffers))

    def train(
        self, parameters: Tensor, *inputs: Tensor, buffers: Tensor | None = None, noise: Tensor | None = None
    ) -> tuple[Output, Tensor | None]:
        """Return the output in training, and the buffers that follow; `noise` is what the network's layers draw."""
        out, moved = self.network.train(parameters, self.join(*inputs), buffers, noise)
        return self.read(out), moved


class GaussianActor(Head[SquashedGaussian]):
    """π(·|s): mean and log standard deviation of a squashed Gaussian.   2018b appendix C.

    Choice: log σ is clipped to [−20, 2], as in the authors' code (haarnoja/sac, softlearning), Spinning Up and SB3;
    pytorch_sac and CleanRL squash it by tanh into [−5, 2], others take a softplus.

    Args:
        members: P.
        inputs: O, size of an observation.
        actions: A, action dimensions.
        layers: hidden layers.
        log_std: how log σ is bounded; None clips it to [−20, 2].
        last: makes the last layer for a number of outputs.
    """

    def __init__(
        self,
        members: int,
        inputs: int,
        actions: int,
        layers: Sequence[Layer],
        log_std: LogStd | None = None,
        *,
        last: Callable[[int], Layer] = Linear,
    ) -> None:
        self.actions, self.log_std = actions, ClippedLogStd() if log_std is None else log_std
        self.network = Network((members,), inputs, (*layers, last(2 * actions)))

    def read(self, out: Tensor) -> SquashedGaussian:
        """Return the policy."""
        mean, log_std = out.chunk(2, dim=-1)
        return SquashedGaussian(mean, self.log_std(log_std))


class CategoricalActor(Head[Categorical]):
    """π(·|s) over K actions: one logit for each."""

    def __init__(self, members: int, inputs: int, count: int, layers: Sequence[Layer]) -> None:
        self.network = Network((members,), inputs, (*layers, Linear(count)))

    def read(self, out: Tensor) -> Categorical:
        """Return the policy."""
        return Categorical.of(out)


class DeterministicActor(Head[Tensor]):
    """μ(s) ∈ (−1, 1)ᴬ, the tanh of the network's outputs.   1509.02971 §7."""

    def __init__(self, members: int, inputs: int, actions: int, layers: Sequence[Layer]) -> None:
        self.network = Network((members,), inputs, (*layers, Linear(actions)))

    def read(self, out: Tensor) -> Tensor:
        """Return actions [P, B, A]."""
        return torch.tanh(out)


class StateValue(Head[Tensor]):
    """V(s): one value for each observation. → [P, B]"""

    def __init__(self, members: int, inputs: int, layers: Sequence[Layer]) -> None:
        self.network = Network((members,), inputs, (*layers, Linear(1)))

    def read(self, out: Tensor) -> Tensor:
        """Return values [P, B]."""
        return out.squeeze(-1)


class Ensemble(Head[Tensor]):
    """E critics of one shape, computed together: the network has the groups (P, E)."""

    members: int
    critics: int

    def split(self, out: Tensor) -> Tensor:
        """Return outputs [P · E, B, out] as [P, E, B, out]."""
        return out.reshape(self.members, self.critics, *out.shape[1:])


class CriticEnsemble(Ensemble):
    """Q_1(s, a) … Q_E(s, a): obs [P, B, O], action [P, B, A] → [P, E, B].

    Args:
        members: P.
        critics: E.
        inputs: O + A.
        layers: hidden layers.
    """

    def __init__(self, members: int, critics: int, inputs: int, layers: Sequence[Layer]) -> None:
        self.members, self.critics = members, critics
        self.network = Network((members, critics), inputs, (*layers, Linear(1)))

    def read(self, out: Tensor) -> Tensor:
        """Return Q [P, E, B]."""
        return out.reshape(self.members, self.critics, out.shape[1])


class DiscreteCriticEnsemble(Ensemble):
    """Q_1(s, ·) … Q_E(s, ·) over K actions, all of a state at once: obs [P, B, O] → [P, E, B, K].

    With `dueling` the last layer has V and an advantage for each action, and Q = V + A − mean_a A (1511.06581 eq. 9).
    """

    def __init__(
        self, members: int, critics: int, inputs: int, count: int, layers: Sequence[Layer], *, dueling: bool = False
    ) -> None:
        self.members, self.critics, self.dueling = members, critics, dueling
        self.network = Network((members, critics), inputs, (*layers, Linear(count + dueling)))

    def read(self, out: Tensor) -> Tensor:
        """Return Q [P, E, B, K]."""
        if self.dueling:
            value, advantage = out[..., :1], out[..., 1:]
            out = value + advantage - advantage.mean(-1, keepdim=True)
        return self.split(out)


class CategoricalCriticEnsemble(Ensemble):
    """Distributions of the return over K atoms for each of E critics (1707.06887): log-probabilities [P, E, B, K].

    Args:
        members: P.
        critics: E.
        inputs: O + A.
        layers: hidden layers.
        count: K.
        last: makes the last layer for a number of outputs.
    """

    def __init__(
        self,
        members: int,
        critics: int,
        inputs: int,
        layers: Sequence[Layer],
        *,
        count: int = 101,
        last: Callable[[int], Layer] = Linear,
    ) -> None:
        self.members, self.critics = members, critics
        self.network = Network((members, critics), inputs, (*layers, last(count)))

    def read(self, out: Tensor) -> Tensor:
        """Return log-probabilities [P, E, B, K]."""
        return torch.log_softmax(self.split(out), -1)


class QuantileCriticEnsemble(Ensemble):
    """K quantiles of the return for each of E critics (1710.10044): [P, E, B, K].

    Args:
        members: P.
        critics: E.
        inputs: O + A.
        layers: hidden layers.
        count: K.
    """

    def __init__(self, members: int, critics: int, inputs: int, layers: Sequence[Layer], *, count: int = 25) -> None:
        self.members, self.critics = members, critics
        self.network = Network((members, critics), inputs, (*layers, Linear(count)))

    def read(self, out: Tensor) -> Tensor:
        """Return quantiles [P, E, B, K]."""
        return self.split(out)


def take_action(q: Tensor, action: Tensor) -> Tensor:
    """Return Q at the index of an action: q [P, E, B, K], action [P, B, 1] → [P, E, B]."""
    index = action.long().unsqueeze(1).expand(-1, q.shape[1], -1, -1)  # [P, E, B, 1]
    return q.gather(-1, index).squeeze(-1)
