"""The interface through which `Lanes` steps a set of environments, in this process or in others."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from maxent.envs.advice import StepTimes
from maxent.envs.faults import LaneFault
from maxent.spaces import ActionLayout, ObservationLayout, Packed


@dataclass(slots=True)
class Moved:
    """The result of one step of L environments; the fields are those of `lanes.Step`."""

    next_obs: Packed
    reward: NDArray[Any]  # [L] float64
    terminated: NDArray[Any]  # [L] bool
    truncated: NDArray[Any]  # [L] bool
    live: NDArray[Any]  # [L] bool
    ended: list[int]  # the lanes whose episode ended
    success: dict[int, bool] = field(default_factory=dict)  # of those lanes, where the environment reports it


@dataclass(slots=True)
class Replayed:
    """The state after L recorded episodes were played again."""

    obs: Packed
    returns: NDArray[Any]  # [L] float64, summed in the order of the steps
    ended: NDArray[Any]  # [L] bool: the episode ended before its last action, so it is not the recorded one


class Fleet(ABC):
    """L environments with equal spaces."""

    def __init__(self, count: int, observation: ObservationLayout, action: ActionLayout, *, reproducible: bool) -> None:
        self.count = count
        self.observation = observation
        self.action = action
        self.reproducible = reproducible
        """Whether an episode should be a function of its seed and its actions."""
        self.times: StepTimes | None = None
        """Times of its steps; None for a vector environment, which steps as the user has chosen."""
        self.faults: list[LaneFault] = []
        """What went wrong in the last call, lane by lane: their entries of its result mean nothing, and each needs a
        restart. A vector environment raises at the first fault instead."""

    @property
    def restarts(self) -> bool:
        """Whether a lane can be started again after a fault."""
        return True

    @abstractmethod
    def reset(self, seeds: Sequence[int]) -> Packed:
        """Start an episode in every lane."""

    @abstractmethod
    def step(self, actions: NDArray[Any]) -> Moved:
        """Take one action [L, A] of the policy in every lane."""

    @abstractmethod
    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """Start an episode in the given lanes, unless the environments restart by themselves.

        `obs` holds the latest observations and is not changed. Return the observations to act on.
        """

    @abstractmethod
    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """Start an episode in every lane and take its recorded actions [t, A]; t may differ between lanes."""

    @abstractmethod
    def close(self) -> None:
        """Close the environments, unless the user made them."""


def with_rows(obs: Packed, lanes: Sequence[int], fresh: Packed) -> Packed:
    """Return a copy of `obs` with the rows `lanes` taken from `fresh`."""
    mixed = {part: rows.copy() for part, rows in obs.items()}
    for part, rows in mixed.items():
        rows[list(lanes)] = fresh[part][list(lanes)]
    return mixed
