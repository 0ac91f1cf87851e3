"""Soft Actor-Critic with automatic temperature.

Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 1812.05905v2 ("2018b"), algorithm 1; seed 001.
One update is

    y   = r + γ (min_i Q_θ̄i(s′, a′) − α log π(a′|s′)),  a′ ~ π(·|s′)
    θ_i ← θ_i − λ ∇ ½ (Q_θi(s, a) − y)²                                   eq. 5, 6
    φ   ← φ − λ ∇ (α log π(a|s) − min_i Q_θi(s, a)),  a = f_φ(ε; s)        eq. 9, 10
    α   ← α − λ ∇ (−α (log π(a|s) + H̄))                                  eq. 18
    θ̄_i ← τ θ_i + (1 − τ) θ̄_i

in this order, so the actor meets the critics of the same update. Each line is a function of `maxent.objectives`,
where the choices that libraries make differently are written down.

Deviation: log α stands in for the factor α of eq. 18 (`objectives.alpha_loss` says why). Beyond that, the defaults
are the paper's algorithm 1. Delays, LayerNorm, gradient clipping, n-step returns and reward scaling are options, off
by default; `policy_delay` and `target_delay` are TD3's (1802.09477), which seed 001 proposes to try.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import AlgorithmConfig, Noise, ReplayActorConfig, finite, require
from maxent.algorithms.parts import Critics, Temperature
from maxent.algorithms.stochastic import StochasticAlgorithm
from maxent.batch import Batch
from maxent.distributions import SquashedGaussian
from maxent.nn.networks import MLP, CriticEnsemble, GaussianActor
from maxent.nn.optimiser import State, add_adam, descend
from maxent.spaces import ActionLayout


@dataclass(frozen=True)
class SACConfig(ReplayActorConfig):
    """Settings of SAC; the defaults are those of 2018b appendix D."""

    for_learned_alpha: ClassVar[tuple[str, ...]] = ("initial_alpha", "alpha_learning_rate", "target_entropy")

    alpha: float | Literal["auto"] = "auto"
    """Entropy coefficient α: a number keeps it fixed, "auto" learns it towards target_entropy."""
    initial_alpha: float = 1.0
    """Where a learned α starts."""
    alpha_learning_rate: float | None = None
    """Step size for log α; None takes learning_rate."""
    target_entropy: float | Literal["auto"] = "auto"
    """Entropy H̄ that a learned α aims at; "auto" is −dim(A)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Temperature.check(self, self.alpha, self.initial_alpha, self.alpha_learning_rate)
        aim = self.target_entropy
        require("target_entropy", aim, aim == "auto" or finite(aim), "'auto' or a number")


@final
class SoftActorCritic(StochasticAlgorithm[SquashedGaussian]):
    """SAC (2018b) for P members."""

    name: ClassVar[str] = "sac"
    summary: ClassVar[str] = "Soft Actor-Critic with twin critics and automatic temperature (1812.05905)"
    config_class: ClassVar[type[AlgorithmConfig]] = SACConfig
    actions: ClassVar[tuple[Literal["continuous", "discrete"], ...]] = ("continuous",)
    metrics: ClassVar[tuple[str, ...]] = (
        "train/actor_loss",
        "train/critic_loss",
        *Temperature.METRICS,
        "train/entropy",
        "train/q_mean",
    )

    def __init__(self, config: SACConfig, members: int, observation_size: int, action: ActionLayout) -> None:
        super().__init__(config, members, observation_size, action)
        self.config, self.policy_delay, self.target_delay = config, config.policy_delay, config.target_delay
        self.actor = GaussianActor(members, observation_size, action.size, config.hidden)
        self.critic = CriticEnsemble(
            members, config.critics, observation_size, action.size, config.hidden, config.layer_norm
        )
        self.critics = Critics(self.critic, config)
        # H̄ = −dim(A): 2018b appendix D.
        self.target_entropy = -float(action.size) if config.target_entropy == "auto" else config.target_entropy
        alpha_rate = config.learning_rate if config.alpha_learning_rate is None else config.alpha_learning_rate
        self.alpha = Temperature(config.alpha, config.initial_alpha, alpha_rate)

    @cached_property
    def networks(self) -> dict[str, MLP]:
        """Actor, critics and target critics."""
        return {"actor": self.actor.mlp, "critic": self.critic.mlp, "target_critic": self.critic.mlp}

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Actor φ, critics θ, targets θ̄ = θ and log α, with what Adam keeps of each."""
        state: State = {}
        add_adam(state, "actor", self.actor.mlp.init(generators))  # [P, nφ]
        self.critics.init(state, generators)  # [P, E, nθ]
        self.alpha.init(state, self.members)  # [P, 1]
        return state

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """ε′ for a′ ~ π(·|s′) in the target, ε for a = f(ε; s) in the actor's loss."""
        return {"next_action": (batch_size, self.action.size), "action": (batch_size, self.action.size)}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """2018b algorithm 1, one gradient step: critics, then actor and α, then targets."""
        metrics = self.critics.fit(state, batch, self.target(state, batch, noise["next_action"]))
        if policy:
            metrics |= self.update_actor_and_alpha(state, batch, noise["action"])
        if target:
            self.critics.follow(state)
        return metrics

    def target(self, state: State, batch: Batch, noise: Tensor) -> Tensor:
        """Y = r + γ (min_i Q_θ̄i(s′, a′) − α log π(a′|s′)). → [P, B]"""
        next_action, next_log_prob = self.policy(state, batch.next_obs).sample(noise)  # [P, B, A], [P, B]
        next_q = self.critics(state, batch.next_obs, next_action, target=True)  # [P, E, B]
        next_value = objectives.soft_value(next_q, next_log_prob, self.alpha(state))
        return objectives.td_target(batch.reward, batch.discount, next_value)

    def update_actor_and_alpha(self, state: State, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """φ ← φ − λ ∇ J_π(φ), then α ← α − λ ∇ J(α), both at the actions of the actor before its step."""
        alpha = self.alpha(state)  # [P, 1]

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            action, log_prob = self.actor(actor, batch.obs).sample(noise)
            return objectives.actor_loss(self.critics(state, batch.obs, action), log_prob, alpha), log_prob

        losses, log_prob = descend(
            state, "actor", loss,
            learning_rate=self.config.actor_rate, max_grad_norm=self.config.max_grad_norm,
        )  # fmt: skip
        metrics = {"train/actor_loss": losses, "train/entropy": -log_prob.mean(-1)}
        return metrics | self.alpha.fit(state, log_prob, self.target_entropy)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
