"""Algorithms with a deterministic actor: the parts that DDPG and TD3 share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Algorithm, Exploration, Fresh, Noise, OrnsteinUhlenbeck
from maxent.algorithms.component import Component, Part
from maxent.algorithms.parts import Critics
from maxent.algorithms.settings import ReplayActorConfig, finite, require
from maxent.batch import Batch
from maxent.nn.acting import FastActor, fast_actor
from maxent.nn.heads import CriticEnsemble, DeterministicActor
from maxent.nn.optimiser import Adam, State
from maxent.spaces import ActionLayout, ObservationLayout


@dataclass(frozen=True)
class DeterministicConfig(ReplayActorConfig):
    """The settings of algorithms with a deterministic actor."""

    exploration_noise: float = 0.1
    """Standard deviation σ of the Gaussian noise on exploring actions, which lie in [−1, 1]."""
    noise_process: Literal["independent", "ornstein-uhlenbeck"] = "independent"
    """Whether that noise is independent in every step, or x ← 0.85 x + σ ε (DDPG, 1509.02971 §7)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds = ("independent", "ornstein-uhlenbeck")
        require("noise_process", self.noise_process, self.noise_process in kinds, " or ".join(map(repr, kinds)))
        noise = self.exploration_noise
        require("exploration_noise", noise, finite(noise) and noise >= 0, "a number of at least 0")


class DeterministicActorCritic(Algorithm):
    """An actor-critic algorithm whose deterministic actor maximises the first critic; both have target copies."""

    actions = ("continuous",)
    metrics = ("train/actor_loss", "train/critic_loss", "train/q_mean")

    def __init__(
        self, config: DeterministicConfig, members: int, observation: ObservationLayout, action: ActionLayout
    ) -> None:
        super().__init__(config, members, observation, action)
        self.config, self.policy_delay, self.target_delay = config, config.policy_delay, config.target_delay
        actor = DeterministicActor(members, self.features, action.size, self.actor_layers)
        critic = CriticEnsemble(members, config.critics, self.features + action.size, self.critic_layers)
        optimiser = Adam(config.actor_rate, max_grad_norm=config.max_grad_norm)
        self.actor = Component("actor", actor, optimiser, target=True)
        self.critics = Critics(critic, config, self.perception.encoder)

    @property
    def components(self) -> tuple[Part, ...]:
        """Actor φ and critics θ, targets φ̄ = φ and θ̄ = θ."""
        return self.actor, self.critics

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step: critics, then the actor, then targets."""
        metrics = self.critics.fit(state, batch, self.td_target(state, batch, noise))
        if policy:
            metrics |= self.update_actor(state, batch)
        if target:
            self.critics.polyak_update(state)
            self.actor.polyak_update(state, self.config.tau)
        return metrics

    def td_target(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Return y = r + γ min_i Q_θ̄i(s′, a′), where a′ is the target actor's. → [P, B]"""
        next_q = self.critics(state, batch.next_obs, self.next_action(state, batch, noise), target=True)
        return objectives.td_target(batch.reward, batch.discount, next_q.amin(1))

    def next_action(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Return a′ = μ_φ̄(s′). → [P, B, A]"""
        return self.actor(state, batch.next_obs, target=True)

    def update_actor(self, state: State, batch: Batch) -> dict[str, Tensor]:
        """Make one step φ ← φ + λ E[∇_a Q_θ1(s, a) ∇_φ μ_φ(s)], a = μ_φ(s).   1509.02971 eq. 6"""

        def loss(action: Tensor) -> tuple[Tensor, Tensor]:
            losses = objectives.deterministic_actor_loss(self.critics(state, batch.obs, action))
            return losses, losses

        losses, _ = self.actor.minimize(state, loss, batch.obs)
        return {"train/actor_loss": losses}

    @property
    def exploration(self) -> Exploration:
        """Independent draws, or an Ornstein-Uhlenbeck process."""
        return Fresh() if self.config.noise_process == "independent" else OrnsteinUhlenbeck(self.action.size)

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """Return μ(s) + σ ε, clipped to the bounds."""
        return (self.mode(state, obs) + self.config.exploration_noise * noise).clamp(-1.0, 1.0)

    def fast_actor(self, state: Mapping[str, Tensor]) -> FastActor | None:
        """Return μ in NumPy."""
        return fast_actor(self.actor.head, state["actor"], self.config.exploration_noise)

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return μ(s)."""
        return self.actor(state, obs)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """Return min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
