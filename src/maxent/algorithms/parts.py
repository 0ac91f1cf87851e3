"""What several algorithms are made of: critics with their targets, and a temperature."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, final

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import TD_ERROR, AlgorithmConfig, CriticConfig, finite, require, require_rate, require_unset
from maxent.batch import Batch
from maxent.nn.networks import CriticEnsemble, DiscreteCriticEnsemble
from maxent.nn.optimiser import State, adam, add_adam, average, descend


@final
class Critics:
    """The critics θ of a state, "critic" [P, E, n], with their target copies θ̄, "target_critic" [P, E, n].

    Args:
        network: their shape, for either kind of actions.
        config: step size, clipping and the pace of the targets.
        targets: whether there are target copies; SAC 2018a has them of its state value instead.
    """

    def __init__(
        self, network: CriticEnsemble | DiscreteCriticEnsemble, config: CriticConfig, *, targets: bool = True
    ) -> None:
        self.network, self.config, self.targets = network, config, targets

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put fresh critics into the state, and targets θ̄ = θ."""
        add_adam(state, "critic", self.network.mlp.init(generators))
        if self.targets:
            state["target_critic"] = state["critic"].clone()

    def __call__(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor, *, target: bool = False) -> Tensor:
        """Q_i(s, a): obs [P, B, O], action [P, B, A] → [P, E, B]. No gradient reaches θ."""
        return self.network(state[self._name(target)], obs, action)

    def all_actions(self, state: Mapping[str, Tensor], obs: Tensor, *, target: bool = False) -> Tensor:
        """Q_i(s, ·) over a finite set of actions: obs [P, B, O] → [P, E, B, K]."""
        if not isinstance(self.network, DiscreteCriticEnsemble):
            raise TypeError("these critics are of continuous actions, which cannot be listed")
        return self.network.all_actions(state[self._name(target)], obs)

    def fit(self, state: State, batch: Batch, y: Tensor) -> dict[str, Tensor]:
        """θ_i ← θ_i − λ ∇ J_Q(θ_i), towards targets y [P, B]."""

        def loss(critic: Tensor) -> tuple[Tensor, Tensor]:
            q = self.network(critic, batch.obs, batch.action)
            return objectives.critic_loss(q, y, batch.weight), q

        rate, norm = self.config.critic_rate, self.config.max_grad_norm
        losses, q = descend(state, "critic", loss, learning_rate=rate, max_grad_norm=norm)
        error = (q - y.unsqueeze(1)).abs().mean(1)  # [P, B]
        return {"train/critic_loss": losses, "train/q_mean": q.mean((-2, -1)), TD_ERROR: error}

    def follow(self, state: State) -> None:
        """θ̄ ← τ θ + (1 − τ) θ̄."""
        average(state["target_critic"], state["critic"], self.config.tau)

    def _name(self, target: bool) -> str:
        return "target_critic" if target else "critic"


@final
class Temperature:
    """The entropy coefficient α of a state, as "log_alpha" [P, 1]: fixed, or learned towards an entropy.

    Args:
        setting: a number for a fixed α, "auto" for a learned one.
        initial: where a learned α starts.
        learning_rate: its step size.
        highest: a learned α stays below; None sets no bound.
    """

    METRICS = ("train/ent_coef", "train/ent_coef_loss", "train/target_entropy")

    def __init__(
        self, setting: float | Literal["auto"], initial: float, learning_rate: float, highest: float | None = None
    ) -> None:
        self.learned, self.learning_rate, self.highest = setting == "auto", learning_rate, highest
        self.first = initial if setting == "auto" else setting

    @staticmethod
    def check(
        config: AlgorithmConfig, setting: float | Literal["auto"], initial: float, learning_rate: float | None
    ) -> None:
        """Refuse settings that cannot be meant, and those of a learned α beside a fixed one."""
        number = setting == "auto" or (finite(setting) and setting >= 0)
        require("alpha", setting, number, "'auto' or a number of at least 0")
        require("initial_alpha", initial, finite(initial) and initial > 0, "a number above 0")
        require_rate("alpha_learning_rate", learning_rate)
        if setting != "auto":
            require_unset(config, config.for_learned_alpha, f"it belongs to a learned alpha, and alpha is {setting}")

    def init(self, state: State, members: int) -> None:
        """Put log α into the state."""
        first = math.log(self.first) if self.first > 0 else -math.inf
        add_adam(state, "log_alpha", torch.full((members, 1), first))

    def __call__(self, state: Mapping[str, Tensor]) -> Tensor:
        """α [P, 1]."""
        return state["log_alpha"].exp()

    def fit(self, state: State, log_prob: Tensor, target_entropy: float | Tensor) -> dict[str, Tensor]:
        """α ← α − λ ∇ J(α): log α rises where the policy's entropy is below H̄. log_prob [P, B]; H̄ a number or [1]"""
        metrics = {"train/ent_coef": self(state).squeeze(-1)}
        if not self.learned:
            return metrics
        loss = objectives.alpha_loss(state["log_alpha"], log_prob, target_entropy)
        # ∂/∂ log α of −log α · (log π + H̄) is its other factor.
        gradient = -(log_prob + target_entropy).mean(-1, keepdim=True)  # [P, 1]
        adam(state, "log_alpha", gradient, learning_rate=self.learning_rate)
        if self.highest is not None:
            state["log_alpha"].clamp_(max=math.log(self.highest))
        return metrics | {
            "train/ent_coef_loss": loss,
            "train/target_entropy": torch.zeros_like(loss) + target_entropy,
        }
