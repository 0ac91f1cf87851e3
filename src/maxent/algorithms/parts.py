"""Parts that several algorithms share: critics with their targets, and a temperature."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.component import Component, Part
from maxent.algorithms.settings import CriticConfig
from maxent.batch import Batch
from maxent.nn.heads import CriticEnsemble, DiscreteCriticEnsemble, take_action
from maxent.nn.network import Network
from maxent.nn.optimiser import Adam, State

TD_ERROR = "td_error"
"""Under this name an update reports |Q(s, a) − y| [P, B], the mean over its critics."""


class CriticPart(Part, Protocol):
    """The interface of an algorithm's critics: `Critics`, or a part of the user."""

    def __call__(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor, *, target: bool = False) -> Tensor:
        """Return Q_i(s, a): obs [P, B, O], action [P, B, A] → [P, E, B]. No gradient reaches θ."""

    def fit(self, state: State, batch: Batch, y: Tensor) -> dict[str, Tensor]:
        """Make one step towards the targets y of an update; return metrics [P], and `TD_ERROR` [P, B]."""

    def polyak_update(self, state: State) -> None:
        """Set θ̄ ← τ θ + (1 − τ) θ̄."""


@final
class Critics:
    """The critics θ of a state, "critic" [P, E, n], with their target copies θ̄, "target_critic" [P, E, n].

    Args:
        head: their network, for either kind of actions.
        config: step size, clipping and the pace of the targets.
        encoder: a shared encoder that their loss trains, if there is one.
        targets: whether there are target copies; SAC 2018a has them of its state value instead.
        optimiser: their optimiser; None for Adam with the step size and clipping of `config`.
    """

    def __init__(
        self,
        head: CriticEnsemble | DiscreteCriticEnsemble,
        config: CriticConfig,
        encoder: Component[Tensor] | None = None,
        *,
        targets: bool = True,
        optimiser: Adam | None = None,
    ) -> None:
        chosen = Adam(config.critic_rate, max_grad_norm=config.max_grad_norm) if optimiser is None else optimiser
        self.critic = Component("critic", head, chosen, target=targets)
        self.config, self.encoder, self.discrete = config, encoder, isinstance(head, DiscreteCriticEnsemble)

    @property
    def networks(self) -> dict[str, Network]:
        """Critics and targets."""
        return self.critic.networks

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put initial critics into the state, and targets θ̄ = θ."""
        self.critic.init(state, generators)

    def __call__(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor, *, target: bool = False) -> Tensor:
        """Return Q_i(s, a): obs [P, B, O], action [P, B, A] → [P, E, B]. No gradient reaches θ."""
        if self.discrete:
            return take_action(self.all_actions(state, obs, target=target), action)
        return self.critic(state, obs, action, target=target)

    def all_actions(self, state: Mapping[str, Tensor], obs: Tensor, *, target: bool = False) -> Tensor:
        """Return Q_i(s, ·) over a finite set of actions: obs [P, B, O] → [P, E, B, K]."""
        if not self.discrete:
            raise TypeError("all_actions: expected critics of discrete actions, got critics of continuous actions")
        return self.critic(state, obs, target=target)

    def fit(self, state: State, batch: Batch, y: Tensor) -> dict[str, Tensor]:
        """Make one step θ_i ← θ_i − λ ∇ J_Q(θ_i), towards targets y [P, B]."""

        def loss(output: Tensor) -> tuple[Tensor, Tensor]:
            q = take_action(output, batch.action) if self.discrete else output
            return objectives.critic_loss(q, y, batch.weight), q

        inputs = (batch.obs,) if self.discrete else (batch.obs, batch.action)
        if self.encoder is not None and batch.unencoded is not None:
            losses, q = self.critic.minimize_with_encoder(state, loss, self.encoder, batch.unencoded, *inputs[1:])
        else:
            losses, q = self.critic.minimize(state, loss, *inputs)
        error = (q - y.unsqueeze(1)).abs().mean(1)  # [P, B]
        return {"train/critic_loss": losses, "train/q_mean": q.mean((-2, -1)), TD_ERROR: error}

    def polyak_update(self, state: State) -> None:
        """Set θ̄ ← τ θ + (1 − τ) θ̄."""
        self.critic.polyak_update(state, self.config.tau)


class Learned(Protocol):
    """The settings that every learned α has."""

    @property
    def initial(self) -> float:
        """First value of α."""

    @property
    def learning_rate(self) -> float | None:
        """Step size for log α; None for that of the algorithm."""


@final
class Temperature:
    """The entropy coefficient α of a state, as "log_alpha" [P, 1]: fixed, or learned towards an entropy.

    Args:
        members: P.
        initial: value of α, the first one where it is learned.
        step_size: of log α; None keeps α fixed.
        highest: upper bound of a learned α; None for no bound.
    """

    METRICS = ("train/ent_coef", "train/ent_coef_loss", "train/target_entropy")

    def __init__(self, members: int, initial: float, step_size: float | None, highest: float | None = None) -> None:
        self.members, self.initial, self.highest = members, initial, highest
        self.learned = step_size is not None
        self.optimiser = Adam(0.0 if step_size is None else step_size)

    @classmethod
    def of(
        cls, alpha: float | Learned, learning_rate: float, members: int, highest: float | None = None
    ) -> "Temperature":
        """Return the temperature for a setting; a learned α without a step size takes `learning_rate`."""
        if isinstance(alpha, float | int):
            return cls(members, alpha, None)
        step_size = learning_rate if alpha.learning_rate is None else alpha.learning_rate
        return cls(members, alpha.initial, step_size, highest)

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
        loss = objectives.alpha_loss(state["log_alpha"], log_prob, target_entropy)
        # ∂/∂ log α of −log α · (log π + H̄) is its other factor.
        gradient = -(log_prob + target_entropy).mean(-1, keepdim=True)  # [P, 1]
        self.optimiser.step(state, "log_alpha", gradient)
        if self.highest is not None:
            state["log_alpha"].clamp_(max=math.log(self.highest))
        return metrics | {
            "train/ent_coef_loss": loss,
            "train/target_entropy": torch.zeros_like(loss) + target_entropy,
        }
