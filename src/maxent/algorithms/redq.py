"""Randomized Ensembled Double Q-Learning, for P members.

Chen et al. 2021, Randomized Ensembled Double Q-Learning: Learning Fast Without a Model, 2101.05982v2, algorithm 1.
SAC with ten critics and twenty updates per transition. The target takes the minimum over a random pair of critics,
which keeps the bias of the target near zero while all critics learn from it; the actor maximises their mean and is
updated once per transition.

Deviation: H̄ = −dim(A) as in SAC; the paper has values for each environment, from MBPO.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import require
from maxent.objectives import Aggregate


@dataclass(frozen=True)
class REDQConfig(SACConfig):
    """Settings of REDQ; the defaults are those of the paper."""

    run_defaults: ClassVar[Mapping[str, Any]] = {"replay_ratio": 20.0, "learning_starts": 5_000}

    critics: int = 10
    """Number of critics E."""
    subset: int = 2
    """Critics in each target, drawn at random."""
    policy_delay: int = 20
    """Critic updates per update of the actor."""

    def __post_init__(self) -> None:
        super().__post_init__()
        most = self.critics
        require("subset", self.subset, 1 <= self.subset <= most, f"a number from 1 to the {most} critics")


class RandomizedEnsemble(SoftActorCritic):
    """REDQ for P members."""

    name = "redq"
    title = "REDQ"
    summary = "SAC with ten critics, targets from a random pair, and twenty updates per step (2101.05982)"
    config_class = REDQConfig
    config: REDQConfig

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return the draws of SAC, and one number for each critic, which ranks it."""
        return super().update_noise(batch_size) | {"subset": (self.config.critics,)}

    def target_aggregate(self, noise: Noise) -> Aggregate:
        """Return the minimum over a random subset of the critics."""
        return objectives.subset_minimum(noise["subset"], self.config.subset)

    def actor_aggregate(self) -> Aggregate:
        """Return the mean over the critics."""
        return objectives.mean_over_critics
