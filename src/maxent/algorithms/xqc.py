"""XQC, for P members.

Palenicek et al. 2026, XQC: Well-conditioned Optimization Accelerates Deep Reinforcement Learning, 2509.25174.
CrossQ's joint batches with target critics, whose layers are Linear, BatchNorm and ReLU, weights of unit norm for each
output, and a distribution over 101 atoms as output. Step sizes fall linearly to a tenth over the run, each by the
steps of its own optimiser; actor and α are updated every third time. Figures not in the paper's text are those of the
authors' code (danielpalenicek/xqc 9a6832b).

Deviation: γ is a setting like any other; the authors compute it from the length of an episode, as our recipes do.
Deviation: the running statistics of the actor move in its own updates, in the authors' code in every one.
Deviation: the normalisation of the input has no shift. The next one subtracts its effect, so its gradient is nothing
but rounding, from which Adam would make steps of full size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from maxent.algorithms.categorical import CategoricalActorCritic, CategoricalConfig
from maxent.nn.layers import BatchNorm, Layer, Linear, ReLU
from maxent.nn.log_std import ClippedLogStd
from maxent.nn.optimiser import LinearDecay, StepSize

NORM = BatchNorm(momentum=0.01, epsilon=1e-3)
INPUT = BatchNorm(momentum=0.01, epsilon=1e-3, shift=False)


@dataclass(frozen=True)
class XQCConfig(CategoricalConfig):
    """Settings of XQC; the defaults are those of the authors' code."""

    run_defaults: ClassVar[Mapping[str, Any]] = {"replay_ratio": 2.0, "learning_starts": 5_000}

    hidden: tuple[int, ...] = (256, 256, 256, 256)
    """Units of each hidden layer."""
    critic_hidden: tuple[int, ...] | None = (512, 512, 512, 512)
    """Units of each hidden layer of the critics; None takes hidden."""
    final_learning_rate: float = 3e-5
    """Step size at the end of the schedule, which starts at learning_rate."""
    policy_delay: int = 3
    """Critic updates per update of the actor."""


class XQC(CategoricalActorCritic):
    """XQC for P members."""

    name = "xqc"
    title = "XQC"
    summary = "SAC with BatchNorm, unit weights and a cross-entropy loss of categorical critics (2509.25174)"
    config_class = XQCConfig
    log_std = ClippedLogStd(-10.0, 2.0)

    @classmethod
    def hidden_layers(cls, config: Any, role: Literal["actor", "critic"], hidden: tuple[int, ...]) -> tuple[Layer, ...]:
        """Return normalisation of the input, then Linear, normalisation and ReLU of each size."""
        return (INPUT, *(layer for units in hidden for layer in (_unit(units), NORM, ReLU())))

    @staticmethod
    def decay(first: float, last: float, steps: int) -> StepSize:
        """Return a linear decay."""
        return LinearDecay(first, last, steps)

    def default_target_entropy(self) -> float:
        """Return H̄ = −dim(A)/2."""
        return -0.5 * self.action.size


def _unit(units: int) -> Layer:
    return Linear(units, bias=False, start="orthogonal", unit_norm=True)
