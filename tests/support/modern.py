"""Algorithms of a user's own module, each with one piece of modern actor-critics: small classes derived from SAC."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component
from maxent.algorithms.parts import TD_ERROR, Critics
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.batch import Batch
from maxent.nn.heads import CategoricalCriticEnsemble, CriticEnsemble
from maxent.nn.layers import BatchNorm, Linear, ReLU, RMSNorm
from maxent.nn.network import Network
from maxent.nn.optimiser import Adam, CosineDecay, State
from maxent.spaces import ActionLayout, ObservationLayout

NORMALISED = (BatchNorm(momentum=0.1), Linear(12), ReLU(), BatchNorm(momentum=0.1), Linear(10), ReLU())
"""Hidden layers of critics with running statistics; no algorithm of its own is needed for them.

A bias right before a BatchNorm would have a gradient of zero but for rounding, which Adam makes steps of.
"""

UNIT = (
    Linear(12, unit_norm=True, start="orthogonal"), RMSNorm(unit_norm=True), ReLU(),
    Linear(10, bias=False, unit_norm=True), BatchNorm(momentum=0.1, unit_norm=True), ReLU(),
)  # fmt: skip
"""Hidden layers whose weights the optimiser keeps on unit spheres."""

SCHEDULE = CosineDecay(3e-3, 3e-4, 4)
OPTIMISER = Adam(SCHEDULE, betas=(0.8, 0.99), epsilon=1e-6, weight_decay=0.1)


class RandomSubset(SoftActorCritic):
    """SAC whose target takes the minimum of two critics drawn anew for every update (REDQ, 2101.05982)."""

    name = "random-subset"

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return also one draw for each critic: it ranks them."""
        return super().update_noise(batch_size) | {"subset": (self.config.critics,)}

    def td_target(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Y = r + γ (min_{i∈M} Q_θ̄i(s′, a′) − α log π(a′|s′)), |M| = 2. → [P, B]"""
        next_action, next_log_prob = self.actor(state, batch.next_obs).sample(noise["next_action"])
        next_q = self.critics(state, batch.next_obs, next_action, target=True)
        aggregate = objectives.subset_minimum(noise["subset"], 2)
        next_value = objectives.soft_value(next_q, next_log_prob, self.alpha(state), aggregate=aggregate)
        return objectives.td_target(batch.reward, batch.discount, next_value)


LOW, HIGH, COUNT = -4.0, 4.0, 11


@final
class CategoricalCritics:
    """Critics whose outputs are distributions of the return over atoms (C51, 1707.06887)."""

    def __init__(self, head: CategoricalCriticEnsemble, config: SACConfig) -> None:
        self.critic = Component("critic", head, Adam(config.critic_rate), target=True)
        self.tau = config.tau

    @property
    def networks(self) -> dict[str, Network]:
        """Critics and targets."""
        return self.critic.networks

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put fresh critics and targets into the state."""
        self.critic.init(state, generators)

    def __call__(
        self,
        state: Mapping[str, Tensor],
        obs: Tensor,
        action: Tensor,
        *,
        target: bool = False,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Return Q_i(s, a), the means. → [P, E, B]"""
        log_probs = self.critic(state, obs, action, target=target)
        return objectives.categorical_value(log_probs, objectives.atoms(LOW, HIGH, COUNT, log_probs))

    def fit(self, state: State, batch: Batch, y: Tensor, noise: Tensor | None = None) -> dict[str, Tensor]:
        """θ_i ← θ_i − λ ∇ of the cross-entropy with target probabilities y [P, B, K]."""

        def loss(log_probs: Tensor) -> tuple[Tensor, Tensor]:
            return objectives.categorical_critic_loss(log_probs, y, batch.weight), log_probs

        losses, log_probs = self.critic.minimize(state, loss, batch.obs, batch.action)
        atoms = objectives.atoms(LOW, HIGH, COUNT, y)
        q = objectives.categorical_value(log_probs, atoms)  # [P, E, B]
        error = (q - (y * atoms).sum(-1).unsqueeze(1)).abs().mean(1)
        return {"train/critic_loss": losses, "train/q_mean": q.mean((-2, -1)), TD_ERROR: error}

    def polyak_update(self, state: State) -> None:
        """θ̄ ← τ θ + (1 − τ) θ̄."""
        self.critic.polyak_update(state, self.tau)


class CategoricalSAC(SoftActorCritic):
    """SAC with categorical critics."""

    name = "categorical"

    def __init__(self, config: Any, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        super().__init__(config, members, observation, action)
        inputs = self.features + action.size
        head = CategoricalCriticEnsemble(members, config.critics, inputs, self.critic_layers, count=COUNT)
        self.distributions = CategoricalCritics(head, config)
        self.critics = self.distributions

    def td_target(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Return the probabilities of r + γ (z − α log π(a′|s′)) on the atoms, z of the smallest critic. → [P, B, K]"""
        next_action, next_log_prob = self.actor(state, batch.next_obs).sample(noise["next_action"])
        log_probs = self.distributions.critic(state, batch.next_obs, next_action, target=True)
        atoms = objectives.atoms(LOW, HIGH, COUNT, log_probs)
        smallest = objectives.categorical_minimum(log_probs, atoms).exp()
        moved = objectives.categorical_td_target(batch.reward, batch.discount, atoms, self.alpha(state), next_log_prob)
        return objectives.categorical_projection(moved, smallest, LOW, HIGH)


class ProjectedSAC(SoftActorCritic):
    """SAC whose critics learn by AdamW with a schedule; layers with `unit_norm` are projected after each step."""

    name = "projected"

    def __init__(self, config: Any, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        super().__init__(config, members, observation, action)
        head = CriticEnsemble(members, config.critics, self.features + action.size, self.critic_layers)
        self.critics = Critics(head, config, optimiser=OPTIMISER)
