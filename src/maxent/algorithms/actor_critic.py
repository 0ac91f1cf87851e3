"""On-policy actor-critic: a policy gradient whose signal is a learned Q.

Sutton and Barto 2018, chapter 13. From the newest steps of its own policy one update is

    y = r + γ E_{a′∼π}[Q̂(s′, a′)]
    ψ ← ψ − λ ∇ ½ (Q_ψ(s, a) − y)²                                     a few times
    φ ← φ + λ E[A(s, a) ∇ log π_φ(a|s)],   A = Q_ψ(s, a) − E_{a∼π}[Q_ψ(s, a)],   or A = Q_ψ(s, a)
    Q̂ ← τ Q_ψ + (1 − τ) Q̂

Over a finite set of actions both expectations are sums; on a box each is estimated without bias
from one sample of the policy.

Deviation: the factor γᵗ of the policy gradient (Sutton & Barto 2018, §13.5) is left out, as everywhere in practice: the
states of a rollout then have equal weights. The steps are of the current policy and
are used once: a policy gradient from a replay would need a correction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Part
from maxent.algorithms.parts import Critics
from maxent.algorithms.settings import OnPolicyConfig, PlainCriticConfig, require, require_whole
from maxent.algorithms.stochastic import PolicyGradientAlgorithm
from maxent.batch import Batch
from maxent.distributions import Categorical
from maxent.nn.heads import CriticEnsemble, DiscreteCriticEnsemble
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout


@dataclass(frozen=True)
class OnPolicyActorCriticConfig(OnPolicyConfig, PlainCriticConfig):
    """Settings of the on-policy actor-critic."""

    rollout_steps: int = 16
    """Steps of every environment between updates; one update learns from num_envs · rollout_steps transitions."""
    signal: Literal["advantage", "q"] = "advantage"
    """Weight of an action's gradient: Q(s, a), or Q(s, a) minus its mean under the policy."""
    critics: int = 1
    """Number of Q networks; the smallest of their values counts."""
    critic_updates: int = 4
    """Gradient steps on Q for each update, each followed by its target."""
    tau: float = 0.05
    """Share τ of Q that enters its target copy after each of those steps."""
    target_delay: int = 1
    """The target is updated in every `target_delay`-th update, after each of its steps on Q."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require("signal", self.signal, self.signal in ("advantage", "q"), "'advantage' or 'q'")
        require_whole("critic_updates", self.critic_updates, 1)


class OnPolicyActorCritic(PolicyGradientAlgorithm):
    """Actor-critic for P members."""

    name = "actor-critic"
    title = "ActorCritic"
    summary = "On-policy actor-critic with a learned Q as the policy gradient's signal (Sutton & Barto)"
    config_class = OnPolicyActorCriticConfig
    actions = ("continuous", "discrete")
    metrics = ("train/actor_loss", "train/critic_loss", "train/entropy", "train/q_mean")

    def __init__(
        self, config: OnPolicyActorCriticConfig, members: int, observation: ObservationLayout, action: ActionLayout
    ) -> None:
        super().__init__(config, members, observation, action)
        self.config, self.target_delay = config, config.target_delay
        critic: CriticEnsemble | DiscreteCriticEnsemble
        if action.kind == "discrete":
            critic = DiscreteCriticEnsemble(members, config.critics, self.features, action.count, self.critic_layers)
        else:
            critic = CriticEnsemble(members, config.critics, self.features + action.size, self.critic_layers)
        self.critics = Critics(critic, config, self.perception.encoder)

    @property
    def components(self) -> tuple[Part, ...]:
        """Actor φ, ψ of Q and its target."""
        return self.actor, self.critics

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of ε of the samples that estimate the two expectations on a box."""
        if self.action.kind == "discrete":
            return {}
        shape: tuple[int, ...] = (batch_size, self.action.size)
        return {f"next_action_{k}": shape for k in range(self.config.critic_updates)} | {"action": shape}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make a few steps on Q, then one on the policy."""
        for k in range(self.config.critic_updates):
            next_value = self.value(state, batch.next_obs, noise.get(f"next_action_{k}"), target=True)
            metrics = self.critics.fit(state, batch, objectives.td_target(batch.reward, batch.discount, next_value))
            if target:
                self.critics.polyak_update(state)
        signal = self.q(state, batch.obs, batch.action)
        if self.config.signal == "advantage":
            signal = signal - self.value(state, batch.obs, noise.get("action"), target=False)
        return metrics | self.policy_gradient_step(state, batch, signal)

    def value(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor | None, *, target: bool) -> Tensor:
        """Return E_{a∼π}[Q(s, a)], as a sum or from one sample. → [P, B]"""
        policy = self.actor(state, obs)
        if isinstance(policy, Categorical):
            return objectives.expected_value(self.critics.all_actions(state, obs, target=target), policy.probs)
        assert noise is not None  # part of update_noise
        return self.critics(state, obs, policy.draw(noise), target=target).amin(1)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """Return min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
