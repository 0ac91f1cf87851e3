"""Soft Actor-Critic on a finite set of actions: soft policy iteration with exact expectations.

Christodoulou, Soft Actor-Critic for Discrete Action Settings, 1910.07207; soft policy iteration of seeds 002 and 004.
One update is

    y   = r + γ Σ_a′ π(a′|s′) (min_i Q_θ̄i(s′, a′) − α log π(a′|s′))
    θ_i ← θ_i − λ ∇ ½ (Q_θi(s, a) − y)²
    φ   ← φ − λ ∇ Σ_a π(a|s) (α log π(a|s) − min_i Q_θi(s, a))
    α   ← α − λ ∇ (−log α · Σ_a π(a|s) (log π(a|s) + H̄))
    θ̄_i ← τ θ_i + (1 − τ) θ̄_i

Nothing is sampled, so the updates carry no noise of actions.

Deviation: H̄ = 0.89 log|A|, not 0.98 log|A| (1910.07207), which only a nearly uniform policy meets; it can be annealed
to another fraction. A learned α stays below `max_alpha`: where the entropy to come differs between actions (one of them
ends the episode), the soft values grow with α as fast as α itself, the policy stays as it is, and α would run away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import (
    AlgorithmConfig,
    Noise,
    ReplayActorConfig,
    finite,
    require,
    require_whole,
)
from maxent.algorithms.parts import Critics, Temperature
from maxent.algorithms.stochastic import StochasticAlgorithm
from maxent.batch import Batch
from maxent.distributions import Categorical
from maxent.nn.networks import MLP, CategoricalActor, DiscreteCriticEnsemble, take_action
from maxent.nn.optimiser import State, add_adam, descend
from maxent.spaces import ActionLayout


@dataclass(frozen=True)
class SACDiscreteConfig(ReplayActorConfig):
    """Settings of SAC on a finite set of actions."""

    for_learned_alpha: ClassVar[tuple[str, ...]] = (
        "initial_alpha", "max_alpha", "alpha_learning_rate", "entropy_fraction", "final_entropy_fraction",
        "anneal_updates",
    )  # fmt: skip

    alpha: float | Literal["auto"] = "auto"
    """Entropy coefficient α: a number keeps it fixed, "auto" learns it towards the target entropy."""
    initial_alpha: float = 1.0
    """Where a learned α starts."""
    max_alpha: float = 10.0
    """A learned α stays below this."""
    alpha_learning_rate: float | None = None
    """Step size for log α; None takes learning_rate."""
    entropy_fraction: float = 0.89
    """Target entropy H̄ of a learned α as a fraction of log|A|, the entropy of the uniform policy."""
    final_entropy_fraction: float | None = None
    """The fraction after `anneal_updates` updates, approached in a line; None keeps the first."""
    anneal_updates: int = 100_000
    """Updates that annealing the target entropy takes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Temperature.check(self, self.alpha, self.initial_alpha, self.alpha_learning_rate)
        highest = self.max_alpha
        require("max_alpha", highest, finite(highest) and highest >= self.initial_alpha, "at least initial_alpha")
        for name in ("entropy_fraction", "final_entropy_fraction"):
            share = getattr(self, name)
            absent = share is None and name.startswith("final")
            require(name, share, absent or (finite(share) and 0 <= share <= 1), "a number from 0 to 1")
        require_whole("anneal_updates", self.anneal_updates, 1)


@final
class DiscreteSoftActorCritic(StochasticAlgorithm[Categorical]):
    """SAC on a finite set of actions, for P members."""

    name: ClassVar[str] = "sac-discrete"
    summary: ClassVar[str] = "Soft Actor-Critic on discrete actions, with exact expectations (1910.07207)"
    config_class: ClassVar[type[AlgorithmConfig]] = SACDiscreteConfig
    actions: ClassVar[tuple[Literal["continuous", "discrete"], ...]] = ("discrete",)
    metrics: ClassVar[tuple[str, ...]] = (
        "train/actor_loss", "train/critic_loss", *Temperature.METRICS, "train/entropy", "train/q_mean",
    )  # fmt: skip

    def __init__(self, config: SACDiscreteConfig, members: int, observation_size: int, action: ActionLayout) -> None:
        super().__init__(config, members, observation_size, action)
        self.config, self.policy_delay, self.target_delay = config, config.policy_delay, config.target_delay
        self.actor = CategoricalActor(members, observation_size, action.count, config.hidden)
        self.critic = DiscreteCriticEnsemble(
            members, config.critics, observation_size, action.count, config.hidden, config.layer_norm
        )
        self.critics = Critics(self.critic, config)
        alpha_rate = config.learning_rate if config.alpha_learning_rate is None else config.alpha_learning_rate
        self.alpha = Temperature(config.alpha, config.initial_alpha, alpha_rate, config.max_alpha)

    @cached_property
    def networks(self) -> dict[str, MLP]:
        """Actor, critics and target critics."""
        return {"actor": self.actor.mlp, "critic": self.critic.mlp, "target_critic": self.critic.mlp}

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Actor φ, critics θ, targets θ̄ = θ, log α and the number of updates, by which H̄ is annealed."""
        state: State = {}
        add_adam(state, "actor", self.actor.mlp.init(generators))
        self.critics.init(state, generators)
        self.alpha.init(state, self.members)
        state["updates"] = torch.zeros(1)
        return state

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """None: every expectation over actions is a sum."""
        return {}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """One gradient step: critics, then actor and α, then targets."""
        metrics = self.critics.fit(state, batch, self.target(state, batch))
        if policy:
            metrics |= self.update_actor_and_alpha(state, batch)
        if target:
            self.critics.follow(state)
        state["updates"].add_(1.0)
        return metrics

    def target(self, state: State, batch: Batch) -> Tensor:
        """Y = r + γ Σ_a′ π(a′|s′) (min_i Q_θ̄i(s′, a′) − α log π(a′|s′)). → [P, B]"""
        next_q = self.critics.all_actions(state, batch.next_obs, target=True)  # [P, E, B, K]
        log_probs = self.policy(state, batch.next_obs).log_probs
        next_value = objectives.expected_soft_value(next_q, log_probs, self.alpha(state))
        return objectives.td_target(batch.reward, batch.discount, next_value)

    def update_actor_and_alpha(self, state: State, batch: Batch) -> dict[str, Tensor]:
        """φ ← φ − λ ∇ J_π(φ), then α ← α − λ ∇ J(α)."""
        alpha, q = self.alpha(state), self.critics.all_actions(state, batch.obs)  # [P, 1], [P, E, B, K]

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            policy = self.actor(actor, batch.obs)
            return objectives.expected_actor_loss(q, policy.log_probs, alpha), policy.entropy()

        losses, entropy = descend(
            state, "actor", loss,
            learning_rate=self.config.actor_rate, max_grad_norm=self.config.max_grad_norm,
        )  # fmt: skip
        metrics = {"train/actor_loss": losses, "train/entropy": entropy.mean(-1)}
        return metrics | self.alpha.fit(state, -entropy, self.target_entropy(state))  # E[log π] = −H, exactly

    def target_entropy(self, state: Mapping[str, Tensor]) -> Tensor:
        """H̄ = fraction · log|A|. → [1]"""
        first, last = self.config.entropy_fraction, self.config.final_entropy_fraction
        way = (state["updates"] / self.config.anneal_updates).clamp_max(1.0)
        return (first + ((first if last is None else last) - first) * way) * math.log(self.action.count)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a)."""
        return take_action(self.critics.all_actions(state, obs), action).amin(1)
