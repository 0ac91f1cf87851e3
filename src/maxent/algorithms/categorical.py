"""What XQC and FlashSAC share: SAC with categorical critics that normalise over the batch.

Q_i(s, a) is the mean of a distribution over K atoms. Transitions (s, a) and (s′, a′) go through the critics together,
both the learning and the target critics in training, so that one set of batch statistics normalises both. The target is
the projected distribution of the critic with the smaller value at (s′, a′), the loss the cross-entropy with it.
"""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component
from maxent.algorithms.parts import Ensemble
from maxent.algorithms.sac import SoftActorCritic
from maxent.algorithms.settings import (
    ActorConfig,
    LearnedAlpha,
    TargetConfig,
    require_alpha,
    require_positive,
    require_whole,
)
from maxent.batch import Batch
from maxent.distributions import SquashedGaussian
from maxent.nn.heads import CategoricalCriticEnsemble, GaussianActor
from maxent.nn.layers import Layer, Linear
from maxent.nn.log_std import LogStd
from maxent.nn.optimiser import Adam, State, StepSize


@dataclass(frozen=True)
class LearnedLowAlpha(LearnedAlpha):
    """An entropy coefficient α that is learned towards a target entropy, from a small first value."""

    kind: ClassVar[str] = "auto"

    initial: float = 0.01
    """First value of α."""
    target_entropy: float | None = None
    """Entropy H̄ to aim at, of actions scaled to (−1, 1); None takes that of the algorithm's paper."""
    factor: Literal["log_alpha", "alpha"] = "alpha"
    """Factor of the gap to the target entropy in the loss: log α (softlearning) or α (the paper's eq. 18)."""


@dataclass(frozen=True)
class CategoricalConfig(ActorConfig, TargetConfig):
    """The settings of algorithms with categorical critics. Rewards are scaled so that returns fit the atoms."""

    shares_encoder: ClassVar[bool] = False

    norm_reward: bool = True
    """Divide rewards by the running standard deviation of the discounted return."""
    final_learning_rate: float = 3e-4
    """Step size at the end of the schedule, which starts at learning_rate."""
    horizon: int | None = None
    """Updates of the schedule of step sizes; None takes those of the run as it is planned at its start."""
    alpha: float | LearnedLowAlpha = field(default_factory=LearnedLowAlpha)
    """Entropy coefficient α: a number keeps it fixed, "auto" learns it towards a target entropy."""
    atoms: int = 101
    """Atoms K of a critic's distribution."""
    value_bound: float = 5.0
    """The atoms lie evenly in ± value_bound, in units of scaled rewards."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("final_learning_rate", self.final_learning_rate)
        require_alpha(self.alpha, LearnedLowAlpha)
        require_whole("atoms", self.atoms, 2)
        require_positive("value_bound", self.value_bound)
        if self.horizon is not None:
            require_whole("horizon", self.horizon, 1)

    def planned(self, updates: int) -> Self:
        """Return the settings of a run with this many updates: the horizon is theirs, unless it was given."""
        return self if self.horizon is not None else replace(self, horizon=max(1, updates))

    def beyond(self, updates: int) -> str:
        """Return what a run with more updates than the horizon should say."""
        if self.horizon is None or updates <= self.horizon:
            return ""
        return (
            f"step sizes: their schedule ends after {self.horizon:,} updates; the {updates - self.horizon:,} after "
            f"that have the last step size, {self.final_learning_rate:g}"
        )


@final
class CategoricalCritics(Ensemble):
    """Critics whose outputs are log-probabilities of the return over K atoms."""

    def __init__(self, head: CategoricalCriticEnsemble, config: CategoricalConfig, optimiser: Adam) -> None:
        super().__init__(head, config, optimiser=optimiser)
        self.bound, self.count = config.value_bound, config.atoms

    def atoms(self, like: Tensor) -> Tensor:
        """Return the atoms [K]."""
        return objectives.atoms(-self.bound, self.bound, self.count, like)

    def values(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Return the mean of each critic's distribution."""
        return objectives.categorical_value(outputs, self.atoms(outputs))

    def fit(self, state: State, batch: Batch, y: Tensor, noise: Tensor | None = None) -> dict[str, Tensor]:
        """Make one step along the cross-entropy with target probabilities y [P, B, K].

        The batch may have more rows than y, which then counts for the first ones.
        """
        rows, atoms = y.shape[1], self.atoms(y)

        def loss(log_probs: Tensor) -> tuple[Tensor, Tensor]:
            own = log_probs[:, :, :rows]
            return objectives.categorical_critic_loss(own, y, batch.weight), objectives.categorical_value(own, atoms)

        mean = (y * atoms).sum(-1)  # [P, B]
        return self.descend(state, batch, loss, batch.action, mean=mean, noise=noise)


