"""Soft Actor-Critic as first published, with a state value and without a learned temperature.

Haarnoja et al., Soft Actor-Critic, 1801.01290v2 ("2018a"), algorithm 1. One update is, in this
order,

    ψ   ← ψ − λ ∇ ½ (V_ψ(s) − (min_i Q_θi(s, a) − log π(a|s)))²,  a ~ π(·|s)      eq. 5, 6
    θ_i ← θ_i − λ ∇ ½ (Q_θi(s, a) − r − γ V_ψ̄(s′))²                              eq. 7 to 9
    φ   ← φ − λ ∇ (log π(a|s) − min_i Q_θi(s, a)),  a = f_φ(ε; s)                 eq. 12, 13
    ψ̄  ← τ ψ + (1 − τ) ψ̄

The weight of the entropy is the inverse of `reward_scale` (2018a §5.2 and appendix D). `alpha`, 1 in the paper,
multiplies every log π as in 2018b.

Deviation: none by default. The action of the value's and of the policy's loss is the same sample, as in the authors'
code.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component, Part
from maxent.algorithms.parts import Critics
from maxent.algorithms.settings import ReplayActorConfig, finite, require, require_rate
from maxent.algorithms.stochastic import StochasticAlgorithm
from maxent.batch import Batch
from maxent.distributions import SquashedGaussian
from maxent.nn.heads import CriticEnsemble, GaussianActor, StateValue
from maxent.nn.optimiser import Adam, State
from maxent.spaces import ActionLayout, ObservationLayout


@dataclass(frozen=True)
class SACv1Config(ReplayActorConfig):
    """Settings of SAC 2018a; the defaults are those of its appendix D."""

    value_learning_rate: float | None = None
    """Step size for the state value; None for learning_rate."""
    alpha: float = 1.0
    """Entropy coefficient α, fixed; the paper has 1 and scales the reward instead."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rate("value_learning_rate", self.value_learning_rate)
        require("alpha", self.alpha, finite(self.alpha) and self.alpha >= 0, "a number of at least 0")


class SoftActorCriticV1(StochasticAlgorithm[SquashedGaussian]):
    """SAC (2018a) for P members."""

    name = "sac-v1"
    title = "SACv1"
    summary = "Soft Actor-Critic as first published: state value network, reward scale (1801.01290)"
    config_class = SACv1Config
    actions = ("continuous",)
    soft_returns = True
    metrics = (
        "train/actor_loss", "train/critic_loss", "train/value_loss", "train/entropy", "train/q_mean",
    )  # fmt: skip

    def __init__(self, config: SACv1Config, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        super().__init__(config, members, observation, action)
        self.config, self.policy_delay, self.target_delay = config, config.policy_delay, config.target_delay
        actor = GaussianActor(members, self.features, action.size, self.actor_layers)
        critic = CriticEnsemble(members, config.critics, self.features + action.size, self.critic_layers)
        value = StateValue(members, self.features, self.critic_layers)
        rate = config.learning_rate if config.value_learning_rate is None else config.value_learning_rate
        self.actor = Component("actor", actor, Adam(config.actor_rate, max_grad_norm=config.max_grad_norm))
        self.critics = Critics(critic, config, self.perception.encoder, targets=False)
        self.value = Component("value", value, Adam(rate, max_grad_norm=config.max_grad_norm), target=True)

    @property
    def components(self) -> tuple[Part, ...]:
        """Actor φ, critics θ, value ψ and its target ψ̄ = ψ."""
        return self.actor, self.critics, self.value

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return ε for a = f(ε; s), in the losses of the value and of the policy."""
        return {"action": (batch_size, self.action.size)}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step of 2018a algorithm 1: value, critics, policy, target value."""
        metrics = self.update_value(state, batch, noise["action"])
        metrics |= self.critics.fit(state, batch, self.td_target(state, batch))
        if policy:
            metrics |= self.update_actor(state, batch, noise["action"])
        if target:
            self.value.polyak_update(state, self.config.tau)
        return metrics

    def update_value(self, state: State, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """Make one step ψ ← ψ − λ ∇ J_V(ψ)."""
        action, log_prob = self.actor(state, batch.obs).sample(noise)
        soft = objectives.soft_value(self.critics(state, batch.obs, action), log_prob, self.alpha(log_prob))

        def loss(value: Tensor) -> tuple[Tensor, Tensor]:
            return objectives.state_value_loss(value, soft), value

        losses, _ = self.value.minimize(state, loss, batch.obs)
        return {"train/value_loss": losses}

    def td_target(self, state: State, batch: Batch) -> Tensor:
        """Return y = r + γ V_ψ̄(s′). → [P, B]"""
        next_value = self.value(state, batch.next_obs, target=True)
        reward = self.soft_return(state, batch, self.alpha(batch.reward))
        return objectives.td_target(reward, batch.discount, next_value)

    def update_actor(self, state: State, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """Make one step φ ← φ − λ ∇ J_π(φ)."""

        def loss(policy: SquashedGaussian) -> tuple[Tensor, Tensor]:
            action, log_prob = policy.sample(noise)
            q = self.critics(state, batch.obs, action)
            return objectives.actor_loss(q, log_prob, self.alpha(log_prob)), log_prob

        losses, log_prob = self.actor.minimize(state, loss, batch.obs)
        return {"train/actor_loss": losses, "train/entropy": -log_prob.mean(-1)}

    def alpha(self, like: Tensor) -> Tensor:
        """Return α [1, 1] on the device of another tensor."""
        return torch.full_like(like[:1, :1], self.config.alpha)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """Return min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
