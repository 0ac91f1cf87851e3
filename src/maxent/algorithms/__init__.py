"""One file per algorithm, and the table of them all."""

from maxent.algorithms.base import Algorithm, AlgorithmConfig
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.errors import UserError

ALGORITHMS: dict[str, type[Algorithm]] = {algorithm.name: algorithm for algorithm in (SoftActorCritic,)}


def find(name: str) -> type[Algorithm]:
    """The algorithm of this name."""
    if name not in ALGORITHMS:
        raise UserError(f"Unknown algorithm {name!r}: choose one of {', '.join(ALGORITHMS)}.")
    return ALGORITHMS[name]


def taking(actions: str) -> list[str]:
    """Names of the algorithms for this kind of action space."""
    return [name for name, algorithm in ALGORITHMS.items() if algorithm.actions == actions]


__all__ = ["ALGORITHMS", "Algorithm", "AlgorithmConfig", "SACConfig", "SoftActorCritic", "find", "taking"]
