"""A point among four equally good goals: the task on which soft Q-learning showed a multimodal policy.

Haarnoja et al. 2017 (arXiv 1702.08165), section 5.1. The constants are those of the authors' code:
github.com/haarnoja/softqlearning, softqlearning/environments/multigoal.py, and examples/multigoal_sql.py for the 30
steps of an episode. That example trains with γ = 0.99 and rewards times 0.1 at α = 1, which has the same optimal policy
as α = 10 with the rewards used here.
"""

from typing import Any, ClassVar, SupportsFloat, final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

GOALS: NDArray[np.float32] = np.array([[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0], [0.0, -5.0]], np.float32)
"""The centres of the goals [4, 2]: east, west, north, south."""
GOALS.flags.writeable = False

RADIUS = 1.0
"""An episode ends when the distance to a goal is less than this."""

BOUND = 7.0
"""Coordinates are clipped to [-7, 7]."""

_PIXELS = 280  # the side of a rendered picture


@final
class MultiGoal(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A point at s that starts near the origin and moves by its action, s' = clip(s + a), to one of `GOALS`.

    Observation: the position [2]. Action: the velocity [2] in [-1, 1], clipped.
    Reward: −action_cost·|a|² − distance_cost·min_g |s' − g|² + goal_reward·[s' in a goal]: `cost` below.
    An episode ends within `RADIUS` of a goal. `info["goal"]` is the index of that goal, and -1 before.

    Args:
        goal_reward: the reward for reaching a goal.
        action_cost: the weight of |a|².
        distance_cost: the weight of the squared distance to the nearest goal.
        init_sigma: the standard deviation of the first position around the origin, in each coordinate.
        dynamics_sigma: the standard deviation of the noise added to each move; the source has none.
        render_mode: None, or "rgb_array" for a picture of the plane and the path so far.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 8}  # type: ignore[misc]

    def __init__(
        self,
        *,
        goal_reward: float = 10.0,
        action_cost: float = 30.0,
        distance_cost: float = 1.0,
        init_sigma: float = 0.1,
        dynamics_sigma: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        self.observation_space = gym.spaces.Box(-BOUND, BOUND, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.goal_reward, self.action_cost, self.distance_cost = goal_reward, action_cost, distance_cost
        self.init_sigma, self.dynamics_sigma = init_sigma, dynamics_sigma
        self.render_mode = render_mode
        self._path: list[NDArray[np.float32]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw a position near the origin."""
        super().reset(seed=seed)
        self._path = [_inside(self.init_sigma * self.np_random.normal(size=2))]
        return self._path[-1].copy(), {"goal": -1}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """Move once."""
        move = np.clip(np.asarray(action, np.float32).reshape(2), -1.0, 1.0)
        target = self._path[-1] + move
        if self.dynamics_sigma:
            target = target + self.dynamics_sigma * self.np_random.normal(size=2)
        position = _inside(target)
        self._path.append(position)
        goal = int(goal_reached(position))
        reward = -float(self.cost(position, move)) + (self.goal_reward if goal >= 0 else 0.0)
        return position.copy(), reward, goal >= 0, False, {"goal": goal}

    def cost(self, position: NDArray[Any], action: NDArray[Any]) -> NDArray[np.float64]:
        """Return action_cost·|a|² + distance_cost·min_g |s' − g|².   s', action [..., 2] → [...]"""
        effort: NDArray[np.float64] = np.square(np.asarray(action, np.float64)).sum(axis=-1)
        distance: NDArray[np.float64] = _squared_distances(position).min(axis=-1)
        return self.action_cost * effort + self.distance_cost * distance

    def render(self) -> NDArray[np.uint8] | None:
        """Return the plane as an image [280, 280, 3]: bands of equal distance to a goal, the goals, the path so far."""
        if self.render_mode is None:
            return None
        centre = (np.arange(_PIXELS) + 0.5) / _PIXELS * 2.0 * BOUND - BOUND
        x, y = np.meshgrid(centre, -centre)  # the first row is north
        pixels = np.stack([x, y], axis=-1)
        distance = np.sqrt(_squared_distances(pixels).min(axis=-1))  # [280, 280]
        image = np.where(np.floor(distance) % 2 == 0, 250, 238)[..., None].repeat(3, axis=-1).astype(np.uint8)
        image[distance < RADIUS] = (244, 190, 176)
        for position in self._path:
            image[((pixels - position) ** 2).sum(axis=-1) < 0.12**2] = (120, 165, 214)
        if self._path:
            image[((pixels - self._path[-1]) ** 2).sum(axis=-1) < 0.25**2] = (31, 95, 168)
        return image


def goal_reached(position: NDArray[Any]) -> NDArray[np.int64]:
    """Return the index of the goal that contains a position, -1 if none does.   position [..., 2] → [...]"""
    squared = _squared_distances(position)  # [..., 4]
    nearest: NDArray[np.int64] = np.where(squared.min(axis=-1) < RADIUS**2, squared.argmin(axis=-1), -1)
    return nearest


def _squared_distances(position: NDArray[Any]) -> NDArray[np.float64]:
    """Return |s − g|² for each goal.   position [..., 2] → [..., 4]"""
    offset = np.asarray(position, np.float64)[..., None, :] - GOALS  # [..., 4, 2]
    squared: NDArray[np.float64] = np.square(offset).sum(axis=-1)
    return squared


def _inside(position: NDArray[Any]) -> NDArray[np.float32]:
    """Return a position clipped to the bounds."""
    inside: NDArray[np.float32] = np.clip(position, -BOUND, BOUND).astype(np.float32)
    return inside
