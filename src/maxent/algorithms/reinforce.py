"""REINFORCE: the Monte Carlo policy gradient.

Williams 1992. From the newest steps of its own policy, in order, one update is

    G_t = Σ_{k≥t} γ^{k−t} r_k                                        the reward to go, or the whole episode's return
    φ   ← φ + λ E[Σ_t (G_t − V_ψ(s_t)) ∇ log π_φ(a_t|s_t)]
    ψ   ← ψ − λ ∇ ½ (V_ψ(s_t) − G_t)²                                with `baseline`

Deviation: all steps of an episode have the same weight (no factor γᵗ), as is common. An update has a fixed number of
steps, so it may cut episodes: with a baseline a cut or truncated episode bootstraps from V_ψ, without one the return
after its last step is 0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component, Part
from maxent.algorithms.settings import OnPolicyConfig, require_rate, require_whole
from maxent.algorithms.stochastic import PolicyGradientAlgorithm
from maxent.batch import Batch
from maxent.nn.heads import StateValue
from maxent.nn.optimiser import Adam, State
from maxent.spaces import ActionLayout, ObservationLayout


@dataclass(frozen=True)
class ReinforceConfig(OnPolicyConfig):
    """Settings of REINFORCE."""

    reward_to_go: bool = True
    """Weigh each action by the rewards that follow it; else by the return of its whole episode."""
    baseline: bool = True
    """Subtract a learned V(s): the gradient's expectation stays, its variance falls."""
    baseline_learning_rate: float | None = None
    """Step size for V; None takes learning_rate."""
    baseline_updates: int = 4
    """Gradient steps on V for each update."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rate("baseline_learning_rate", self.baseline_learning_rate)
        require_whole("baseline_updates", self.baseline_updates, 1)


class Reinforce(PolicyGradientAlgorithm):
    """REINFORCE for P members."""

    name = "reinforce"
    title = "Reinforce"
    summary = "Monte Carlo policy gradient with reward to go and baseline (Williams 1992)"
    config_class = ReinforceConfig
    actions = ("continuous", "discrete")
    metrics = ("train/actor_loss", "train/value_loss", "train/entropy", "train/return")

    def __init__(
        self, config: ReinforceConfig, members: int, observation: ObservationLayout, action: ActionLayout
    ) -> None:
        super().__init__(config, members, observation, action)
        self.config = config
        rate = config.learning_rate if config.baseline_learning_rate is None else config.baseline_learning_rate
        head = StateValue(members, self.features, self.critic_layers)
        self.value = Component("value", head, Adam(rate, max_grad_norm=config.max_grad_norm))

    @property
    def components(self) -> tuple[Part, ...]:
        """Actor φ, and ψ of V where there is one."""
        return (self.actor, self.value) if self.config.baseline else (self.actor,)

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one step on the policy, then a few on V."""
        assert batch.ended is not None  # on-policy batches have it
        lanes = (self.members, -1, self.config.rollout_steps)  # [P, N, T]
        ended = batch.ended.reshape(lanes)
        next_value = self.value(state, batch.next_obs) if self.config.baseline else torch.zeros_like(batch.reward)
        to_go = objectives.reward_to_go(
            batch.reward.reshape(lanes), batch.discount.reshape(lanes), ended, next_value.reshape(lanes)
        )
        signal = to_go if self.config.reward_to_go else objectives.episode_return(to_go, ended)
        to_go, signal = to_go.reshape(self.members, -1), signal.reshape(self.members, -1)  # [P, B]
        if self.config.baseline:
            signal = signal - self.value(state, batch.obs)
        metrics = self.policy_gradient_step(state, batch, signal) | {"train/return": to_go.mean(-1)}
        return metrics | (self.update_value(state, batch, to_go) if self.config.baseline else {})

    def update_value(self, state: State, batch: Batch, to_go: Tensor) -> dict[str, Tensor]:
        """Make a few steps ψ ← ψ − λ ∇ ½ (V_ψ(s) − G)²."""

        def loss(value: Tensor) -> tuple[Tensor, Tensor]:
            return objectives.state_value_loss(value, to_go), value

        for _ in range(self.config.baseline_updates):
            losses, _extra = self.value.minimize(state, loss, batch.obs)
        return {"train/value_loss": losses}
