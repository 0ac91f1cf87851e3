"""Deep Q-network: Q-learning with a replay and a target network, for a finite set of actions.

Mnih et al., Playing Atari with Deep Reinforcement Learning, 1312.5602. One update is

    y = r + γ (1 − terminated) max_a′ Q̂(s′, a′)
    ψ ← ψ − λ ∇ ½ (Q(s, a; ψ) − y)²

and every `target_delay` updates Q̂ ← τ Q + (1 − τ) Q̂. Actions are ε-greedy. Options: `double` selects a′ by Q and
evaluates it by Q̂ (1509.06461), `dueling` splits Q into V and advantages (1511.06581), and `critics` above 1 takes the
smallest.

Deviation: `dueling` splits the last layer alone, not the hidden layers before it; Adam in place of RMSProp; batches of
256 instead of 32; rewards are not clipped to −1, 0 and 1, and neither is the error. 1312.5602 has no target network
yet; it came with the paper in Nature (2015).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Algorithm, Noise
from maxent.algorithms.component import Part
from maxent.algorithms.parts import Critics
from maxent.algorithms.settings import PlainCriticConfig, finite, require, require_whole
from maxent.batch import Batch
from maxent.distributions import uniform
from maxent.nn.heads import DiscreteCriticEnsemble
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout


@dataclass(frozen=True)
class DQNConfig(PlainCriticConfig):
    """Settings of DQN."""

    critics: int = 1
    """Number of Q networks; the smallest of their values counts."""
    tau: float = 1.0
    """Share of Q that enters the target network at each of its updates; 1 copies it."""
    target_delay: int = 500
    """Updates of Q per update of the target network."""
    double: bool = False
    """Select the next action by Q and evaluate it by the target network."""
    dueling: bool = False
    """Split the last layer into a state value and advantages, whose sum is Q."""
    initial_epsilon: float = 1.0
    """Share ε of random actions at the start."""
    final_epsilon: float = 0.05
    """Share ε of random actions from `exploration_steps` on."""
    exploration_steps: int = 10_000
    """Environment steps over which ε falls linearly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("initial_epsilon", "final_epsilon"):
            share = getattr(self, name)
            require(name, share, finite(share) and 0 <= share <= 1, "a number from 0 to 1")
        require_whole("exploration_steps", self.exploration_steps, 1)


class DeepQNetwork(Algorithm):
    """DQN for P members."""

    name = "dqn"
    title = "DQN"
    summary = "Deep Q-network with target network and ε-greedy actions (1312.5602)"
    config_class = DQNConfig
    actions = ("discrete",)
    metrics = ("train/critic_loss", "train/q_mean")
    policy_names = ("critic",)

    def __init__(self, config: DQNConfig, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        super().__init__(config, members, observation, action)
        self.config, self.target_delay = config, config.target_delay
        critic = DiscreteCriticEnsemble(
            members, config.critics, self.features, action.count, self.critic_layers, dueling=config.dueling
        )
        self.critics = Critics(critic, config, self.perception.encoder)

    @property
    def components(self) -> tuple[Part, ...]:
        """Q and its target."""
        return (self.critics,)

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step on Q, then the target network."""
        metrics = self.critics.fit(state, batch, self.td_target(state, batch))
        if target:
            self.critics.polyak_update(state)
        return metrics

    def td_target(self, state: State, batch: Batch) -> Tensor:
        """Return y = r + γ (1 − terminated) max_a′ Q̂(s′, a′). → [P, B]"""
        next_q = self.critics.all_actions(state, batch.next_obs, target=True)  # [P, E, B, K]
        if self.config.double:
            next_value = objectives.double_value(next_q, self.critics.all_actions(state, batch.next_obs))
        else:
            next_value = objectives.hard_value(next_q)
        return objectives.td_target(batch.reward, batch.discount, next_value)

    def epsilon(self, step: float) -> float:
        """Return the share of random actions at an environment step."""
        way = min(1.0, step / self.config.exploration_steps)
        return self.config.initial_epsilon + (self.config.final_epsilon - self.config.initial_epsilon) * way

    def scheduled(self, step: float) -> dict[str, float]:
        """Return ε at an environment step."""
        return {"rollout/exploration_rate": self.epsilon(step)}

    @property
    def act_noise(self) -> int:
        """Return 2: one draw decides whether to explore, one selects the random action."""
        return 2

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """Return ε-greedy actions."""
        draws = uniform(noise)  # [P, N, 2]
        anywhere = (draws[..., 1:] * self.action.count).floor().clamp_max(self.action.count - 1)
        return torch.where(draws[..., :1] < self.epsilon(step), anywhere, self.mode(state, obs))

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return argmax_a Q(s, a)."""
        return self.critics.all_actions(state, obs).amin(1).argmax(-1, keepdim=True).to(obs.dtype)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """Return min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)
