"""Deep Q-network: Q-learning with a replay and a target network, for a finite set of actions.

Mnih et al., Playing Atari with Deep Reinforcement Learning, 1312.5602; seed 003. One update is

    y = r + γ (1 − terminated) max_a′ Q̂(s′, a′)
    ψ ← ψ − λ ∇ ½ (Q(s, a; ψ) − y)²

and every `target_delay` updates Q̂ takes over a share τ of Q. Actions are ε-greedy. Options: `double` lets Q choose a′
and Q̂ judge it (1509.06461), `dueling` splits Q into V and advantages (1511.06581), and `critics` above 1 takes the
smallest.

Deviation: `dueling` splits the last layer alone, not the hidden layers before it; Adam in place of RMSProp, and no
clipping of the error. 1312.5602 has no target network yet, which seed 003's details ask for (it came with the paper in
Nature, 2015).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Algorithm, AlgorithmConfig, CriticConfig, Noise, finite, require, require_whole
from maxent.algorithms.parts import Critics
from maxent.batch import Batch
from maxent.distributions import uniform
from maxent.nn.networks import MLP, DiscreteCriticEnsemble
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout


@dataclass(frozen=True)
class DQNConfig(CriticConfig):
    """Settings of DQN."""

    critics: int = 1
    """Number of Q networks; the smallest of their values counts."""
    tau: float = 1.0
    """Share of Q that enters the target network at each of its updates; 1 copies it."""
    target_delay: int = 500
    """Updates of Q per update of the target network."""
    double: bool = False
    """Choose the next action by Q and judge it by the target network."""
    dueling: bool = False
    """Let the network answer a state value and advantages, whose sum is Q."""
    initial_epsilon: float = 1.0
    """Share ε of random actions at the start."""
    final_epsilon: float = 0.05
    """Share ε of random actions from `exploration_steps` on."""
    exploration_steps: int = 10_000
    """Environment steps over which ε falls, in a line."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("initial_epsilon", "final_epsilon"):
            share = getattr(self, name)
            require(name, share, finite(share) and 0 <= share <= 1, "a number from 0 to 1")
        require_whole("exploration_steps", self.exploration_steps, 1)


@final
class DeepQNetwork(Algorithm):
    """DQN for P members."""

    name: ClassVar[str] = "dqn"
    summary: ClassVar[str] = "Deep Q-network with target network and ε-greedy actions (1312.5602)"
    config_class: ClassVar[type[AlgorithmConfig]] = DQNConfig
    actions: ClassVar[tuple[Literal["continuous", "discrete"], ...]] = ("discrete",)
    metrics: ClassVar[tuple[str, ...]] = ("train/critic_loss", "train/q_mean")

    def __init__(self, config: DQNConfig, members: int, observation_size: int, action: ActionLayout) -> None:
        super().__init__(config, members, observation_size, action)
        self.config, self.target_delay = config, config.target_delay
        self.critic = DiscreteCriticEnsemble(
            members, config.critics, observation_size, action.count, config.hidden, config.layer_norm, config.dueling
        )
        self.critics = Critics(self.critic, config)

    @cached_property
    def networks(self) -> dict[str, MLP]:
        """Q and the target network."""
        return {"critic": self.critic.mlp, "target_critic": self.critic.mlp}

    @property
    def policy_names(self) -> tuple[str, ...]:
        """Q is the policy."""
        return ("critic",)

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Q and its target."""
        state: State = {}
        self.critics.init(state, generators)
        return state

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """None."""
        return {}

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """One gradient step on Q, then the target network."""
        metrics = self.critics.fit(state, batch, self.target(state, batch))
        if target:
            self.critics.follow(state)
        return metrics

    def target(self, state: State, batch: Batch) -> Tensor:
        """Y = r + γ (1 − terminated) max_a′ Q̂(s′, a′). → [P, B]"""
        next_q = self.critics.all_actions(state, batch.next_obs, target=True)  # [P, E, B, K]
        if self.config.double:
            next_value = objectives.double_value(next_q, self.critics.all_actions(state, batch.next_obs))
        else:
            next_value = objectives.hard_value(next_q)
        return objectives.td_target(batch.reward, batch.discount, next_value)

    def epsilon(self, step: float) -> float:
        """The share of random actions at an environment step."""
        way = min(1.0, step / self.config.exploration_steps)
        return self.config.initial_epsilon + (self.config.final_epsilon - self.config.initial_epsilon) * way

    def scheduled(self, step: float) -> dict[str, float]:
        """ε."""
        return {"rollout/exploration_rate": self.epsilon(step)}

    @property
    def act_noise(self) -> int:
        """One number says whether to explore, one where."""
        return 2

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """ε-greedy."""
        draws = uniform(noise)  # [P, N, 2]
        anywhere = (draws[..., 1:] * self.action.count).floor().clamp_max(self.action.count - 1)
        return torch.where(draws[..., :1] < self.epsilon(step), anywhere, self.mode(state, obs))

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """argmax_a Q(s, a)."""
        return self.critics.all_actions(state, obs).amin(1).argmax(-1, keepdim=True).to(obs.dtype)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
