"""Deep Deterministic Policy Gradient.

Lillicrap et al., Continuous control with deep reinforcement learning, 1509.02971, algorithm 1. One update is

    y = r + γ Q_θ̄(s′, μ_φ̄(s′))
    θ ← θ − λ ∇ ½ (Q_θ(s, a) − y)²
    φ ← φ + λ ∇ Q_θ(s, μ_φ(s))
    θ̄ ← τ θ + (1 − τ) θ̄,   φ̄ ← τ φ + (1 − τ) φ̄

Deviation: independent Gaussian noise explores; `noise_process` has the paper's Ornstein-Uhlenbeck process, which
1802.09477 found no better. Hidden layers of 256 and 256 instead of 400 and 300, whose first one reads the action too
(in the paper the second); last layers start like the others and not in ±3e-3; one step size, batches of 256 instead of
64 and τ = 0.005 as for the other algorithms here; no weight decay and no BatchNorm.
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
