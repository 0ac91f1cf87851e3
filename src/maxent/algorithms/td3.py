"""Twin Delayed Deep Deterministic policy gradient.

Fujimoto et al., Addressing Function Approximation Error in Actor-Critic Methods, 1802.09477, algorithm 1. One update is

    a′  = clip(μ_φ̄(s′) + clip(σ̃ ε, −c, c), −1, 1)
    y   = r + γ min_i Q_θ̄i(s′, a′)
    θ_i ← θ_i − λ ∇ ½ (Q_θi(s, a) − y)²

and every second one φ ← φ + λ ∇ Q_θ1(s, μ_φ(s)), θ̄ and φ̄ ← τ … as in DDPG.

Deviation: the defaults are the paper's, except for its step size of 1e-3, its 100 transitions a batch and its hidden
layers of 400 and 300 units, which are those of the other algorithms here (the authors' later code has 3e-4, 256, and
256 and 256 units, too).
"""

from dataclasses import dataclass

from torch import Tensor

from maxent.algorithms.base import Noise
from maxent.algorithms.deterministic import DeterministicActorCritic, DeterministicConfig
from maxent.algorithms.settings import finite, require
from maxent.batch import Batch
from maxent.nn.optimiser import State


@dataclass(frozen=True)
class TD3Config(DeterministicConfig):
    """Settings of TD3; the defaults are those of 1802.09477 §6.1."""

    target_noise: float = 0.2
    """Standard deviation σ̃ of the noise on the target actor's actions: target policy smoothing."""
    target_noise_clip: float = 0.5
    """That noise is clipped to ±c."""
    policy_delay: int = 2
    """Critic updates per update of the actor."""
    target_delay: int = 2
    """Critic updates per update of the targets."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("target_noise", "target_noise_clip"):
            value = getattr(self, name)
            require(name, value, finite(value) and value >= 0, "a number of at least 0")


class TD3(DeterministicActorCritic):
    """TD3 for P members."""

    name = "td3"
    title = "TD3"
    summary = "Twin Delayed DDPG: target policy smoothing, delayed actor and targets (1802.09477)"
    config_class = TD3Config
    config: TD3Config

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return ε of target policy smoothing."""
        return {"smoothing": (batch_size, self.action.size)}

    def next_action(self, state: State, batch: Batch, noise: Noise) -> Tensor:
        """Return a′ = clip(μ_φ̄(s′) + clip(σ̃ ε, −c, c), −1, 1). → [P, B, A]"""
        clip = self.config.target_noise_clip
        smoothing = (self.config.target_noise * noise["smoothing"]).clamp(-clip, clip)
        return (super().next_action(state, batch, noise) + smoothing).clamp(-1.0, 1.0)
