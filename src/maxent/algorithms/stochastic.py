"""Algorithms that act by a stochastic actor: a network whose output is a distribution over actions."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Algorithm
from maxent.algorithms.component import Component
from maxent.algorithms.settings import OnPolicyConfig
from maxent.batch import Batch
from maxent.distributions import Categorical, SquashedGaussian
from maxent.nn.acting import FastActor, fast_actor
from maxent.nn.heads import CategoricalActor, GaussianActor
from maxent.nn.optimiser import Adam, State
from maxent.spaces import ActionLayout, ObservationLayout

NODES = 64
"""Nodes of the entropies in n-step returns: errors are below 2e-6 nats for σ up to e, and 5e-3 at the largest, e²."""

Policy = TypeVar("Policy", bound=SquashedGaussian | Categorical)


class StochasticAlgorithm(Algorithm, Generic[Policy]):
    """An algorithm whose actor φ, "actor" [P, nφ], is a distribution; exploring actions are samples of π(·|s)."""

    actor: Component[Policy]

    def soft_return(self, state: Mapping[str, Tensor], batch: Batch, alpha: Tensor) -> Tensor:
        """Return the rewards of a batch, with the entropy of the steps in between where the batch has these. [P, B]"""
        if batch.path_obs is None or batch.path_discount is None:
            return batch.reward
        policy = self.actor(state, batch.path_obs)
        entropy = policy.entropy(NODES) if isinstance(policy, SquashedGaussian) else policy.entropy()
        return objectives.soft_return(batch.reward, batch.path_discount, entropy, alpha)

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """Return a ~ π(·|s)."""
        return self.actor(state, obs).draw(noise)

    def fast_actor(self, state: Mapping[str, Tensor]) -> FastActor | None:
        """Return the same distribution in NumPy."""
        return fast_actor(self.actor.head, state["actor"])

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return tanh(μ(s)) of a Gaussian, the most probable action of a finite set."""
        return self.actor(state, obs).mode()


class PolicyGradientAlgorithm(StochasticAlgorithm[SquashedGaussian | Categorical]):
    """An algorithm for any action space with a policy gradient from the newest steps of its own policy."""

    on_policy = True

    def __init__(
        self, config: OnPolicyConfig, members: int, observation: ObservationLayout, action: ActionLayout
    ) -> None:
        super().__init__(config, members, observation, action)
        self.alpha = config.alpha
        head: Any
        if action.kind == "discrete":
            head = CategoricalActor(members, self.features, action.count, self.actor_layers)
        else:
            head = GaussianActor(members, self.features, action.size, self.actor_layers)
        self.actor = Component("actor", head, Adam(config.learning_rate, max_grad_norm=config.max_grad_norm))

    def policy_gradient_step(self, state: State, batch: Batch, signal: Tensor) -> dict[str, Tensor]:
        """Make one step φ ← φ + λ E[(signal − α log π(a|s)) ∇ log π(a|s)], signal [P, B].   Williams 1992

        The second term is an entropy bonus: the gradient of the entropy is −E[log π ∇ log π].
        """

        def loss(policy: SquashedGaussian | Categorical) -> tuple[Tensor, Tensor]:
            log_prob = policy.log_prob_of(batch.action)
            return objectives.policy_gradient_loss(log_prob, signal - self.alpha * log_prob), log_prob

        losses, log_prob = self.actor.minimize(state, loss, batch.obs)
        return {"train/actor_loss": losses, "train/entropy": -log_prob.mean(-1)}
