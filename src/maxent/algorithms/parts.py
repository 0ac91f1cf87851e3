"""Parts that several algorithms share: critics with their targets, and a temperature."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.component import Component, Part
from maxent.algorithms.settings import CriticConfig, TargetConfig
from maxent.batch import Batch
from maxent.nn.heads import DiscreteCriticEnsemble, Head, take_action
from maxent.nn.network import Network
from maxent.nn.optimiser import Adam, State, StepSize

TD_ERROR = "td_error"
"""Under this name an update reports |Q(s, a) − y| [P, B], the mean over its critics."""


class CriticPart(Part, Protocol):
    """The interface of an algorithm's critics: `Critics`, or a part of the user."""

    def __call__(
        self,
        state: Mapping[str, Tensor],
        obs: Tensor,
        action: Tensor,
        *,
        target: bool = False,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Return Q_i(s, a): obs [P, B, O], action [P, B, A] → [P, E, B]. No gradient reaches θ.

        With `noise` the layers that take random draws are those of training.
        """

    def fit(self, state: State, batch: Batch, y: Tensor, noise: Tensor | None = None) -> dict[str, Tensor]:
        """Make one step towards the targets y of an update; return metrics [P], and `TD_ERROR` [P, B]."""

    def polyak_update(self, state: State) -> None:
        """Set θ̄ ← τ θ + (1 − τ) θ̄."""


class Ensemble(ABC):
    """Critics θ of a state, "critic" [P, E, n], with target copies θ̄, "target_critic" [P, E, n].

    Args:
        head: their network, and what its outputs mean.
        config: step size, clipping and, where there are targets, their pace.
        encoder: a shared encoder that their loss trains, if there is one.
        targets: whether there are target copies.
        optimiser: their optimiser; None for Adam with the step size and clipping of `config`.
    """

    def __init__(
        self,
        head: Head[Tensor],
        config: CriticConfig,
        encoder: Component[Tensor] | None = None,
        *,
        targets: bool = True,
        optimiser: Adam | None = None,
    ) -> None:
        chosen = Adam(config.critic_rate, max_grad_norm=config.max_grad_norm) if optimiser is None else optimiser
        self.critic = Component("critic", head, chosen, target=targets)
        self.encoder = encoder
        self.tau = config.tau if isinstance(config, TargetConfig) else 1.0

    @property
    def networks(self) -> dict[str, Network]:
        """Critics and targets."""
        return self.critic.networks

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put initial critics into the state, and targets θ̄ = θ."""
        self.critic.init(state, generators)

    def outputs(
        self, state: Mapping[str, Tensor], *inputs: Tensor, target: bool = False, noise: Tensor | None = None
    ) -> Tensor:
        """Return what the network puts out for each critic; with `noise` as in training."""
        if noise is not None:
            return self.critic.in_training(state, *inputs, target=target, noise=noise)
        return self.critic(state, *inputs, target=target)

    def __call__(
        self,
        state: Mapping[str, Tensor],
        obs: Tensor,
        action: Tensor,
        *,
        target: bool = False,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Return Q_i(s, a): obs [P, B, O], action [P, B, A] → [P, E, B]. No gradient reaches θ."""
        inputs = (obs,) if self.discrete else (obs, action)
        return self.values(self.outputs(state, *inputs, target=target, noise=noise), action)

    @property
    def discrete(self) -> bool:
        """Whether one pass returns the values of all actions."""
        return isinstance(self.critic.head, DiscreteCriticEnsemble)

    @abstractmethod
    def values(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Return Q_i(s, a) [P, E, B] for the outputs of the network."""

    @abstractmethod
    def fit(self, state: State, batch: Batch, y: Tensor, noise: Tensor | None = None) -> dict[str, Tensor]:
        """Make one step towards the targets y of an update; return metrics [P], and `TD_ERROR` [P, B]."""

    def descend(
        self,
        state: State,
        batch: Batch,
        loss: Callable[[Tensor], tuple[Tensor, Tensor]],
        *actions: Tensor,
        mean: Tensor,
        noise: Tensor | None,
    ) -> dict[str, Tensor]:
        """Make one step θ_i ← θ_i − λ ∇ loss, and one of a shared encoder; return the metrics of `fit`.

        The second result of `loss` is Q [P, E, B]; `mean` is that of the target [P, B].
        """
        if self.encoder is not None and batch.unencoded is not None:
            losses, q = self.critic.minimize_with_encoder(
                state, loss, self.encoder, batch.unencoded, *actions, noise=noise
            )
        else:
            losses, q = self.critic.minimize(state, loss, batch.obs, *actions, noise=noise)
        return critic_metrics(losses, q, mean)

    def polyak_update(self, state: State) -> None:
        """Set θ̄ ← τ θ + (1 − τ) θ̄."""
        self.critic.polyak_update(state, self.tau)


def critic_metrics(losses: Tensor, q: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return the metrics of a step of the critics: losses [P], q [P, E, B], and the mean of the targets y [P, B]."""
    error = (q - y.unsqueeze(1)).abs().mean(1)  # [P, B]
    return {"train/critic_loss": losses, "train/q_mean": q.mean((-2, -1)), TD_ERROR: error}


@final
class Critics(Ensemble):
    """Critics with one value each, for either kind of actions."""

    def values(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Return the outputs, of all actions those of the given one."""
        return take_action(outputs, action) if self.discrete else outputs

    def all_actions(self, state: Mapping[str, Tensor], obs: Tensor, *, target: bool = False) -> Tensor:
        """Return Q_i(s, ·) over a finite set of actions: obs [P, B, O] → [P, E, B, K]."""
        if not self.discrete:
            raise TypeError("all_actions: expected critics of discrete actions, got critics of continuous actions")
        return self.outputs(state, obs, target=target)

    def fit(self, state: State, batch: Batch, y: Tensor, noise: Tensor | None = None) -> dict[str, Tensor]:
        """Make one step θ_i ← θ_i − λ ∇ J_Q(θ_i), towards targets y [P, B]."""

        def loss(output: Tensor) -> tuple[Tensor, Tensor]:
            q = self.values(output, batch.action)
            return objectives.critic_loss(q, y, batch.weight), q

        actions = () if self.discrete else (batch.action,)
        return self.descend(state, batch, loss, *actions, mean=y, noise=noise)


class Learned(Protocol):
    """The settings that every learned α has."""

    @property
    def initial(self) -> float:
        """First value of α."""

    @property
    def learning_rate(self) -> float | None:
        """Step size for log α; None for that of the algorithm."""

    @property
    def factor(self) -> objectives.Factor:
        """Factor of the gap to the target entropy in the loss."""


@final
class Temperature:
    """The entropy coefficient α of a state, as "log_alpha" [P, 1]: fixed, or learned towards an entropy.

    Args:
        members: P.
        initial: value of α, the first one where it is learned.
        step_size: of log α; None keeps α fixed.
        highest: upper bound of a learned α; None for no bound.
        factor: of the gap to the target entropy in the loss.
    """

    METRICS = ("train/ent_coef", "train/ent_coef_loss", "train/target_entropy")

    def __init__(
        self,
        members: int,
        initial: float,
        step_size: StepSize | None,
        highest: float | None = None,
        factor: objectives.Factor = "log_alpha",
    ) -> None:
        self.members, self.initial, self.highest, self.factor = members, initial, highest, factor
        self.learned = step_size is not None
        self.optimiser = Adam(0.0 if step_size is None else step_size)

    @classmethod
    def of(
        cls, alpha: float | Learned, learning_rate: StepSize, members: int, highest: float | None = None
    ) -> "Temperature":
        """Return the temperature for a setting; a learned α without a step size takes `learning_rate`."""
        if isinstance(alpha, float | int):
            return cls(members, alpha, None)
        step_size = learning_rate if alpha.learning_rate is None else alpha.learning_rate
        return cls(members, alpha.initial, step_size, highest, alpha.factor)

    @property
    def networks(self) -> dict[str, Network]:
        """Return an empty dict: α is a number, not a network."""
        return {}

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put log α into the state."""
        first = math.log(self.initial) if self.initial > 0 else -math.inf
        self.optimiser.init(state, "log_alpha", torch.full((self.members, 1), first))

    def __call__(self, state: Mapping[str, Tensor]) -> Tensor:
        """Return α [P, 1]."""
        return state["log_alpha"].exp()

    def fit(self, state: State, log_prob: Tensor, target_entropy: float | Tensor) -> dict[str, Tensor]:
        """Make one step α ← α − λ ∇ J(α): log α rises where the policy's entropy is below H̄.

        log_prob [P, B]; H̄ a number or [1]
        """
        metrics = {"train/ent_coef": self(state).squeeze(-1)}
        if not self.learned:
            return metrics
        loss = objectives.alpha_loss(state["log_alpha"], log_prob, target_entropy, factor=self.factor)
        # ∂/∂ log α of −log α · (log π + H̄) is its other factor; with α in place of log α, times α
        gradient = -(log_prob + target_entropy).mean(-1, keepdim=True)  # [P, 1]
        if self.factor == "alpha":
            gradient = gradient * self(state)
        self.optimiser.step(state, "log_alpha", gradient)
        if self.highest is not None:
            state["log_alpha"].clamp_(max=math.log(self.highest))
        return metrics | {
            "train/ent_coef_loss": loss,
            "train/target_entropy": torch.zeros_like(loss) + target_entropy,
        }
