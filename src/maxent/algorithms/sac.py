"""Soft Actor-Critic with automatic temperature.

Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 1812.05905v2 ("2018b"), algorithm 1.
One update is

    y   = r + γ (min_i Q_θ̄i(s′, a′) − α log π(a′|s′)),  a′ ~ π(·|s′)
    θ_i ← θ_i − λ ∇ ½ (Q_θi(s, a) − y)²                                   eq. 5, 6
    φ   ← φ − λ ∇ (α log π(a|s) − min_i Q_θi(s, a)),  a = f_φ(ε; s)        eq. 9, 10
    α   ← α − λ ∇ (−α (log π(a|s) + H̄))                                  eq. 18
    θ̄_i ← τ θ_i + (1 − τ) θ̄_i

in this order, so the actor's step uses the critics after theirs. Each line is a function of `maxent.objectives`,
where the choices that libraries make differently are written down.

Deviation: log α replaces the factor α of eq. 18 (see `objectives.alpha_loss`); the setting `factor` of α has both.
Beyond that, the defaults are the paper's algorithm 1. Delays, LayerNorm, gradient clipping, n-step returns and reward
scaling are options, off by default; `policy_delay` and `target_delay` are TD3's (1802.09477).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component, Part
from maxent.algorithms.parts import CriticPart, Critics, Temperature
from maxent.algorithms.settings import AlgorithmConfig, LearnedAlpha, ReplayActorConfig, require, require_alpha
from maxent.algorithms.stochastic import StochasticAlgorithm
from maxent.batch import Batch
from maxent.distributions import SquashedGaussian
from maxent.nn.heads import CriticEnsemble, GaussianActor
from maxent.nn.log_std import ClippedLogStd, TanhLogStd
from maxent.nn.optimiser import Adam, State, StepSize
from maxent.objectives import Aggregate
from maxent.spaces import ActionLayout, ObservationLayout


@dataclass(frozen=True)
class SACConfig(ReplayActorConfig):
    """Settings of SAC; the defaults are those of 2018b appendix D."""

    alpha: float | LearnedAlpha = field(default_factory=LearnedAlpha)
    """Entropy coefficient α: a number keeps it fixed, "auto" learns it towards a target entropy."""
    log_std: ClippedLogStd | TanhLogStd = field(default_factory=ClippedLogStd)
    """How log σ of the policy is bounded: "clip" to [−20, 2], or squashed by "tanh" into [−5, 2]; both take bounds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_alpha(self.alpha, LearnedAlpha)
        kinds = (ClippedLogStd, TanhLogStd)
        require("log_std", self.log_std, isinstance(self.log_std, kinds), "'clip' or 'tanh'")


class SoftActorCritic(StochasticAlgorithm[SquashedGaussian]):
    """SAC (2018b) for P members.

    Its variants override `make_actor`, `make_critics`, the aggregates, or `td_target`.
    """

    name = "sac"
    title = "SAC"
    summary = "Soft Actor-Critic with twin critics and automatic temperature (1812.05905)"
    config_class: ClassVar[type[AlgorithmConfig]] = SACConfig
    actions = ("continuous",)
    soft_returns = True
    random_layers: ClassVar[tuple[str, ...]] = ("critic", "target_critic")
    metrics = (
        "train/actor_loss",
        "train/critic_loss",
        *Temperature.METRICS,
        "train/entropy",
        "train/q_mean",
    )

    def __init__(self, config: Any, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        super().__init__(config, members, observation, action)
        self.config, self.policy_delay = config, config.policy_delay
        self.actor = self.make_actor()
        self.critics = self.make_critics()
        self.alpha = Temperature.of(config.alpha, self.step_size(config.learning_rate), members)
        learned = None if isinstance(config.alpha, float | int) else config.alpha.target_entropy
        self.target_entropy = self.default_target_entropy() if learned is None else learned

    def make_actor(self) -> Component[SquashedGaussian]:
        """Return the actor φ."""
        head = GaussianActor(self.members, self.features, self.action.size, self.actor_layers, self.config.log_std)
        return Component("actor", head, Adam(self.config.actor_rate, max_grad_norm=self.config.max_grad_norm))

    def make_critics(self) -> CriticPart:
        """Return the critics θ with their targets θ̄."""
        self.target_delay = self.config.target_delay
        inputs = self.features + self.action.size
        head = CriticEnsemble(self.members, self.config.critics, inputs, self.critic_layers)
        return Critics(head, self.config, self.perception.encoder)

    def step_size(self, rate: float) -> StepSize:
        """Return the step size of an optimiser for a setting: constant, unless a variant has a schedule."""
        return rate

    def default_target_entropy(self) -> float:
        """Return H̄ = −dim(A).   2018b appendix D."""
        return -float(self.action.size)

    @property
    def components(self) -> tuple[Part, ...]:
        """Actor φ, critics θ with targets θ̄, and α."""
        return self.actor, self.critics, self.alpha

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return ε′ for a′ ~ π(·|s′) in the target, and ε for a = f(ε; s) in the actor's loss.

        Where layers of the critics take random draws, there are some for each of their three passes.
        """
        noise: dict[str, tuple[int, ...]] = {
            "next_action": (batch_size, self.action.size),
            "action": (batch_size, self.action.size),
        }
        network = self.critics.networks["critic"]
        draws = network.draws * math.prod(network.groups[1:])
        return noise | ({f"critic_{use}": (draws,) for use in ("target", "loss", "actor")} if draws else {})

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step of 2018b algorithm 1: critics, then actor and α, then targets."""
        metrics = self.critics.fit(state, batch, self.td_target(state, batch, noise), noise.get("critic_loss"))
        if policy:
            metrics |= self.update_actor_and_alpha(state, batch, noise)
        if target:
            self.critics.polyak_update(state)
        return metrics

    def td_target(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Return y = r + γ (min_i Q_θ̄i(s′, a′) − α log π(a′|s′)). → [P, B]"""
        policy = self.actor(state, batch.next_obs)
        next_action, next_log_prob = policy.sample(noise["next_action"])  # [P, B, A], [P, B]
        drawn = noise.get("critic_target")
        next_q = self.critics(state, batch.next_obs, next_action, target=True, noise=drawn)  # [P, E, B]
        aggregate = self.target_aggregate(noise)
        next_value = objectives.soft_value(next_q, next_log_prob, self.alpha(state), aggregate=aggregate)
        reward = self.soft_return(state, batch, self.alpha(state))
        return objectives.td_target(reward, batch.discount, next_value)

    def target_aggregate(self, noise: Noise) -> Aggregate:
        """Return how the target critics become one value: their minimum."""
        return objectives.minimum

    def actor_aggregate(self) -> Aggregate:
        """Return how the critics become the value that the actor maximises: their minimum."""
        return objectives.minimum

    def update_actor_and_alpha(self, state: State, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Make one step φ ← φ − λ ∇ J_π(φ), then α ← α − λ ∇ J(α), both at the actor's actions before its step."""
        alpha = self.alpha(state)  # [P, 1]

        def loss(policy: SquashedGaussian) -> tuple[Tensor, Tensor]:
            action, log_prob = policy.sample(noise["action"])
            q = self.critics(state, batch.obs, action, noise=noise.get("critic_actor"))
            return objectives.actor_loss(q, log_prob, alpha, aggregate=self.actor_aggregate()), log_prob

        losses, log_prob = self.actor.minimize(state, loss, batch.obs)
        metrics = {"train/actor_loss": losses, "train/entropy": -log_prob.mean(-1)}
        return metrics | self.alpha.fit(state, log_prob, self.target_entropy)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """Return min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
