"""FlashSAC, for P members.

Kim et al. 2026, FlashSAC: Fast and Stable Off-Policy Reinforcement Learning for High-Dimensional Robot Control,
2604.04539v1. SAC whose networks bound the norms of weights, features and gradients: residual blocks of unit-norm linear
layers with BatchNorm, RMSNorm before the head, and a categorical critic on rewards that are scaled so that returns fit
its atoms. Actor and α are updated every second time, before the critics. Exploration holds its noise for a random
number of steps.
What the paper leaves open is as in the authors' code (Holiday-Robot/FlashSAC 87edc90).

Deviation: float32 in place of mixed precision. The return that scales rewards counts an episode's last reward with
the episode; the authors' counts it alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Exploration, Held, Noise
from maxent.algorithms.categorical import CategoricalActorCritic, CategoricalConfig
from maxent.algorithms.settings import require, require_positive, require_whole
from maxent.batch import Batch
from maxent.distributions import SquashedGaussian
from maxent.nn.layers import BatchNorm, Layer, Linear, ReLU, Residual, RMSNorm
from maxent.nn.log_std import TanhLogStd
from maxent.nn.optimiser import CosineDecay, State, StepSize

NORM = BatchNorm(momentum=0.01, epsilon=1e-5, unit_norm=True)
EXPANSION = 4
"""A block's inner layer has this many times the units of the block."""


@dataclass(frozen=True)
class FlashSACConfig(CategoricalConfig):
    """Settings of FlashSAC; the defaults are those of the authors for CPU simulators.

    `hidden` and `critic_hidden` are the widths of the residual blocks, which are equal within a network. Much less
    arithmetic at a moderate loss: hidden 64 64, critic_hidden 128 128, batch_size 256.
    """

    run_defaults: ClassVar[Mapping[str, Any]] = {"batch_size": 512, "learning_starts": 10_000}

    hidden: tuple[int, ...] = (128, 128)
    """Width of each residual block."""
    critic_hidden: tuple[int, ...] | None = (256, 256)
    """Width of each residual block of the critics; None takes hidden."""
    final_learning_rate: float = 1.5e-4
    """Step size at the end of the schedule, which starts at learning_rate."""
    tau: float = 0.01
    """Share τ of the critics that enters their target copies at each update."""
    policy_delay: int = 2
    """Critic updates per update of the actor."""
    return_bound: float | None = 5.0
    """With norm_reward: divide by more, so that no discounted return so far is larger than this; None for no bound."""
    target_std: float = 0.15
    """H̄ is the entropy of a Gaussian with this standard deviation for each action dimension."""
    noise_repeat: int = 16
    """Most steps for which exploration holds its noise; their number n has a probability ∝ 1/n². 1 holds none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("hidden", "critic_hidden"):
            sizes = getattr(self, name)
            require(name, sizes, sizes is None or len(set(sizes)) == 1, "blocks of one width, such as (128, 128)")
        require_positive("target_std", self.target_std)
        require_whole("noise_repeat", self.noise_repeat, 1)


class FlashSAC(CategoricalActorCritic):
    """FlashSAC for P members."""

    name = "flash-sac"
    title = "FlashSAC"
    summary = "SAC with residual blocks of bounded norms and categorical critics (2604.04539)"
    config_class = FlashSACConfig
    log_std = TanhLogStd(-10.0, 2.0)
    config: FlashSACConfig

    @classmethod
    def hidden_layers(cls, config: Any, role: Literal["actor", "critic"], hidden: tuple[int, ...]) -> tuple[Layer, ...]:
        """Return normalisation, a linear layer, residual blocks and normalisation."""
        return (NORM, _unit(hidden[0]), *(_block(width) for width in hidden), RMSNorm(epsilon=1e-6, unit_norm=True))

    @staticmethod
    def decay(first: float, last: float, steps: int) -> StepSize:
        """Return half a cosine."""
        return CosineDecay(first, last, steps)

    def default_target_entropy(self) -> float:
        """Return H̄ = ½ dim(A) log(2πe σ²) for the setting σ."""
        return 0.5 * self.action.size * math.log(2.0 * math.pi * math.e * self.config.target_std**2)

    @property
    def exploration(self) -> Exploration:
        """Hold the draws for a random number of steps."""
        return Held(self.config.noise_repeat)

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step: actor and α, then critics, then targets."""
        metrics = self.update_actor_and_alpha(state, batch, noise) if policy else {}
        metrics |= self.update_critics(state, batch, noise)
        if target:
            self.critics.polyak_update(state)
        return metrics

    def update_actor_and_alpha(self, state: State, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Make one step of the actor, in training on s and s′ together with a loss at s, and one of α."""
        alpha, rows = self.alpha(state), batch.obs.shape[1]

        def loss(joint: SquashedGaussian) -> tuple[Tensor, Tensor]:
            policy = SquashedGaussian(joint.mean[:, :rows], joint.log_std[:, :rows])
            action, log_prob = policy.sample(noise["action"])
            q = self.critics(state, batch.obs, action)
            return objectives.actor_loss(q, log_prob, alpha), log_prob

        losses, log_prob = self.actor.minimize(state, loss, torch.cat([batch.obs, batch.next_obs], 1))
        metrics = {"train/actor_loss": losses, "train/entropy": -log_prob.mean(-1)}
        return metrics | self.alpha.fit(state, log_prob, self.target_entropy)


def _unit(units: int) -> Layer:
    return Linear(units, bias=False, start="orthogonal", unit_norm=True)


def _block(width: int) -> Layer:
    return Residual((_unit(EXPANSION * width), NORM, ReLU(), _unit(width), NORM, ReLU()))
