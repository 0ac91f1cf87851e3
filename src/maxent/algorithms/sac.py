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

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Algorithm, AlgorithmConfig, Noise, finite, require, require_whole
from maxent.batch import Batch
from maxent.networks import MLP, CriticEnsemble, GaussianActor, Views
from maxent.optim import State, adam, add_adam, average, descend
from maxent.spaces import ActionLayout


@dataclass(frozen=True)
class SACConfig(AlgorithmConfig):
    """Settings of SAC; the defaults are those of 2018b appendix D."""

    tau: float = 0.005
    """Share τ of the critics that enters their target copies at each target update."""
    actor_learning_rate: float | None = None
    """Step size for the actor; None takes learning_rate."""
    critic_learning_rate: float | None = None
    """Step size for the critics; None takes learning_rate."""
    alpha_learning_rate: float | None = None
    """Step size for log α; None takes learning_rate."""
    alpha: float | Literal["auto"] = "auto"
    """Entropy coefficient α: a number keeps it fixed, "auto" learns it towards target_entropy."""
    initial_alpha: float = 1.0
    """Where a learned α starts."""
    target_entropy: float | Literal["auto"] = "auto"
    """Entropy H̄ that a learned α aims at; "auto" is −dim(A)."""
    critics: int = 2
    """Number of critics E; the smallest of their values counts."""
    layer_norm: bool = False
    """LayerNorm before each ReLU of the critics."""
    policy_delay: int = 1
    """Critic updates per update of actor and α."""
    target_delay: int = 1
    """Critic updates per update of the target critics."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require("tau", self.tau, 0.0 < self.tau <= 1.0, "a number above 0 and at most 1")
        for name in ("actor_learning_rate", "critic_learning_rate", "alpha_learning_rate"):
            rate = getattr(self, name)
            require(name, rate, rate is None or rate > 0, "a number above 0, or None for learning_rate")
        alpha, aim = self.alpha, self.target_entropy
        require("alpha", alpha, alpha == "auto" or (finite(alpha) and alpha >= 0), "'auto' or a number of at least 0")
        require("target_entropy", aim, aim == "auto" or finite(aim), "'auto' or a number")
        require("initial_alpha", self.initial_alpha, self.initial_alpha > 0, "a number above 0")
        for name in ("critics", "policy_delay", "target_delay"):
            require_whole(name, getattr(self, name), 1)


@final
class SoftActorCritic(Algorithm):
    """SAC (2018b) for P members."""

    name: ClassVar[str] = "sac"
    summary: ClassVar[str] = "Soft Actor-Critic with twin critics and automatic temperature (1812.05905)"
    config_class: ClassVar[type[AlgorithmConfig]] = SACConfig
    actions: ClassVar[Literal["continuous", "discrete"]] = "continuous"
    metrics: ClassVar[tuple[str, ...]] = (
        "train/critic_loss",
        "train/q_mean",
        "train/actor_loss",
        "train/entropy",
        "train/ent_coef",
        "train/ent_coef_loss",
        "train/target_entropy",
    )

    def __init__(self, config: SACConfig, members: int, observation_size: int, action: ActionLayout) -> None:
        super().__init__(config, members, observation_size, action)
        self.config = config
        self.actor = GaussianActor(members, observation_size, action.size, config.hidden)
        self.critic = CriticEnsemble(
            members, config.critics, observation_size, action.size, config.hidden, config.layer_norm
        )
        # H̄ = −dim(A): 2018b appendix D.
        self.target_entropy = -float(action.size) if config.target_entropy == "auto" else config.target_entropy
        self.actor_rate = config.learning_rate if config.actor_learning_rate is None else config.actor_learning_rate
        self.critic_rate = config.learning_rate if config.critic_learning_rate is None else config.critic_learning_rate
        self.alpha_rate = config.learning_rate if config.alpha_learning_rate is None else config.alpha_learning_rate

    @cached_property
    def networks(self) -> dict[str, MLP]:
        """Actor, critics and target critics."""
        return {"actor": self.actor.mlp, "critic": self.critic.mlp, "target_critic": self.critic.mlp}

    @property
    def policy_names(self) -> tuple[str, ...]:
        """The actor alone acts."""
        return ("actor",)

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Actor φ, critics θ, targets θ̄ = θ and log α, with what Adam keeps of each."""
        state: State = {}
        add_adam(state, "actor", self.actor.mlp.init(generators))  # [P, nφ]
        add_adam(state, "critic", self.critic.mlp.init(generators))  # [P, E, nθ]
        state["target_critic"] = state["critic"].clone()
        alpha = self.config.initial_alpha if self.config.alpha == "auto" else self.config.alpha
        add_adam(state, "log_alpha", torch.full((self.members, 1), math.log(alpha) if alpha > 0 else -math.inf))
        return state

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """ε′ for a′ ~ π(·|s′) in the target, ε for a = f(ε; s) in the actor's loss."""
        return {"next_action": (batch_size, self.action.size), "action": (batch_size, self.action.size)}

    def due(self, update: int) -> tuple[bool, bool]:
        """Every `policy_delay`-th update moves the actor and α, every `target_delay`-th the targets."""
        return update % self.config.policy_delay == 0, update % self.config.target_delay == 0

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """2018b algorithm 1, one gradient step: critics, then actor and α, then targets."""
        metrics = self.update_critic(state, batch, noise["next_action"])
        if policy:
            metrics |= self.update_actor_and_alpha(state, batch, noise["action"])
        if target:
            average(state["target_critic"], state["critic"], self.config.tau)
        return metrics

    def update_critic(self, state: State, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """θ_i ← θ_i − λ ∇ J_Q(θ_i)."""
        policy = self.actor(self.actor.mlp.views(state["actor"]), batch.next_obs)
        next_action, next_log_prob = policy.sample(noise)  # [P, B, A], [P, B]
        next_q = self.critic(self.critic.mlp.views(state["target_critic"]), batch.next_obs, next_action)  # [P, E, B]
        next_value = objectives.soft_value(next_q, next_log_prob, state["log_alpha"].exp())
        y = objectives.td_target(batch.reward, batch.discount, next_value)  # [P, B]

        def loss(critic: Views) -> tuple[Tensor, Tensor]:
            q = self.critic(critic, batch.obs, batch.action)
            return objectives.critic_loss(q, y), q.mean((-2, -1))

        losses, q_mean = descend(
            state, "critic", self.critic.mlp, loss,
            learning_rate=self.critic_rate, max_grad_norm=self.config.max_grad_norm,
        )  # fmt: skip
        return {"train/critic_loss": losses, "train/q_mean": q_mean}

    def update_actor_and_alpha(self, state: State, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """φ ← φ − λ ∇ J_π(φ), then α ← α − λ ∇ J(α), both at the actions of the actor before its step."""
        alpha = state["log_alpha"].exp()  # [P, 1]
        critic = self.critic.mlp.views(state["critic"])  # constant here: no gradient reaches θ

        def loss(actor: Views) -> tuple[Tensor, Tensor]:
            action, log_prob = self.actor(actor, batch.obs).sample(noise)
            return objectives.actor_loss(self.critic(critic, batch.obs, action), log_prob, alpha), log_prob

        losses, log_prob = descend(
            state, "actor", self.actor.mlp, loss,
            learning_rate=self.actor_rate, max_grad_norm=self.config.max_grad_norm,
        )  # fmt: skip
        metrics = {
            "train/actor_loss": losses,
            "train/entropy": -log_prob.mean(-1),
            "train/ent_coef": alpha.squeeze(-1),
        }
        if self.config.alpha == "auto":
            metrics |= self.update_alpha(state, log_prob)
        return metrics

    def update_alpha(self, state: State, log_prob: Tensor) -> dict[str, Tensor]:
        """α ← α − λ ∇ J(α): log α rises where the policy's entropy is below H̄."""
        loss = objectives.alpha_loss(state["log_alpha"], log_prob, self.target_entropy)
        # ∂/∂ log α of −log α · (log π + H̄) is its other factor.
        gradient = -(log_prob + self.target_entropy).mean(-1, keepdim=True)  # [P, 1]
        adam(state, "log_alpha", gradient, learning_rate=self.alpha_rate)
        return {
            "train/ent_coef_loss": loss,
            "train/target_entropy": torch.full_like(loss, self.target_entropy),
        }

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor) -> Tensor:
        """A ~ π(·|s)."""
        policy = self.actor(self.actor.mlp.views(state["actor"]), obs)
        return torch.tanh(policy.mean + policy.log_std.exp() * noise)

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """tanh(μ(s))."""
        return self.actor(self.actor.mlp.views(state["actor"]), obs).mode()
