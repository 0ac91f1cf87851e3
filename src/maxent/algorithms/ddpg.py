"""Deep Deterministic Policy Gradient.

Lillicrap et al., Continuous control with deep reinforcement learning, 1509.02971, algorithm 1. One update is

    y = r + γ Q_θ̄(s′, μ_φ̄(s′))
    θ ← θ − λ ∇ ½ (Q_θ(s, a) − y)²
    φ ← φ + λ ∇ Q_θ(s, μ_φ(s))
    θ̄ ← τ θ + (1 − τ) θ̄,   φ̄ ← τ φ + (1 − τ) φ̄

Deviation: Gaussian noise explores in place of an Ornstein-Uhlenbeck process, which 1802.09477 found no better; hidden
layers of 256, one step size and τ = 0.005 as for the other algorithms here, no weight decay and no BatchNorm.
"""

from dataclasses import dataclass

from maxent.algorithms.deterministic import DeterministicActorCritic, DeterministicConfig


@dataclass(frozen=True)
class DDPGConfig(DeterministicConfig):
    """Settings of DDPG."""

    critics: int = 1
    """Number of critics; DDPG has one."""


class DDPG(DeterministicActorCritic):
    """DDPG for P members."""

    name = "ddpg"
    title = "DDPG"
    summary = "Deep Deterministic Policy Gradient: one critic, target actor (1509.02971)"
    config_class = DDPGConfig