class CategoricalActorCritic(SoftActorCritic):
    """SAC with categorical critics and joint batches, for P members."""

    random_layers = ()
    config: CategoricalConfig
    critics: CategoricalCritics

    def make_actor(self) -> Component[SquashedGaussian]:
        """Return the actor φ."""
        head = GaussianActor(
            self.members, self.features, self.action.size, self.actor_layers, self.log_std, last=self.last_layer
        )
        return Component("actor", head, self._optimiser(self.config.actor_rate))

    def make_critics(self) -> CategoricalCritics:
        """Return the critics θ with their targets θ̄."""
        self.target_delay = self.config.target_delay
        config, inputs = self.config, self.features + self.action.size
        head = CategoricalCriticEnsemble(
            self.members, config.critics, inputs, self.critic_layers, count=config.atoms, last=self.last_layer
        )
        return CategoricalCritics(head, config, self._optimiser(config.critic_rate))

    log_std: ClassVar[LogStd]
    """How log σ is bounded."""

    @staticmethod
    def last_layer(units: int) -> Layer:
        """Return the last layer of a network: outputs of unit weights."""
        return Linear(units, start="orthogonal", unit_norm=True)

    def _optimiser(self, rate: float) -> Adam:
        return Adam(self.step_size(rate), max_grad_norm=self.config.max_grad_norm)

    def step_size(self, rate: float) -> StepSize:
        """Return the schedule of a step size over the updates of a run."""
        config = self.config
        if config.horizon is None or config.final_learning_rate == rate:
            return rate
        return self.decay(rate, config.final_learning_rate, config.horizon)

    @staticmethod
    @abstractmethod
    def decay(first: float, last: float, steps: int) -> StepSize:
        """Return the form of the schedule."""

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step: critics, then actor and α, then targets."""
        metrics = self.update_critics(state, batch, noise)
        if policy:
            metrics |= self.update_actor_and_alpha(state, batch, noise)
        if target:
            self.critics.polyak_update(state)
        return metrics

    def update_critics(self, state: State, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Make one step of the critics on the joint batch of (s, a) and (s′, a′)."""
        next_action, next_log_prob = self.actor(state, batch.next_obs).sample(noise["next_action"])
        obs, action = torch.cat([batch.obs, batch.next_obs], 1), torch.cat([batch.action, next_action], 1)
        joint = self.critics.critic.in_training(state, obs, action, target=True)  # [P, E, 2B, K]
        log_probs = joint[:, :, batch.obs.shape[1] :]
        atoms, bound = self.critics.atoms(log_probs), self.config.value_bound
        smallest = objectives.categorical_minimum(log_probs, atoms).exp()
        reward = self.soft_return(state, batch, self.alpha(state))
        moved = objectives.categorical_td_target(reward, batch.discount, atoms, self.alpha(state), next_log_prob)
        y = objectives.categorical_projection(moved, smallest, -bound, bound)  # [P, B, K]
        return self.critics.fit(state, batch._replace(obs=obs, action=action), y)
