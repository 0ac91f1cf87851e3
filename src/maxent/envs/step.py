"""What a step of all environments of a run results in."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from maxent.envs.failures import Failure
from maxent.spaces import Packed


@final
@dataclass(frozen=True, slots=True)
class Episode:
    """An episode that ended: its lane, the undiscounted sum of its rewards, its number of steps, and its success.

    `success` is `info["is_success"]` of the last step; None if the environment reports none.
    """

    lane: int
    ret: float
    length: int
    success: bool | None = None


@final
@dataclass(slots=True)
class Step:
    """The result of one step of all lanes.

    Args:
        next_obs: the true successors s′: the final observation where an episode ended.
        obs: the observations to act on: the first one of the new episode where one ended. The same object as
            `next_obs` when none ended. Under NEXT_STEP the new episode starts one step later, see `live`.
        reward: [L] float32.
        terminated: [L] the episode ended in a terminal state, worth 0.
        truncated: [L] the episode was cut off; its last state has a value like any other.
        live: [L] False where this step was no transition but only the reset of a NEXT_STEP environment, or of one that
            failed: the action counts for nothing, the reward is 0, and `obs` is the first of the new episode.
        episodes: those that ended in this step.
        failures: the environments that failed in this step, and in the resets after it.
    """

    next_obs: Packed
    obs: Packed
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    live: NDArray[np.bool_]
    episodes: tuple[Episode, ...]
    failures: tuple[Failure, ...]


@final
@dataclass(frozen=True)
class LaneState:
    """The current episodes as plain data and arrays.

    Args:
        json: for each lane the number and the seed of the episode, its return and its length so far.
        tensors: "actions" [Σ t, A], the actions so far of lane 0, then those of lane 1, and so on.
    """

    json: dict[str, Any]
    tensors: dict[str, NDArray[Any]]


@final
@dataclass(frozen=True)
class RestoreReport:
    """The result of a restore: the observations to act on, and the lanes whose episode could not be restored."""

    obs: Packed
    fresh: tuple[int, ...]
