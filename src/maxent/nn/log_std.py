"""How the log standard deviation of a Gaussian policy is bounded: libraries differ, so it is a setting."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from maxent.errors import UserError


@final
@dataclass(frozen=True)
class ClippedLogStd:
    """Clip log σ to its bounds, as the authors' code (haarnoja/sac, softlearning), Spinning Up and SB3 do."""

    kind: ClassVar[str] = "clip"

    low: float = -20.0
    """Lower bound of log σ."""
    high: float = 2.0
    """Upper bound of log σ."""

    def __post_init__(self) -> None:
        _require_order(self.low, self.high)

    def __call__(self, out: Tensor) -> Tensor:
        """Return log σ for outputs of the network."""
        return out.clamp(self.low, self.high)

    def numpy(self, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the same in NumPy."""
        return np.minimum(np.maximum(out, np.float32(self.low)), np.float32(self.high))


@final
@dataclass(frozen=True)
class TanhLogStd:
    """Squash log σ into its bounds, low + ½ (high − low)(tanh(x) + 1), as pytorch_sac and CleanRL do."""

    kind: ClassVar[str] = "tanh"

    low: float = -5.0
    """Lower bound of log σ."""
    high: float = 2.0
    """Upper bound of log σ."""

    def __post_init__(self) -> None:
        _require_order(self.low, self.high)

    def __call__(self, out: Tensor) -> Tensor:
        """Return log σ for outputs of the network."""
        return self.low + 0.5 * (self.high - self.low) * (out.tanh() + 1.0)

    def numpy(self, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the same in NumPy."""
        half = np.float32(0.5 * (self.high - self.low))
        return np.asarray(np.float32(self.low) + half * (np.tanh(out) + np.float32(1.0)), np.float32)


LogStd = ClippedLogStd | TanhLogStd


def _require_order(low: float, high: float) -> None:
    """Raise if the lower bound is not below the upper one."""
    if not -np.inf < low < high < np.inf:
        raise UserError(f"log_std: expected low < high, both finite, got low={low:g} and high={high:g}.")
