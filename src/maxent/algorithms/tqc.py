"""Truncated Quantile Critics, for P members.

Kuznetsov et al. 2020, Controlling Overestimation Bias with Truncated Mixture of Continuous Distributional Quantile
Critics, 2005.04269v1, algorithm 1. SAC whose critics are M quantiles of the return each. The target takes the quantiles
of all critics together and drops the largest, which controls overestimation in finer steps than a minimum of two
means; the actor maximises the mean of all quantiles.

Deviation: two critics of two layers, as SB3-Contrib has them by default, in place of the paper's five of three layers
of 512 units (`--critics 5 --critic-hidden 512 512 512`).
"""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.parts import Ensemble
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import require, require_whole
from maxent.batch import Batch
from maxent.nn.heads import QuantileCriticEnsemble
from maxent.nn.optimiser import State
from maxent.objectives import Aggregate


@dataclass(frozen=True)
class TQCConfig(SACConfig):
    """Settings of TQC."""

    quantiles: int = 25
    """Quantiles M of each critic."""
    drop: int = 2
    """Quantiles for each critic that the target drops, the largest of all critics together."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("quantiles", self.quantiles, 1)
        require_whole("drop", self.drop, 0)
        most = self.quantiles - 1
        require("drop", self.drop, self.drop <= most, f"a number from 0 to {most}, fewer than quantiles")


@final
class QuantileCritics(Ensemble):
    """Critics whose outputs are quantiles of the return."""

    def values(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Return the mean of each critic's quantiles."""
        return outputs.mean(-1)

    def fit(self, state: State, batch: Batch, y: Tensor, noise: Tensor | None = None) -> dict[str, Tensor]:
        """Make one step of quantile regression towards the targets y [P, B, L]."""

        def loss(quantiles: Tensor) -> tuple[Tensor, Tensor]:
            return objectives.quantile_huber_loss(quantiles, y, batch.weight), quantiles.mean(-1)

        return self.descend(state, batch, loss, batch.action, mean=y.mean(-1), noise=noise)


class TruncatedQuantileCritics(SoftActorCritic):
    """TQC for P members."""

    name = "tqc"
    title = "TQC"
    summary = "SAC with quantile critics whose largest quantiles are dropped (2005.04269)"
    config_class = TQCConfig
    config: TQCConfig
    critics: QuantileCritics

    def make_critics(self) -> QuantileCritics:
        """Return the critics θ with their targets θ̄."""
        config, inputs = self.config, self.features + self.action.size
        self.target_delay = config.target_delay
        head = QuantileCriticEnsemble(self.members, config.critics, inputs, self.critic_layers, count=config.quantiles)
        return QuantileCritics(head, config, self.perception.encoder)

    def td_target(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Return y_i = r + γ (z_i − α log π(a′|s′)) for the quantiles z_i that are kept. → [P, B, L]"""
        next_action, next_log_prob = self.actor(state, batch.next_obs).sample(noise["next_action"])
        drawn = noise.get("critic_target")
        quantiles = self.critics.outputs(state, batch.next_obs, next_action, target=True, noise=drawn)
        kept = objectives.truncated_quantiles(quantiles, self.config.drop)  # [P, B, L]
        reward = self.soft_return(state, batch, self.alpha(state))
        return objectives.quantile_td_target(reward, batch.discount, kept, self.alpha(state), next_log_prob)

    def actor_aggregate(self) -> Aggregate:
        """Return the mean over the critics."""
        return objectives.mean_over_critics
