"""Soft Actor-Critic on a finite set of actions: soft policy iteration with exact expectations.

Christodoulou, Soft Actor-Critic for Discrete Action Settings, 1910.07207. One update is

    y   = r + γ Σ_a′ π(a′|s′) (min_i Q_θ̄i(s′, a′) − α log π(a′|s′))
    θ_i ← θ_i − λ ∇ ½ (Q_θi(s, a) − y)²
    φ   ← φ − λ ∇ Σ_a π(a|s) (α log π(a|s) − min_i Q_θi(s, a))
    α   ← α − λ ∇ (−log α · Σ_a π(a|s) (log π(a|s) + H̄))
    θ̄_i ← τ θ_i + (1 − τ) θ̄_i

Nothing is sampled, so an update has no noise.

Deviation: H̄ = 0.89 log|A|, not 0.98 log|A| (1910.07207), which only a nearly uniform policy meets; it can be annealed
to another fraction. A learned α is at most `highest`: where future entropy differs between actions (one of them ends
the episode), soft values grow in proportion to α, the policy does not change, and α would grow without bound.
Targets follow by a Polyak average, as in algorithm 1 of the paper; its experiments on Atari copy them every 8,000 steps
(`--tau 1 --target-delay 8000`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component, Part
from maxent.algorithms.parts import Critics, Temperature
from maxent.algorithms.settings import (
    ReplayActorConfig,
    finite,
    require,
    require_alpha,
    require_positive,
    require_rate,
    require_whole,
)
from maxent.algorithms.stochastic import StochasticAlgorithm
from maxent.batch import Batch
from maxent.distributions import Categorical
from maxent.nn.heads import CategoricalActor, DiscreteCriticEnsemble
from maxent.nn.optimiser import Adam, State
from maxent.spaces import ActionLayout, ObservationLayout


@dataclass(frozen=True)
class LearnedDiscreteAlpha:
    """An entropy coefficient α that is learned towards a share of the entropy of the uniform policy."""

    kind: ClassVar[str] = "auto"

    initial: float = 1.0
    """First value of α."""
    learning_rate: float | None = None
    """Step size for log α; None takes that of the algorithm."""
    highest: float = 10.0
    """Upper bound of α."""
    entropy_fraction: float = 0.89
    """Target entropy H̄ as a fraction of log|A|, the entropy of the uniform policy."""
    final_entropy_fraction: float | None = None
    """The fraction after `anneal_updates` updates, reached linearly; None keeps the first."""
    anneal_updates: int = 100_000
    """Number of updates over which the target entropy is annealed."""
    factor: Literal["log_alpha", "alpha"] = "log_alpha"
    """Factor of the gap to the target entropy in the loss: log α (softlearning) or α (the paper's eq. 18)."""

    def __post_init__(self) -> None:
        require_positive("initial", self.initial)
        require_rate("learning_rate", self.learning_rate)
        highest = self.highest
        require("highest", highest, finite(highest) and highest >= self.initial, "at least initial")
        for name in ("entropy_fraction", "final_entropy_fraction"):
            share = getattr(self, name)
            absent = share is None and name.startswith("final")
            require(name, share, absent or (finite(share) and 0 <= share <= 1), "a number from 0 to 1")
        require_whole("anneal_updates", self.anneal_updates, 1)


@dataclass(frozen=True)
class SACDiscreteConfig(ReplayActorConfig):
    """Settings of SAC on a finite set of actions."""

    alpha: float | LearnedDiscreteAlpha = field(default_factory=LearnedDiscreteAlpha)
    """Entropy coefficient α: a number keeps it fixed, "auto" learns it towards a target entropy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_alpha(self.alpha, LearnedDiscreteAlpha)


class DiscreteSoftActorCritic(StochasticAlgorithm[Categorical]):
    """SAC on a finite set of actions, for P members."""

    name = "sac-discrete"
    title = "SACDiscrete"
    summary = "Soft Actor-Critic on discrete actions, with exact expectations (1910.07207)"
    config_class = SACDiscreteConfig
    actions = ("discrete",)
    soft_returns = True
    metrics = (
        "train/actor_loss", "train/critic_loss", *Temperature.METRICS, "train/entropy", "train/q_mean",
    )  # fmt: skip

    def __init__(
        self, config: SACDiscreteConfig, members: int, observation: ObservationLayout, action: ActionLayout
    ) -> None:
        super().__init__(config, members, observation, action)
        self.config, self.policy_delay, self.target_delay = config, config.policy_delay, config.target_delay
        actor = CategoricalActor(members, self.features, action.count, self.actor_layers)
        critic = DiscreteCriticEnsemble(members, config.critics, self.features, action.count, self.critic_layers)
        self.actor = Component("actor", actor, Adam(config.actor_rate, max_grad_norm=config.max_grad_norm))
        self.critics = Critics(critic, config, self.perception.encoder)
        self.learned = config.alpha if isinstance(config.alpha, LearnedDiscreteAlpha) else LearnedDiscreteAlpha()
        self.alpha = Temperature.of(config.alpha, config.learning_rate, members, self.learned.highest)

    @property
    def components(self) -> tuple[Part, ...]:
        """Actor φ, critics θ, targets θ̄ = θ, and α."""
        return self.actor, self.critics, self.alpha

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Return an initial state, with the number of updates, by which H̄ is annealed."""
        return super().init(generators) | {"updates": torch.zeros(1)}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step: critics, then actor and α, then targets."""
        metrics = self.critics.fit(state, batch, self.td_target(state, batch))
        if policy:
            metrics |= self.update_actor_and_alpha(state, batch)
        if target:
            self.critics.polyak_update(state)
        state["updates"].add_(1.0)
        return metrics

    def td_target(self, state: State, batch: Batch) -> Tensor:
        """Return y = r + γ Σ_a′ π(a′|s′) (min_i Q_θ̄i(s′, a′) − α log π(a′|s′)). → [P, B]"""
        next_q = self.critics.all_actions(state, batch.next_obs, target=True)  # [P, E, B, K]
        log_probs = self.actor(state, batch.next_obs).log_probs
        next_value = objectives.expected_soft_value(next_q, log_probs, self.alpha(state))
        reward = self.soft_return(state, batch, self.alpha(state))
        return objectives.td_target(reward, batch.discount, next_value)

    def update_actor_and_alpha(self, state: State, batch: Batch) -> dict[str, Tensor]:
        """Make one step φ ← φ − λ ∇ J_π(φ), then α ← α − λ ∇ J(α)."""
        alpha, q = self.alpha(state), self.critics.all_actions(state, batch.obs)  # [P, 1], [P, E, B, K]

        def loss(policy: Categorical) -> tuple[Tensor, Tensor]:
            return objectives.expected_actor_loss(q, policy.log_probs, alpha), policy.entropy()

        losses, entropy = self.actor.minimize(state, loss, batch.obs)
        metrics = {"train/actor_loss": losses, "train/entropy": entropy.mean(-1)}
        return metrics | self.alpha.fit(state, -entropy, self.target_entropy(state))  # E[log π] = −H, exactly

    def target_entropy(self, state: Mapping[str, Tensor]) -> Tensor:
        """Return H̄ = fraction · log|A|. → [1]"""
        first, last = self.learned.entropy_fraction, self.learned.final_entropy_fraction
        way = (state["updates"] / self.learned.anneal_updates).clamp_max(1.0)
        return (first + ((first if last is None else last) - first) * way) * math.log(self.action.count)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """Return min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
