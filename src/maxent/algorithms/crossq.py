"""CrossQ, for P members.

Bhatt et al. 2024, CrossQ: Batch Normalization in Deep Reinforcement Learning for Greater Sample Efficiency and
Simplicity, 1902.05605v4, algorithm 1. SAC without target networks, with wide critics that normalise over the batch.
Transitions (s, a) and (s′, a′) go through the critics together, so both are normalised by the same statistics; y is
made of the second half of the output, without a gradient. The actor's loss uses the running statistics.

The normalisation is batch renormalisation (1702.03275) in actor and critics, on the input and after each ReLU. For the
first 100,000 passes it is plain batch normalisation, as in the authors' code (adityab/CrossQ a318a26).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component
from maxent.algorithms.parts import Critics, critic_metrics
from maxent.algorithms.sac import SoftActorCritic
from maxent.algorithms.settings import ActorConfig, LearnedAlpha, require_alpha
from maxent.batch import Batch
from maxent.distributions import SquashedGaussian
from maxent.nn.heads import CriticEnsemble, GaussianActor
from maxent.nn.layers import BatchRenorm, Layer, Linear, ReLU
from maxent.nn.optimiser import Adam, State

BETAS = (0.5, 0.999)
NORM = BatchRenorm(momentum=0.01, epsilon=1e-3)


@dataclass(frozen=True)
class CrossQConfig(ActorConfig):
    """Settings of CrossQ; the defaults are those of the paper."""

    shares_encoder: ClassVar[bool] = False
    run_defaults: ClassVar[Mapping[str, Any]] = {"learning_starts": 5_000}

    learning_rate: float = 1e-3
    """Step size of Adam for every network."""
    critic_hidden: tuple[int, ...] | None = (2048, 2048)
    """Units of each hidden layer of the critics; None takes hidden."""
    policy_delay: int = 3
    """Critic updates per update of the actor."""
    alpha: float | LearnedAlpha = field(default_factory=LearnedAlpha)
    """Entropy coefficient α: a number keeps it fixed, "auto" learns it towards a target entropy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_alpha(self.alpha, LearnedAlpha)


class CrossQ(SoftActorCritic):
    """CrossQ for P members."""

    name = "crossq"
    title = "CrossQ"
    summary = "SAC with batch normalisation in wide critics and no target networks (1902.05605)"
    config_class = CrossQConfig
    random_layers = ()
    config: CrossQConfig
    critics: Critics

    @classmethod
    def hidden_layers(cls, config: Any, role: Literal["actor", "critic"], hidden: tuple[int, ...]) -> tuple[Layer, ...]:
        """Return normalisation of the input, then Linear, ReLU and normalisation of each size."""
        return (NORM, *(layer for units in hidden for layer in (Linear(units), ReLU(), NORM)))

    def make_actor(self) -> Component[SquashedGaussian]:
        """Return the actor φ."""
        head = GaussianActor(self.members, self.features, self.action.size, self.actor_layers)
        return Component("actor", head, self._optimiser(self.config.actor_rate))

    def make_critics(self) -> Critics:
        """Return the critics θ, which have no targets."""
        inputs = self.features + self.action.size
        head = CriticEnsemble(self.members, self.config.critics, inputs, self.critic_layers)
        optimiser = self._optimiser(self.config.critic_rate)
        return Critics(head, self.config, targets=False, optimiser=optimiser)

    def _optimiser(self, rate: float) -> Adam:
        return Adam(rate, betas=BETAS, max_grad_norm=self.config.max_grad_norm)

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step of algorithm 1: critics, then actor and α."""
        metrics = self.update_critics(state, batch, noise)
        return metrics | self.update_actor_and_alpha(state, batch, noise) if policy else metrics

    def update_critics(self, state: State, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Make one step θ_i ← θ_i − λ ∇ ½ (Q_i(s, a) − y)², y of the same pass through the critics."""
        next_action, next_log_prob = self.actor(state, batch.next_obs).sample(noise["next_action"])
        obs, action = torch.cat([batch.obs, batch.next_obs], 1), torch.cat([batch.action, next_action], 1)
        alpha = self.alpha(state)
        reward = self.soft_return(state, batch, alpha)

        def loss(joint: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            q, next_q = joint.chunk(2, -1)  # [P, E, B] each
            next_value = objectives.soft_value(next_q.detach(), next_log_prob, alpha)
            y = objectives.td_target(reward, batch.discount, next_value)
            return objectives.critic_loss(q, y, batch.weight), (q, y)

        losses, (q, y) = self.critics.critic.minimize(state, loss, obs, action)
        return critic_metrics(losses, q, y)
