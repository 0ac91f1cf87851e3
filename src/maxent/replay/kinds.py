"""The kinds of replay, as settings: how transitions are sampled from the rows."""

from dataclasses import dataclass, fields
from numbers import Real
from typing import ClassVar, Literal, final

from maxent.errors import UserError


@final
@dataclass(frozen=True)
class UniformReplay:
    """Sample every transition with the same probability."""

    kind: ClassVar[str] = "uniform"


@final
@dataclass(frozen=True)
class PrioritizedReplay:
    """Sample transitions by their last TD error (Schaul et al. 2016, 1511.05952)."""

    kind: ClassVar[str] = "prioritized"

    exponent: float = 0.6
    """How strongly large errors are preferred: probability ∝ error to this power (α in the paper); 0 is uniform."""
    correction: float = 0.4
    """Importance weights (β in the paper) at the start of the run; they rise to the full correction, 1, at its end."""

    def __post_init__(self) -> None:
        _check_shares(self)


@final
@dataclass(frozen=True)
class HindsightReplay:
    """Replace goals by goals reached later in the episode (Andrychowicz et al. 2017, 1707.01495)."""

    kind: ClassVar[str] = "hindsight"

    ratio: float = 0.8
    """Share of transitions with a replaced goal; 0.8 is the paper's k = 4 for each original one."""

    def __post_init__(self) -> None:
        _check_shares(self)


Storage = Literal["auto", "ram", "disk", "device"]
"""Where rows are kept."""

ReplayKind = UniformReplay | PrioritizedReplay | HindsightReplay


def _check_shares(settings: PrioritizedReplay | HindsightReplay) -> None:
    """Raise UserError if a field is not a number from 0 to 1."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if not (isinstance(value, Real) and 0 <= float(value) <= 1):
            raise UserError(f"{settings.kind} replay, {field.name}: expected a number from 0 to 1, got {value!r}.")
