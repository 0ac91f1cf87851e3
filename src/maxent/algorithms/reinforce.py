"""REINFORCE: the Monte Carlo policy gradient.

Williams 1992; seed 003, theorem 1. From the newest steps of its own policy, in order, one update is

    G_t = Σ_{k≥t} γ^{k−t} r_k                                        the reward to go, or the whole episode's return
    φ   ← φ + λ E[Σ_t (G_t − V_ψ(s_t)) ∇ log π_φ(a_t|s_t)]
    ψ   ← ψ − λ ∇ ½ (V_ψ(s_t) − G_t)²                                with `baseline`

Deviation: steps count alike whatever their time in the episode (no factor γᵗ), as everywhere in practice. An update
takes a fixed number of steps, so it may cut episodes: with a baseline the cut and every truncated episode go on with
V_ψ, without one they count for nothing beyond their last step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import AlgorithmConfig, Noise, OnPolicyConfig, require_rate, require_whole
from maxent.algorithms.stochastic import PolicyGradientAlgorithm
from maxent.batch import Batch
from maxent.nn.networks import MLP, StateValue
from maxent.nn.optimiser import State, add_adam, descend
from maxent.spaces import ActionLayout


@dataclass(frozen=True)
class ReinforceConfig(OnPolicyConfig):
    """Settings of REINFORCE."""

    reward_to_go: bool = True
    """Weigh each action by the rewards that follow it; else by the return of its whole episode (theorem 1)."""
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


@final
class Reinforce(PolicyGradientAlgorithm):
    """REINFORCE for P members."""

    name: ClassVar[str] = "reinforce"
    summary: ClassVar[str] = "Monte Carlo policy gradient with reward to go and baseline (Williams 1992)"
    config_class: ClassVar[type[AlgorithmConfig]] = ReinforceConfig
    actions: ClassVar[tuple[Literal["continuous", "discrete"], ...]] = ("continuous", "discrete")
    metrics: ClassVar[tuple[str, ...]] = ("train/actor_loss", "train/value_loss", "train/entropy", "train/return")

    def __init__(self, config: ReinforceConfig, members: int, observation_size: int, action: ActionLayout) -> None:
        super().__init__(config, members, observation_size, action)
        self.config = config
        self.value = StateValue(members, observation_size, config.hidden)
        rate = config.baseline_learning_rate
        self.value_rate = config.learning_rate if rate is None else rate

    @cached_property
    def networks(self) -> dict[str, MLP]:
        """Actor, and V where there is one."""
        value = {"value": self.value.mlp} if self.config.baseline else {}
        return {"actor": self.actor.mlp, **value}

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Actor φ, and V's ψ."""
        state: State = {}
        add_adam(state, "actor", self.actor.mlp.init(generators))
        if self.config.baseline:
            add_adam(state, "value", self.value.mlp.init(generators))
        return state

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """None: the actions were drawn when they were taken."""
        return {}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """One step on the policy, then V."""
        assert batch.ended is not None  # on-policy batches have it
        lanes = (self.members, -1, self.config.rollout_steps)  # [P, N, T]
        ended = batch.ended.reshape(lanes)
        next_value = self.values(state, batch.next_obs) if self.config.baseline else torch.zeros_like(batch.reward)
        to_go = objectives.reward_to_go(
            batch.reward.reshape(lanes), batch.discount.reshape(lanes), ended, next_value.reshape(lanes)
        )
        signal = to_go if self.config.reward_to_go else objectives.episode_return(to_go, ended)
        to_go, signal = to_go.reshape(self.members, -1), signal.reshape(self.members, -1)  # [P, B]
        if self.config.baseline:
            signal = signal - self.values(state, batch.obs)
        metrics = self.climb(state, batch, signal, self.config) | {"train/return": to_go.mean(-1)}
        return metrics | (self.update_value(state, batch, to_go) if self.config.baseline else {})

    def values(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """V_ψ(s): obs [P, B, O] → [P, B]."""
        return self.value(state["value"], obs)

    def update_value(self, state: State, batch: Batch, to_go: Tensor) -> dict[str, Tensor]:
        """ψ ← ψ − λ ∇ ½ (V_ψ(s) − G)², a few times."""

        def loss(value: Tensor) -> tuple[Tensor, Tensor]:
            v = self.value(value, batch.obs)
            return objectives.state_value_loss(v, to_go), v

        for _ in range(self.config.baseline_updates):
            losses, _extra = descend(
                state, "value", loss,
                learning_rate=self.value_rate, max_grad_norm=self.config.max_grad_norm,
            )  # fmt: skip
        return {"train/value_loss": losses}
