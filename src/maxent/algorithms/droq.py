"""Dropout Q-Functions, for P members.

Hiraoka et al. 2022, Dropout Q-Functions for Doubly Efficient Reinforcement Learning, 2110.02034v2, algorithm 2.
SAC with twenty updates per transition and two critics whose layers are Linear, Dropout, LayerNorm, ReLU. Every pass
through a critic drops units anew, those of the targets and of the actor's loss too. The actor maximises the mean of
the critics and is updated once per transition.

Deviation: H̄ = −dim(A) as in SAC; the paper has values for each environment, from MBPO.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from maxent import objectives
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import finite, require
from maxent.nn.layers import Dropout, Layer, LayerNorm, Linear, ReLU, relu_layers
from maxent.objectives import Aggregate


@dataclass(frozen=True)
class DroQConfig(SACConfig):
    """Settings of DroQ; the defaults are those of the paper."""

    run_defaults: ClassVar[Mapping[str, Any]] = {"replay_ratio": 20.0, "learning_starts": 5_000}

    dropout: float = 0.01
    """Share of the critics' units that is dropped in each pass."""
    layer_norm: bool = True
    """LayerNorm before each ReLU of the critics."""
    policy_delay: int = 20
    """Critic updates per update of the actor."""

    def __post_init__(self) -> None:
        super().__post_init__()
        rate = self.dropout
        require("dropout", rate, finite(rate) and 0.0 <= rate < 1.0, "a number from 0 to below 1")


class DropoutQ(SoftActorCritic):
    """DroQ for P members."""

    name = "droq"
    title = "DroQ"
    summary = "SAC with dropout and LayerNorm in the critics, and twenty updates per step (2110.02034)"
    config_class = DroQConfig

    @classmethod
    def hidden_layers(
        cls, config: DroQConfig, role: Literal["actor", "critic"], hidden: tuple[int, ...]
    ) -> tuple[Layer, ...]:
        """Return Linear, Dropout, LayerNorm and ReLU for the critics, plain layers for the actor."""
        if role == "actor":
            return relu_layers(hidden)
        normed: tuple[Layer, ...] = (LayerNorm(),) if config.layer_norm else ()
        blocks = [(Linear(units), Dropout(config.dropout), *normed, ReLU()) for units in hidden]
        return tuple(layer for block in blocks for layer in block)

    def actor_aggregate(self) -> Aggregate:
        """Return the mean over the critics."""
        return objectives.mean_over_critics
