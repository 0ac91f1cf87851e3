"""Algorithms that act by a stochastic actor: a network that answers a distribution over actions."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Algorithm, OnPolicyConfig
from maxent.batch import Batch
from maxent.distributions import Categorical, SquashedGaussian
from maxent.nn.acting import FastActor, fast_actor
from maxent.nn.networks import CategoricalActor, GaussianActor, StochasticActor
from maxent.nn.optimiser import State, descend
from maxent.spaces import ActionLayout

Policy = TypeVar("Policy", bound=SquashedGaussian | Categorical)


class StochasticAlgorithm(Algorithm, Generic[Policy]):
    """An algorithm whose actor φ, "actor" [P, nφ], answers a distribution: it explores by draws of π(·|s)."""

    actor: StochasticActor[Policy]

    @property
    def policy_names(self) -> tuple[str, ...]:
        """The actor alone acts."""
        return ("actor",)

    def policy(self, state: Mapping[str, Tensor], obs: Tensor) -> Policy:
        """π(·|s) at obs [P, B, O]."""
        return self.actor(state["actor"], obs)

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """A ~ π(·|s)."""
        return self.policy(state, obs).draw(noise)

    def fast_actor(self, state: Mapping[str, Tensor]) -> FastActor | None:
        """The same distribution in NumPy."""
        return fast_actor(self.actor, state["actor"])

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """tanh(μ(s)) of a Gaussian, the most probable action of a finite set."""
        return self.policy(state, obs).mode()


class PolicyGradientAlgorithm(StochasticAlgorithm[SquashedGaussian | Categorical]):
    """An algorithm for any action space that climbs a policy gradient on the newest steps of its own policy."""

    on_policy = True

    def __init__(self, config: OnPolicyConfig, members: int, observation_size: int, action: ActionLayout) -> None:
        super().__init__(config, members, observation_size, action)
        if action.kind == "discrete":
            self.actor = CategoricalActor(members, observation_size, action.count, config.hidden)
        else:
            self.actor = GaussianActor(members, observation_size, action.size, config.hidden)

    def climb(self, state: State, batch: Batch, signal: Tensor, config: OnPolicyConfig) -> dict[str, Tensor]:
        """φ ← φ + λ E[(signal − α log π(a|s)) ∇ log π(a|s)], signal [P, B]: theorem 1 and an entropy bonus.

        The gradient of the entropy is −E[log π ∇ log π], so a bonus needs no sample of its own.
        """

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            log_prob = self.actor(actor, batch.obs).log_prob_of(batch.action)
            return objectives.policy_gradient_loss(log_prob, signal - config.alpha * log_prob), log_prob

        rate, norm = config.learning_rate, config.max_grad_norm
        losses, log_prob = descend(state, "actor", loss, learning_rate=rate, max_grad_norm=norm)
        return {"train/actor_loss": losses, "train/entropy": -log_prob.mean(-1)}
