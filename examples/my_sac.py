"""Two algorithms: SAC whose target takes a random subset of the critics, and the same with a state value.

docs/write-your-own-algorithm.md explains this file.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component, Part
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import AlgorithmConfig, require
from maxent.batch import Batch
from maxent.nn.heads import StateValue
from maxent.nn.layers import Layer, Shape, Views
from maxent.nn.optimiser import Adam, State
from maxent.spaces import ActionLayout, ObservationLayout


# part: settings
@dataclass(frozen=True)
class MySACConfig(SACConfig):
    """Settings of MySAC."""

    critics: int = 5
    """Number of critics E."""
    subset: int = 2
    """Critics in each target, drawn at random."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require("subset", self.subset, 1 <= self.subset <= self.critics, f"a number from 1 to {self.critics} critics")


# part: algorithm
class MySAC(SoftActorCritic):
    """SAC whose target takes the minimum over a random subset of the critics (REDQ, 2101.05982)."""

    name: ClassVar[str] = "my-sac"
    summary: ClassVar[str] = "SAC with targets from a random subset of the critics"
    config_class: ClassVar[type[AlgorithmConfig]] = MySACConfig
    metrics: ClassVar[tuple[str, ...]] = (*SoftActorCritic.metrics, "train/q_std")
    config: MySACConfig

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return the draws of SAC, and one number per critic that selects the subset."""
        return super().update_noise(batch_size) | {"subset": (self.config.critics,)}

    def td_target(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Return y = r + γ (min_{i∈M} Q_θ̄i(s′, a′) − α log π(a′|s′)), M a random subset. → [P, B]"""
        next_action, next_log_prob = self.actor(state, batch.next_obs).sample(noise["next_action"])
        next_q = self.critics(state, batch.next_obs, next_action, target=True)  # [P, E, B]
        smallest = objectives.subset_minimum(noise["subset"], self.config.subset)
        next_value = objectives.soft_value(next_q, next_log_prob, self.alpha(state), aggregate=smallest)
        return objectives.td_target(batch.reward, batch.discount, next_value)

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step of SAC; the metrics also have the standard deviation of Q over the critics."""
        metrics = super().update(state, batch, noise, policy=policy, target=target)
        q = self.critics(state, batch.obs, batch.action)  # [P, E, B]
        return metrics | {"train/q_std": q.std(1).mean(-1)}


# part: component
class MySACWithValue(MySAC):
    """MySAC that also learns V(s), whose target copy is the next value (2018a)."""

    name: ClassVar[str] = "my-sac-value"
    summary: ClassVar[str] = "MySAC with a state value"
    metrics: ClassVar[tuple[str, ...]] = (*MySAC.metrics, "train/value_loss")

    def __init__(self, config: MySACConfig, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        super().__init__(config, members, observation, action)
        head = StateValue(members, self.features, self.critic_layers)
        self.value = Component("value", head, Adam(config.learning_rate), target=True)

    @property
    def components(self) -> tuple[Part, ...]:
        """The components of SAC, ψ of V, and ψ̄ = ψ."""
        return *super().components, self.value

    def td_target(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Return y = r + γ V_ψ̄(s′). → [P, B]"""
        return objectives.td_target(batch.reward, batch.discount, self.value(state, batch.next_obs, target=True))

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step of MySAC, then one of V towards the soft value."""
        metrics = super().update(state, batch, noise, policy=policy, target=target)
        action, log_prob = self.actor(state, batch.obs).sample(noise["action"])
        soft = objectives.soft_value(self.critics(state, batch.obs, action), log_prob, self.alpha(state))

        def loss(value: Tensor) -> tuple[Tensor, Tensor]:
            return objectives.state_value_loss(value, soft), value

        losses, _ = self.value.minimize(state, loss, batch.obs)
        if target:
            self.value.polyak_update(state, self.config.tau)
        return metrics | {"train/value_loss": losses}


# part: layer
@dataclass(frozen=True)
class Gain(Layer):
    """The layer y = x · e^g with a learned g per feature."""

    label: ClassVar[str] = "gain"

    def parameters(self, size: int) -> dict[str, Shape]:
        """Return the shape of g, which starts at 0."""
        return {"log": (1, size)}

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        """Return the scaled features."""
        return x * own["log"].exp()
