"""Settings of algorithms: what they share, and how a setting is checked."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

from maxent.errors import UserError
from maxent.nn.encoders import Convolution, Flatten
from maxent.nn.layers import Layer

NetworkSetting = Sequence[Layer] | Callable[[str], Sequence[Layer]]
"""Hidden layers for every network, or a function from "actor" or "critic" to those of each."""


@dataclass(frozen=True)
class AlgorithmConfig:
    """The settings that every algorithm shares."""

    run_defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings of a run, or of its replay, whose defaults this algorithm changes."""

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
    norm_obs: bool = False
    """Normalise float observations by their running mean and variance, as VecNormalize does; part of the policy."""
    norm_reward: bool = False
    """Divide rewards by the running standard deviation of the discounted return."""
    return_bound: float | None = None
    """With norm_reward: divide by more, so that no discounted return so far is larger than this; None for no bound."""
    encoder: Flatten | Convolution | None = None
    """How images are read: convolutions, or as vectors; None takes convolutions where there are images."""
    actor_network: tuple[Layer, ...] | None = None
    """Hidden layers of the actor in place of `hidden`, from Python: see maxent.nn.layers."""
    critic_network: tuple[Layer, ...] | None = None
    """Hidden layers of the critics, or of the state value, in place of `hidden`, from Python."""

    def __post_init__(self) -> None:
        require("gamma", self.gamma, finite(self.gamma) and 0.0 <= self.gamma <= 1.0, "a number from 0 to 1")
        require_positive("learning_rate", self.learning_rate)
        require_sizes("hidden", self.hidden)
        scale = self.reward_scale
        require("reward_scale", scale, finite(scale) and scale != 0, "a number other than 0")
        for name in ("max_grad_norm", "return_bound"):
            if getattr(self, name) is not None:
                require_positive(name, getattr(self, name))
        if self.return_bound is not None and not self.norm_reward:
            raise UserError(
                f"return_bound: got {self.return_bound:g} without norm_reward, which scales rewards; set norm_reward, "
                "or return_bound to None."
            )
        for name in ("actor_network", "critic_network"):
            layers = getattr(self, name)
            valid = layers is None or (
                isinstance(layers, tuple) and len(layers) > 0 and all(isinstance(layer, Layer) for layer in layers)
            )
            require(name, layers, valid, "a tuple of layers (maxent.nn.layers), or None")

    def planned(self, updates: int) -> Self:
        """Return the settings of a run with this many updates, which a schedule of step sizes depends on."""
        return self

    def beyond(self, updates: int) -> str:
        """Return what a run should say that makes more updates than its schedule has; empty for nothing."""
        return ""


@dataclass(frozen=True)
class CriticConfig(AlgorithmConfig):
    """The settings of algorithms that learn critics."""

    shares_encoder: ClassVar[bool] = True
    """Whether the critics' loss may train an encoder that all networks share."""

    critic_learning_rate: float | None = None
    """Step size for the critics; None takes learning_rate."""
    critics: int = 2
    """Number of critics E."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rate("critic_learning_rate", self.critic_learning_rate)
        require_whole("critics", self.critics, 1)

    @property
    def critic_rate(self) -> float:
        """The step size for the critics."""
        return self.learning_rate if self.critic_learning_rate is None else self.critic_learning_rate


@dataclass(frozen=True)
class TargetConfig(CriticConfig):
    """The settings of algorithms whose critics, or state value, have target copies."""

    tau: float = 0.005
    """Share τ of the critics that enters their target copies at each target update."""
    target_delay: int = 1
    """Critic updates per update of the target critics."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require("tau", self.tau, finite(self.tau) and 0.0 < self.tau <= 1.0, "a number above 0 and at most 1")
        require_whole("target_delay", self.target_delay, 1)


@dataclass(frozen=True)
class PlainCriticConfig(TargetConfig):
    """The settings of algorithms whose critics, or state value, have targets and plain layers."""

    layer_norm: bool = False
    """LayerNorm before each ReLU of the critics."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.critic_network is not None and self.layer_norm != type(self).layer_norm:
            raise UserError(
                "layer_norm: critic_network already defines the layers of the critics; leave layer_norm out."
            )


@dataclass(frozen=True)
class ActorConfig(CriticConfig):
    """The settings of algorithms that learn an actor beside their critics, both from a replay."""

    actor_learning_rate: float | None = None
    """Step size for the actor; None takes learning_rate."""
    policy_delay: int = 1
    """Critic updates per update of the actor."""
    critic_hidden: tuple[int, ...] | None = None
    """Units of each hidden layer of the critics; None takes hidden."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rate("actor_learning_rate", self.actor_learning_rate)
        require_whole("policy_delay", self.policy_delay, 1)
        if self.critic_hidden is not None:
            require_sizes("critic_hidden", self.critic_hidden)

    @property
    def actor_rate(self) -> float:
        """The step size for the actor."""
        return self.learning_rate if self.actor_learning_rate is None else self.actor_learning_rate


