"""A user's own algorithm: SAC whose targets mix the smallest and the mean of the critics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from maxent import objectives
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import AlgorithmConfig, require
from maxent.batch import Batch
from maxent.spaces import ActionLayout, ObservationLayout


@dataclass(frozen=True)
class MySACConfig(SACConfig):
    """Settings of MySAC."""

    optimism: float = 0.25
    """Share of the critics' mean in the targets; 0 is SAC."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require("optimism", self.optimism, 0.0 <= self.optimism <= 1.0, "a number from 0 to 1")


class MySAC(SoftActorCritic):
    """SAC with y = r + γ ((1 − o) min_i Q_θ̄i + o · mean_i Q_θ̄i − α log π)."""

    name: ClassVar[str] = "my-sac"
    summary: ClassVar[str] = "SAC with less pessimistic targets"
    config_class: ClassVar[type[AlgorithmConfig]] = MySACConfig
    metrics: ClassVar[tuple[str, ...]] = (*SoftActorCritic.metrics, "train/critic_spread")

    def __init__(self, config: MySACConfig, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        super().__init__(config, members, observation, action)
        self.optimism = config.optimism

    def td_target(self, state: Mapping[str, Tensor], batch: Batch, noise: Mapping[str, Tensor]) -> Tensor:
        """Return y [P, B]."""
        next_action, next_log_prob = self.actor(state, batch.next_obs).sample(noise["next_action"])
        next_q = self.critics(state, batch.next_obs, next_action, target=True)  # [P, E, B]
        next_value = objectives.soft_value(next_q, next_log_prob, self.alpha(state), aggregate=self.mix)
        return objectives.td_target(batch.reward, batch.discount, next_value)

    def mix(self, q: Tensor) -> Tensor:
        """Return (1 − o) min_i Q_i + o · mean_i Q_i: [P, E, B] → [P, B]."""
        return (1.0 - self.optimism) * q.amin(-2) + self.optimism * q.mean(-2)

    def update(self, state: Any, batch: Batch, noise: Any, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make SAC's update; report how far apart the critics are as well."""
        metrics = super().update(state, batch, noise, policy=policy, target=target)
        q = self.critics(state, batch.obs, batch.action)  # [P, E, B]
        return metrics | {"train/critic_spread": (q.amax(1) - q.amin(1)).mean(-1)}


class Nameless(SoftActorCritic):
    """A class without a name of its own: no algorithm."""
