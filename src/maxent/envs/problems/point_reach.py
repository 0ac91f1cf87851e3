"""A point that must reach a random goal, with a sparse reward: a small task for hindsight experience replay.

The interface (observations, vectorised `compute_reward` and `compute_terminated`) is that of GoalEnv in
gymnasium-robotics; the 50 steps, the reward −1/0 and the missing termination are those of Fetch (Plappert et al. 2018,
arXiv 1802.09464). Random actions reach few goals; relabelled with the goals that they did reach, the same transitions
have informative rewards (Andrychowicz et al. 2017, arXiv 1707.01495).
"""

from typing import Any, SupportsFloat, cast, final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

RADIUS = 0.05
"""The goal is reached when its distance is at most this."""

SPEED = 0.05
"""The largest move in each coordinate: 40 steps lead across the square."""

Observation = dict[str, NDArray[np.float32]]


@final
class PointReach(gym.Env[Observation, NDArray[np.float32]]):
    """A point s in the square [-1, 1]² that moves by s' = clip(s + SPEED·a); start and goal are uniform.

    Observation: a dict of "observation" and "achieved_goal", both the position [2], and "desired_goal" [2].
    Action: [2] in [-1, 1], clipped. Reward: 0 within `RADIUS` of the goal, else −1.
    Without `terminate` an episode does not terminate, and the point should stay at the goal. `info["is_success"]` is
    whether it is there.

    Args:
        terminate: whether an episode ends at the goal.
    """

    def __init__(self, *, terminate: bool = False) -> None:
        place = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = cast(
            "gym.Space[Observation]",
            gym.spaces.Dict({"observation": place, "achieved_goal": place, "desired_goal": place}),
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.terminate = terminate
        self._position = self._goal = np.zeros(2, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a position and a goal, both uniform in the square."""
        super().reset(seed=seed)
        self._position, self._goal = self.np_random.uniform(-1.0, 1.0, (2, 2)).astype(np.float32)
        return self._observe(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Move once."""
        move = SPEED * np.clip(np.asarray(action, np.float32).reshape(2), -1.0, 1.0)
        self._position = np.clip(self._position + move, -1.0, 1.0).astype(np.float32)
        info = self._info()
        reward = float(self.compute_reward(self._position, self._goal, info))
        terminated = bool(self.compute_terminated(self._position, self._goal, info))
        return self._observe(), reward, terminated, False, info

    def compute_reward(self, achieved_goal: NDArray[Any], desired_goal: NDArray[Any], info: Any) -> NDArray[np.float64]:
        """Return 0 where the goal is reached, else −1; `info` is not used.   [..., 2], [..., 2] → [...]"""
        return np.where(reached(achieved_goal, desired_goal), 0.0, -1.0)

    def compute_terminated(
        self, achieved_goal: NDArray[Any], desired_goal: NDArray[Any], info: Any
    ) -> NDArray[np.bool_]:
        """Return where an episode ends: nowhere without `terminate`.   [..., 2], [..., 2] → [...]"""
        return np.logical_and(self.terminate, reached(achieved_goal, desired_goal))

    def _observe(self) -> Observation:
        return {
            "observation": self._position.copy(),
            "achieved_goal": self._position.copy(),
            "desired_goal": self._goal.copy(),
        }

    def _info(self) -> dict[str, Any]:
        return {"is_success": bool(reached(self._position, self._goal))}


def reached(achieved_goal: NDArray[Any], desired_goal: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether two positions are at most `RADIUS` apart.   [..., 2], [..., 2] → [...]"""
    offset = np.asarray(achieved_goal, np.float64) - np.asarray(desired_goal, np.float64)
    near: NDArray[np.bool_] = np.square(offset).sum(axis=-1) <= RADIUS**2
    return near