@dataclass(frozen=True)
class ReplayActorConfig(ActorConfig, PlainCriticConfig):
    """The settings of algorithms with an actor and critics that have target copies."""


@dataclass(frozen=True)
class OnPolicyConfig(AlgorithmConfig):
    """The settings of algorithms that learn from the newest steps of their own policy, once."""

    run_defaults: ClassVar[Mapping[str, Any]] = {"num_envs": 8}

    rollout_steps: int = 128
    """Steps of every environment between updates; one update learns from num_envs · rollout_steps transitions."""
    alpha: float = 0.0
    """Entropy coefficient: α H(π(·|s)) is added to what the actor maximises; plain policy gradients have none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("rollout_steps", self.rollout_steps, 1)
        require("alpha", self.alpha, finite(self.alpha) and self.alpha >= 0, "a number of at least 0")


@dataclass(frozen=True)
class LearnedAlpha:
    """An entropy coefficient α that is learned towards a target entropy."""

    kind: ClassVar[str] = "auto"

    initial: float = 1.0
    """First value of α."""
    learning_rate: float | None = None
    """Step size for log α; None takes that of the algorithm."""
    target_entropy: float | None = None
    """Entropy H̄ to aim at, of actions scaled to (−1, 1); None is −dim(A) (2018b appendix D)."""
    factor: Literal["log_alpha", "alpha"] = "log_alpha"
    """Factor of the gap to the target entropy in the loss: log α (softlearning) or α (the paper's eq. 18)."""

    def __post_init__(self) -> None:
        require_positive("initial", self.initial)
        require_rate("learning_rate", self.learning_rate)
        require("target_entropy", self.target_entropy, self.target_entropy is None or finite(self.target_entropy),
                "a number, or None for −dim(A)")  # fmt: skip


def networks_of(network: NetworkSetting | None) -> dict[str, tuple[Layer, ...]]:
    """Return the settings that the argument `network` of an agent stands for."""
    if network is None:
        return {}
    made: dict[str, tuple[Layer, ...]] = {}
    for role in ("actor", "critic"):
        layers: object = network
        got = repr(network)
        if callable(network) and not isinstance(network, type):
            layers = network(role)
            got = f"{layers!r} from the function for {role!r}"
        holds = isinstance(layers, tuple | list) and layers and all(isinstance(one, Layer) for one in layers)
        if not holds:
            raise UserError(
                "network: expected a tuple of layers (maxent.nn.layers) or a function from 'actor' or 'critic' to one, "
                f"got {got}; for sizes alone there is hidden."
            )
        made[f"{role}_network"] = tuple(layers)  # type: ignore[arg-type]
    return made


def require_sizes(name: str, sizes: object) -> None:
    """Raise if a setting is not a series of layer sizes."""
    holds = isinstance(sizes, tuple | list) and all(type(units) is int and units > 0 for units in sizes)
    require(name, sizes, holds, "layer sizes above 0, such as (256, 256)")


def require_rate(name: str, rate: float | None) -> None:
    """Raise if a step size is neither a number above 0 nor None."""
    require(name, rate, rate is None or (finite(rate) and rate > 0), "a number above 0, or None for learning_rate")


def require_positive(name: str, value: object) -> None:
    """Raise if a setting is not a number above 0."""
    require(name, value, finite(value) and float(value) > 0, "a number above 0")  # type: ignore[arg-type]


def require_alpha(alpha: object, learned: type[Any]) -> None:
    """Raise if an entropy coefficient is neither a number of at least 0 nor a learned one of this kind."""
    number = finite(alpha) and float(alpha) >= 0  # type: ignore[arg-type]
    holds = number or isinstance(alpha, learned)
    require("alpha", alpha, holds, f"a number of at least 0, 'auto' or {learned.__name__}")


def require(name: str, value: object, holds: bool, expected: str) -> None:
    """Raise if a condition on a setting does not hold."""
    if not holds:
        raise UserError(f"{name}: expected {expected}, got {value!r}.")


def require_whole(name: str, value: object, least: int) -> None:
    """Raise if a setting is not a whole number of at least `least`."""
    holds = type(value) is not bool and isinstance(value, Integral) and int(value) >= least
    require(name, value, holds, f"a whole number of at least {least}")


def finite(value: object) -> bool:
    """Return whether a setting is a number, neither infinite nor NaN."""
    return type(value) is not bool and isinstance(value, Real) and math.isfinite(value)
