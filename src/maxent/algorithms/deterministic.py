"""What the algorithms with a deterministic actor share: DDPG, and TD3, which mends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Algorithm, Noise, ReplayActorConfig, finite, require
from maxent.algorithms.parts import Critics
from maxent.batch import Batch
from maxent.nn.acting import FastActor, FastDeterministic
from maxent.nn.networks import MLP, CriticEnsemble, DeterministicActor
from maxent.nn.optimiser import State, add_adam, average, descend
from maxent.spaces import ActionLayout


@dataclass(frozen=True)
class DeterministicConfig(ReplayActorConfig):
    """The settings of algorithms with a deterministic actor."""

    exploration_noise: float = 0.1
    """Standard deviation of the Gaussian noise on exploring actions, which lie in [−1, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        noise = self.exploration_noise
        require("exploration_noise", noise, finite(noise) and noise >= 0, "a number of at least 0")


class DeterministicActorCritic(Algorithm):
    """Critics learn the value of a deterministic actor, which climbs the first of them; both have target copies."""

    actions: ClassVar[tuple[Literal["continuous", "discrete"], ...]] = ("continuous",)
    metrics: ClassVar[tuple[str, ...]] = ("train/actor_loss", "train/critic_loss", "train/q_mean")

    def __init__(self, config: DeterministicConfig, members: int, observation_size: int, action: ActionLayout) -> None:
        super().__init__(config, members, observation_size, action)
        self.config, self.policy_delay, self.target_delay = config, config.policy_delay, config.target_delay
        self.actor = DeterministicActor(members, observation_size, action.size, config.hidden)
        self.critic = CriticEnsemble(
            members, config.critics, observation_size, action.size, config.hidden, config.layer_norm
        )
        self.critics = Critics(self.critic, config)

    @cached_property
    def networks(self) -> dict[str, MLP]:
        """Actor and critics with their targets."""
        actor, critic = self.actor.mlp, self.critic.mlp
        return {"actor": actor, "target_actor": actor, "critic": critic, "target_critic": critic}

    @property
    def policy_names(self) -> tuple[str, ...]:
        """The actor alone acts."""
        return ("actor",)

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Actor φ and critics θ, targets φ̄ = φ and θ̄ = θ."""
        state: State = {}
        add_adam(state, "actor", self.actor.mlp.init(generators))
        state["target_actor"] = state["actor"].clone()
        self.critics.init(state, generators)
        return state

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """None: the actor is deterministic."""
        return {}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """One gradient step: critics, then the actor, then targets."""
        metrics = self.critics.fit(state, batch, self.target(state, batch, noise))
        if policy:
            metrics |= self.update_actor(state, batch)
        if target:
            self.critics.follow(state)
            average(state["target_actor"], state["actor"], self.config.tau)
        return metrics

    def target(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Y = r + γ min_i Q_θ̄i(s′, a′), where a′ is the target actor's. → [P, B]"""
        next_q = self.critics(state, batch.next_obs, self.next_action(state, batch, noise), target=True)
        return objectives.td_target(batch.reward, batch.discount, next_q.amin(1))

    def next_action(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """a′ = μ_φ̄(s′). → [P, B, A]"""
        return self.actor(state["target_actor"], batch.next_obs)

    def update_actor(self, state: State, batch: Batch) -> dict[str, Tensor]:
        """φ ← φ + λ E[∇_a Q_θ1(s, a) ∇_φ μ_φ(s)], a = μ_φ(s): 1509.02971 eq. 6, by the chain rule."""

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            losses = objectives.deterministic_actor_loss(self.critics(state, batch.obs, self.actor(actor, batch.obs)))
            return losses, losses

        losses, _ = descend(
            state, "actor", loss,
            learning_rate=self.config.actor_rate, max_grad_norm=self.config.max_grad_norm,
        )  # fmt: skip
        return {"train/actor_loss": losses}

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """μ(s) + σ ε, inside the bounds."""
        return (self.mode(state, obs) + self.config.exploration_noise * noise).clamp(-1.0, 1.0)

    def fast_actor(self, state: Mapping[str, Tensor]) -> FastActor | None:
        """μ in NumPy."""
        return FastDeterministic(self.actor, state["actor"], self.config.exploration_noise)

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """μ(s)."""
        return self.actor(state["actor"], obs)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
