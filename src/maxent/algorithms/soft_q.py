"""Soft Q-learning: the maximum-entropy Q-function first, and a policy that draws from exp(Q/α).

Haarnoja et al., Reinforcement Learning with Deep Energy-Based Policies, 1702.08165v2 ("2017"), algorithm 1.
One update is

    V(s′) = α log ∫ exp(Q_θ̄(s′, a)/α) da                                   theorem 1, eq. 10
    θ     ← θ − λ ∇ ½ (Q_θ(s, a) − r − γ V(s′))²                             eq. 11
    φ     ← φ + λ E[Δ(f_φ(ξ; s)) ∂f_φ(ξ; s)/∂φ]   on a box of actions       eq. 13, 14
    θ̄     ← τ θ + (1 − τ) θ̄

On a finite set of actions the integral is a sum and the policy is exp((Q − V)/α), so there is nothing else to learn. On
a box, V is estimated by importance sampling and a sampling network learns to draw from the policy by Stein variational
gradient descent; `maxent.algorithms.soft_q_policies` has both.

Deviation: θ̄ ← τ θ + (1 − τ) θ̄ at each update instead of a copy every 1,000; `critics` above 1 takes the smallest
value. Proposals are uniform throughout in up to two dimensions and the sampling network's in more; the paper starts
with the former and goes on with the latter. The paper's step sizes of 1e-3 for Q and 1e-4 for the sampling network,
batches of 64, layers of 200 units and Ornstein-Uhlenbeck noise are settings; docs/algorithms/soft-q.md compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Algorithm, Exploration, Fresh, Noise, OrnsteinUhlenbeck
from maxent.algorithms.component import Part
from maxent.algorithms.parts import Critics
from maxent.algorithms.settings import ReplayActorConfig, finite, require, require_whole
from maxent.algorithms.soft_q_policies import BoltzmannPolicy, SamplingPolicy
from maxent.batch import Batch
from maxent.errors import UserError
from maxent.nn.heads import CriticEnsemble, DiscreteCriticEnsemble
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout

UNIFORM_UP_TO = 2
"""Most action dimensions with uniform proposals by default: with each further one their estimate of V is lower."""


@dataclass(frozen=True)
class SoftQConfig(ReplayActorConfig):
    """Settings of soft Q-learning."""

    critics: int = 1
    """Number of Q networks; the smallest of their values counts."""
    alpha: float = 1.0
    """Entropy coefficient α, fixed; the paper has 10 on the four-goal task and 0.1 on the others."""
    proposal: Literal["auto", "uniform", "policy"] = "auto"
    """Where the proposals for V come from on a box of actions: uniform, or the sampling network itself; auto takes
    uniform ones for up to two dimensions."""
    value_particles: int = 50
    """Proposals K_V for each V."""
    policy_particles: int = 32
    """Actions for each state that the Stein kernel compares, as many fixed ones, K, as moved ones, M."""
    ou_noise: float = 0.0
    """σ of Ornstein-Uhlenbeck noise x ← 0.85 x + σ ε on exploring actions, which lie in [−1, 1]; the paper has 0.3."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require("alpha", self.alpha, finite(self.alpha) and self.alpha > 0, "a number above 0")
        kinds = ("auto", "uniform", "policy")
        require("proposal", self.proposal, self.proposal in kinds, "'auto', 'uniform' or 'policy'")
        require_whole("value_particles", self.value_particles, 1)
        require_whole("policy_particles", self.policy_particles, 2)
        require("ou_noise", self.ou_noise, finite(self.ou_noise) and self.ou_noise >= 0, "a number of at least 0")

    def proposals(self, dimensions: int) -> Literal["uniform", "policy"]:
        """Return where proposals come from for this many action dimensions."""
        if self.proposal != "auto":
            return self.proposal
        return "uniform" if dimensions <= UNIFORM_UP_TO else "policy"


class SoftQLearning(Algorithm):
    """Soft Q-learning for P members."""

    name = "soft-q"
    title = "SoftQ"
    summary = "Soft Q-learning: energy-based policies, drawn by Stein variational gradients (1702.08165)"
    config_class = SoftQConfig
    actions = ("continuous", "discrete")
    metrics = ("train/critic_loss", "train/q_mean", "train/v_mean", "train/stein_norm")

    def __init__(self, config: SoftQConfig, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        super().__init__(config, members, observation, action)
        self.config, self.policy_delay, self.target_delay = config, config.policy_delay, config.target_delay
        critic: CriticEnsemble | DiscreteCriticEnsemble
        self.policy: BoltzmannPolicy | SamplingPolicy
        if action.kind == "discrete":
            sampling = ("proposal", "value_particles", "policy_particles", "actor_learning_rate", "ou_noise")
            _require_default(config, sampling)
            critic = DiscreteCriticEnsemble(members, config.critics, self.features, action.count, self.critic_layers)
            self.critics = Critics(critic, config, self.perception.encoder)
            self.policy = BoltzmannPolicy(self.critics, config.alpha)
        else:
            critic = CriticEnsemble(members, config.critics, self.features + action.size, self.critic_layers)
            self.critics = Critics(critic, config, self.perception.encoder)
            self.policy = SamplingPolicy(
                self.critics, members, self.features, action.size, self.actor_layers,
                alpha=config.alpha, proposal=config.proposals(action.size), value_particles=config.value_particles,
                policy_particles=config.policy_particles, learning_rate=config.actor_rate,
                max_grad_norm=config.max_grad_norm,
            )  # fmt: skip
        # evaluation selects the sample with the largest Q
        self.policy_names = ("critic", *self.policy.networks)  # type: ignore[misc]

    @property
    def components(self) -> tuple[Part, ...]:
        """Q, its target, and the policy."""
        return self.critics, self.policy

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return proposals for V, and fixed and moved particles."""
        return self.policy.update_noise(batch_size)

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step of 2017 algorithm 1: Q, then the policy, then the target."""
        next_value = self.policy.value(state, batch.next_obs, noise)  # [P, B]
        y = objectives.td_target(batch.reward, batch.discount, next_value)
        metrics = self.critics.fit(state, batch, y) | {"train/v_mean": next_value.mean(-1)}
        if policy:
            metrics |= self.policy.fit(state, batch.obs, noise)
        if target:
            self.critics.polyak_update(state)
        return metrics

    @property
    def act_noise(self) -> int:
        """Draws for the policy, and those of the Ornstein-Uhlenbeck process."""
        return self.action.size * (2 if self.config.ou_noise else 1)

    @property
    def exploration(self) -> Exploration:
        """Independent draws for the policy; a process where there is noise on top."""
        return OrnsteinUhlenbeck(self.action.size) if self.config.ou_noise else Fresh()

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """Return a ~ π(·|s) ∝ exp(Q/α), with noise on top if there is any."""
        if not self.config.ou_noise:
            return self.policy.draw(state, obs, noise)
        own, process = noise.chunk(2, -1)
        return (self.policy.draw(state, obs, own) + self.config.ou_noise * process).clamp(-1.0, 1.0)

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return the action of the largest Q, on a box among draws of the policy that are always the same."""
        return self.policy.mode(state, obs)

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """Return min_i Q_i(s, a)."""
        return self.critics(state, obs, action).amin(1)


def _require_default(config: SoftQConfig, names: tuple[str, ...]) -> None:
    """Raise if a setting of the sampling network is given for a finite set of actions, where V and policy are exact."""
    for setting in fields(config):
        value = getattr(config, setting.name)
        if setting.name in names and value != setting.default:
            raise UserError(
                f"{setting.name}: on a finite set of actions V and the policy are exact, so {value!r} has no effect."
            )
