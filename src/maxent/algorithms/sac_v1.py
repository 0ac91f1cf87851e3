"""Soft Actor-Critic as first published, with a state value and without a learned temperature.

Haarnoja et al., Soft Actor-Critic, 1801.01290v2 ("2018a"), algorithm 1; seeds 000, 002 and 004. One update is, in the
order of seed 000,

    ψ   ← ψ − λ ∇ ½ (V_ψ(s) − (min_i Q_θi(s, a) − log π(a|s)))²,  a ~ π(·|s)      eq. 5, 6
    θ_i ← θ_i − λ ∇ ½ (Q_θi(s, a) − r − γ V_ψ̄(s′))²                              eq. 7 to 9
    φ   ← φ − λ ∇ (log π(a|s) − min_i Q_θi(s, a)),  a = f_φ(ε; s)                 eq. 12, 13
    ψ̄  ← τ ψ + (1 − τ) ψ̄

The weight of the entropy is the inverse of `reward_scale` (2018a §5.2 and appendix D). `alpha`, 1 in the paper,
multiplies every log π as in 2018b, for those who know the temperature that they want.

Deviation: none by default. The action of the value's and of the policy's loss is the same sample, as in the authors'
code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import AlgorithmConfig, Noise, ReplayActorConfig, finite, require, require_rate
from maxent.algorithms.parts import Critics
from maxent.algorithms.stochastic import StochasticAlgorithm
from maxent.batch import Batch
from maxent.distributions import SquashedGaussian
from maxent.nn.networks import MLP, CriticEnsemble, GaussianActor, StateValue
from maxent.nn.optimiser import State, add_adam, average, descend
from maxent.spaces import ActionLayout


@dataclass(frozen=True)
class SACv1Config(ReplayActorConfig):
    """Settings of SAC 2018a; the defaults are those of its appendix D."""

    value_learning_rate: float | None = None
    """Step size for the state value; None takes learning_rate."""
    alpha: float = 1.0
    """Entropy coefficient α, fixed; the paper has 1 and scales the reward instead."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rate("value_learning_rate", self.value_learning_rate)
        require("alpha", self.alpha, finite(self.alpha) and self.alpha >= 0, "a number of at least 0")


@final
class SoftActorCriticV1(StochasticAlgorithm[SquashedGaussian]):
    """SAC (2018a) for P members."""

    name: ClassVar[str] = "sac-v1"
    summary: ClassVar[str] = "Soft Actor-Critic as first published: state value network, reward scale (1801.01290)"
    config_class: ClassVar[type[AlgorithmConfig]] = SACv1Config
    actions: ClassVar[tuple[Literal["continuous", "discrete"], ...]] = ("continuous",)
    metrics: ClassVar[tuple[str, ...]] = (
        "train/actor_loss", "train/critic_loss", "train/value_loss", "train/entropy", "train/q_mean",
    )  # fmt: skip

    def __init__(self, config: SACv1Config, members: int, observation_size: int, action: ActionLayout) -> None:
        super().__init__(config, members, observation_size, action)
        self.config, self.policy_delay, self.target_delay = config, config.policy_delay, config.target_delay
        self.actor = GaussianActor(members, observation_size, action.size, config.hidden)
        self.value = StateValue(members, observation_size, config.hidden, config.layer_norm)
        self.critic = CriticEnsemble(
            members, config.critics, observation_size, action.size, config.hidden, config.layer_norm
        )
        self.critics = Critics(self.critic, config, targets=False)
        self.value_rate = config.learning_rate if config.value_learning_rate is None else config.value_learning_rate

    @cached_property
    def networks(self) -> dict[str, MLP]:
        """Actor, critics, state value and its target."""
        value = self.value.mlp
        return {"actor": self.actor.mlp, "critic": self.critic.mlp, "value": value, "target_value": value}

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Actor φ, critics θ, value ψ and its target ψ̄ = ψ."""
        state: State = {}
        add_adam(state, "actor", self.actor.mlp.init(generators))
        self.critics.init(state, generators)
        add_adam(state, "value", self.value.mlp.init(generators))
        state["target_value"] = state["value"].clone()
        return state

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """ε for a = f(ε; s), in the losses of the value and of the policy."""
        return {"action": (batch_size, self.action.size)}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """2018a algorithm 1, one gradient step: value, critics, policy, target value."""
        metrics = self.update_value(state, batch, noise["action"])
        metrics |= self.critics.fit(state, batch, self.target(state, batch))
        if policy:
            metrics |= self.update_actor(state, batch, noise["action"])
        if target:
            average(state["target_value"], state["value"], self.config.tau)
        return metrics

    def update_value(self, state: State, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """ψ ← ψ − λ ∇ J_V(ψ)."""
        action, log_prob = self.policy(state, batch.obs).sample(noise)
        soft = objectives.soft_value(self.critics(state, batch.obs, action), log_prob, self.alpha(log_prob))

        def loss(value: Tensor) -> tuple[Tensor, Tensor]:
            v = self.value(value, batch.obs)
            return objectives.state_value_loss(v, soft), v

        losses, _ = descend(
            state, "value", loss,
            learning_rate=self.value_rate, max_grad_norm=self.config.max_grad_norm,
        )  # fmt: skip
        return {"train/value_loss": losses}

    def target(self, state: State, batch: Batch) -> Tensor:
        """Y = r + γ V_ψ̄(s′). → [P, B]"""
        next_value = self.value(state["target_value"], batch.next_obs)
        return objectives.td_target(batch.reward, batch.discount, next_value)

    def update_actor(self, state: State, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """φ ← φ − λ ∇ J_π(φ)."""

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            action, log_prob = self.actor(actor, batch.obs).sample(noise)
            q = self.critics(state, batch.obs, action)
            return objectives.actor_loss(q, log_prob, self.alpha(log_prob)), log_prob

        losses, log_prob = descend(
            state, "actor", loss,
            learning_rate=self.config.actor_rate, max_grad_norm=self.config.max_grad_norm,
        )  # fmt: skip
        return {"train/actor_loss": losses, "train/entropy": -log_prob.mean(-1)}

    def alpha(self, like: Tensor) -> Tensor:
        """α [1, 1] on the device of another tensor."""
        return torch.full_like(like[:1, :1], self.config.alpha)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
