"""What `Lanes` needs from a set of environments, whoever runs them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from maxent.spaces import ActionLayout, ObservationLayout, Packed


@dataclass(slots=True)
class Moved:
    """What one step of L environments gave; the fields mean what they mean in `lanes.Step`."""

    next_obs: Packed
    reward: NDArray[Any]  # [L] float64
    terminated: NDArray[Any]  # [L] bool
    truncated: NDArray[Any]  # [L] bool
    live: NDArray[Any]  # [L] bool
    ended: list[int]  # the lanes whose episode ended
    info: Callable[[], dict[str, Any]]


@dataclass(slots=True)
class Replayed:
    """Where the replay of L episodes arrived."""

    obs: Packed
    returns: NDArray[Any]  # [L] float64, summed in the order of the steps
    ended: NDArray[Any]  # [L] bool: the episode ended on the way, so it is not the one that was recorded


class Fleet(ABC):
    """L environments with equal spaces."""

    def __init__(self, count: int, observation: ObservationLayout, action: ActionLayout, *, reproducible: bool) -> None:
        self.count = count
        self.observation = observation
        self.action = action
        self.reproducible = reproducible
        """An episode is a function of its seed and its actions, as far as this class can know."""

    @abstractmethod
    def reset(self, seeds: Sequence[int]) -> Packed:
        """Starts an episode in every lane."""

    @abstractmethod
    def step(self, actions: NDArray[Any]) -> Moved:
        """Takes one action [L, A] of the policy in every lane."""

    @abstractmethod
    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """Starts an episode in the given lanes, as far as they do not restart by themselves.

        `obs` holds the latest observations; returns what to act on now, and leaves `obs` as it is.
        """

    @abstractmethod
    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """Starts an episode in every lane and takes its recorded actions [t, A]; t may differ between lanes."""

    @abstractmethod
    def close(self) -> None:
        """Closes the environments, unless they were handed in from outside."""


def with_rows(obs: Packed, lanes: Sequence[int], fresh: Packed) -> Packed:
    """A copy of `obs` whose rows `lanes` come from `fresh`."""
    mixed = {part: rows.copy() for part, rows in obs.items()}
    for part, rows in mixed.items():
        rows[list(lanes)] = fresh[part][list(lanes)]
    return mixed
