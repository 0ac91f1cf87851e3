"""What an algorithm is to the rest of maxent: tensors to start from, an update, and two ways to act."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from maxent.batch import Batch
from maxent.errors import UserError
from maxent.nn.acting import FastActor
from maxent.nn.networks import MLP
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout

TD_ERROR = "td_error"
"""Under this name an update answers |Q(s, a) − y| [P, B], the mean over its critics."""

Noise = dict[str, Tensor]
"""The standard normal draws of one update, by name, each [P, ...]."""


@dataclass(frozen=True)
class AlgorithmConfig:
    """The settings that every algorithm shares."""

    run_defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings of a run whose defaults this algorithm changes."""

    for_learned_alpha: ClassVar[tuple[str, ...]] = ()
    """Settings that mean nothing where α is a number."""

    gamma: float = 0.99
    """Discount factor γ."""
    learning_rate: float = 3e-4
    """Step size of Adam for every network."""
    hidden: tuple[int, ...] = (256, 256)
    """Units of each hidden layer."""
    max_grad_norm: float | None = None
    """Clip each member's gradient of each network to this Euclidean norm; None leaves it as it is."""
    reward_scale: float = 1.0
    """Factor on every reward before it is learned from; reported returns stay unscaled (2018a appendix D)."""

    def __post_init__(self) -> None:
        require("gamma", self.gamma, 0.0 <= self.gamma <= 1.0, "a number from 0 to 1")
        rate = self.learning_rate
        require("learning_rate", rate, finite(rate) and rate > 0, "a number above 0")
        sizes = isinstance(self.hidden, tuple | list) and all(
            isinstance(units, int) and units > 0 for units in self.hidden
        )
        require("hidden", self.hidden, sizes, "layer sizes above 0, such as (256, 256)")
        norm, scale = self.max_grad_norm, self.reward_scale
        require("reward_scale", scale, finite(scale) and scale != 0, "a number other than 0")
        require("max_grad_norm", norm, norm is None or (finite(norm) and norm > 0), "a number above 0, or None")


@dataclass(frozen=True)
class CriticConfig(AlgorithmConfig):
    """The settings of algorithms that learn critics with target copies."""

    tau: float = 0.005
    """Share τ of the critics that enters their target copies at each target update."""
    critic_learning_rate: float | None = None
    """Step size for the critics; None takes learning_rate."""
    critics: int = 2
    """Number of critics E; the smallest of their values counts."""
    layer_norm: bool = False
    """LayerNorm before each ReLU of the critics."""
    target_delay: int = 1
    """Critic updates per update of the target critics."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require("tau", self.tau, 0.0 < self.tau <= 1.0, "a number above 0 and at most 1")
        require_rate("critic_learning_rate", self.critic_learning_rate)
        for name in ("critics", "target_delay"):
            require_whole(name, getattr(self, name), 1)

    @property
    def critic_rate(self) -> float:
        """The step size for the critics."""
        return self.learning_rate if self.critic_learning_rate is None else self.critic_learning_rate


@dataclass(frozen=True)
class ReplayActorConfig(CriticConfig):
    """The settings of algorithms that learn an actor beside their critics, both from a replay."""

    actor_learning_rate: float | None = None
    """Step size for the actor; None takes learning_rate."""
    policy_delay: int = 1
    """Critic updates per update of the actor."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rate("actor_learning_rate", self.actor_learning_rate)
        require_whole("policy_delay", self.policy_delay, 1)

    @property
    def actor_rate(self) -> float:
        """The step size for the actor."""
        return self.learning_rate if self.actor_learning_rate is None else self.actor_learning_rate


@dataclass(frozen=True)
class OnPolicyConfig(AlgorithmConfig):
    """The settings of algorithms that learn from the newest steps of their own policy, once."""

    run_defaults: ClassVar[Mapping[str, Any]] = {"num_envs": 8, "learning_starts": 0}

    rollout_steps: int = 128
    """Steps of every environment between updates; one update learns from num_envs · rollout_steps transitions."""
    alpha: float = 0.0
    """Entropy coefficient: α H(π(·|s)) is added to what the actor maximises; the seed documents have none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("rollout_steps", self.rollout_steps, 1)
        require("alpha", self.alpha, finite(self.alpha) and self.alpha >= 0, "a number of at least 0")


def require_rate(name: str, rate: float | None) -> None:
    """Refuse a step size that is none."""
    require(name, rate, rate is None or (finite(rate) and rate > 0), "a number above 0, or None for learning_rate")


def require(name: str, value: object, holds: bool, expected: str) -> None:
    """Refuse a setting that cannot be meant."""
    if not holds:
        raise UserError(f"{name}: expected {expected}, got {value!r}.")


def require_unset(config: AlgorithmConfig, names: Sequence[str], why: str) -> None:
    """Refuse settings that differ from their defaults where they would do nothing."""
    for setting in fields(config):
        value = getattr(config, setting.name)
        if setting.name in names and value != setting.default:
            raise UserError(f"{setting.name}: {why}, so {value!r} would do nothing.")


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
    actions: ClassVar[tuple[Literal["continuous", "discrete"], ...]]
    """The kinds of action space it is for."""
    metrics: ClassVar[tuple[str, ...]]
    """The tags of what `update` reports."""
    on_policy: ClassVar[bool] = False
    """Whether an update learns from the newest steps, in order, instead of a sample of the replay."""

    def __init__(self, config: Any, members: int, observation_size: int, action: ActionLayout) -> None:
        self.members, self.observation_size, self.action = members, observation_size, action
        self.policy_delay = self.target_delay = 1

    @property
    @abstractmethod
    def networks(self) -> dict[str, MLP]:
        """The network that each flat parameter tensor of the state belongs to; files name its layers."""

    @property
    @abstractmethod
    def policy_names(self) -> tuple[str, ...]:
        """The state tensors that acting needs: what a policy file holds."""

    @property
    def act_noise(self) -> int:
        """Standard normal draws that `act` takes for one observation."""
        return self.action.size

    @abstractmethod
    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Fresh state; member p draws only from generators[p]."""

    @abstractmethod
    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes, without P, of the standard normal draws of one update."""

    @abstractmethod
    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """One gradient step on every member; `policy` and `target` say whether actor and targets take part.

        It changes `state` in place and answers metrics [P] by tag, and what prioritised replay goes by as `TD_ERROR`
        [P, B]. It runs without gradient tracking.
        """

    @abstractmethod
    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """Actions to explore with at environment step `step`: obs [P, N, O], noise [P, N, act_noise] → [P, N, A]."""

    @abstractmethod
    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """The policy's best action, for evaluation: obs [P, N, O] → [P, N, A]."""

    def fast_actor(self, state: Mapping[str, Tensor]) -> FastActor | None:
        """What acts for a few observations without torch, on the memory of this state; None where nothing does."""
        return None

    def due(self, update: int) -> tuple[bool, bool]:
        """Whether update number `update`, counted from 1, moves the policy and the targets."""
        return update % self.policy_delay == 0, update % self.target_delay == 0

    def scheduled(self, step: float) -> dict[str, float]:
        """What follows a schedule in environment steps, by tag, for the metrics."""
        return {}

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """The smallest of the critics' values: obs [P, B, O], action [P, B, A] → [P, B]."""
        raise UserError(f"{self.name} has no critic of states and actions.")
