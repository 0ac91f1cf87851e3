"""What an algorithm is to the rest of maxent: tensors to start from, an update, and two ways to act."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from maxent.batch import Batch
from maxent.errors import UserError
from maxent.networks import MLP
from maxent.optim import State
from maxent.spaces import ActionLayout

Noise = dict[str, Tensor]
"""The standard normal draws of one update, by name, each [P, ...]."""


@dataclass(frozen=True)
class AlgorithmConfig:
    """The settings that every algorithm shares."""

    gamma: float = 0.99
    """Discount factor γ."""
    learning_rate: float = 3e-4
    """Step size of Adam for every network (2018b appendix D)."""
    hidden: tuple[int, ...] = (256, 256)
    """Units of each hidden layer (2018b appendix D)."""
    max_grad_norm: float | None = None
    """Clip each member's gradient of each network to this Euclidean norm; None leaves it as it is."""
    reward_scale: float = 1.0
    """Factor on every reward before it is learned from; reported returns stay unscaled (2018a appendix D)."""

    def __post_init__(self) -> None:
        require("gamma", self.gamma, 0.0 <= self.gamma <= 1.0, "a number from 0 to 1")
        require("learning_rate", self.learning_rate, self.learning_rate > 0, "a number above 0")
        sizes = isinstance(self.hidden, tuple | list) and all(
            isinstance(units, int) and units > 0 for units in self.hidden
        )
        require("hidden", self.hidden, sizes, "layer sizes above 0, such as (256, 256)")
        norm, scale = self.max_grad_norm, self.reward_scale
        require("reward_scale", scale, finite(scale) and scale != 0, "a number other than 0")
        require("max_grad_norm", norm, norm is None or norm > 0, "a number above 0, or None")


def require(name: str, value: object, holds: bool, expected: str) -> None:
    """Refuse a setting that cannot be meant."""
    if not holds:
        raise UserError(f"{name}: expected {expected}, got {value!r}.")


def require_whole(name: str, value: object, least: int) -> None:
    """Refuse a count that is none."""
    holds = isinstance(value, Integral) and int(value) >= least
    require(name, value, holds, f"a whole number of at least {least}")


def finite(value: object) -> bool:
    """Whether a setting is a number and neither infinite nor NaN."""
    return isinstance(value, Real) and math.isfinite(value)


class Algorithm(ABC):
    """One algorithm for P members: it owns no tensors, it changes those of the state in place.

    Args:
        config: its settings, an instance of `config_class`.
        members: P.
        observation_size: O, the size of an encoded observation.
        action: the layout of its actions.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `maxent list algos`."""
    config_class: ClassVar[type[AlgorithmConfig]]
    actions: ClassVar[Literal["continuous", "discrete"]]
    """The kind of action space it is for."""
    metrics: ClassVar[tuple[str, ...]]
    """The tags of what `update` reports."""

    def __init__(self, config: Any, members: int, observation_size: int, action: ActionLayout) -> None:
        self.members, self.observation_size, self.action = members, observation_size, action

    @property
    @abstractmethod
    def networks(self) -> dict[str, MLP]:
        """The network that each flat parameter tensor of the state belongs to; files name its layers."""

    @property
    @abstractmethod
    def policy_names(self) -> tuple[str, ...]:
        """The state tensors that acting needs: what a policy file holds."""

    @abstractmethod
    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Fresh state; member p draws only from generators[p]."""

    @abstractmethod
    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes, without P, of the standard normal draws of one update."""

    @abstractmethod
    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """One gradient step on every member; `policy` and `target` say whether actor and targets take part.

        It changes `state` in place and answers metrics [P] by tag. It runs without gradient tracking.
        """

    @abstractmethod
    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor) -> Tensor:
        """Actions to explore with: obs [P, N, O], noise [P, N, A] standard normal → [P, N, A]."""

    @abstractmethod
    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """The policy's best action, for evaluation: obs [P, N, O] → [P, N, A]."""

    def due(self, update: int) -> tuple[bool, bool]:
        """Whether update number `update`, counted from 1, moves the policy and the targets."""
        return True, True
