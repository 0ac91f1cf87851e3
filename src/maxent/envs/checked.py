"""A wrapper for environments in worker processes, whose data would otherwise be broadcast or parsed on their way."""

from typing import Any, final

import gymnasium as gym

from maxent.envs.faults import InvalidData
from maxent.envs.local import flag, number
from maxent.errors import UserError
from maxent.spaces import ObservationLayout


@final
class Checked(gym.Wrapper[Any, Any, Any, Any]):
    """Raises `InvalidData` for observations, rewards and flags of the wrong shape or type.

    Args:
        env: the environment.
        lane: its index among all environments of the run.
    """

    def __init__(self, env: gym.Env[Any, Any], lane: int) -> None:
        super().__init__(env)
        self._lane = lane
        self._step = 0
        self._layout = ObservationLayout.from_space(env.observation_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment and check the observation."""
        observation, _ = self.env.reset(seed=seed, options=options)
        self._step = 0
        self._check(observation)
        return observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the environment and check the result; reward and flags become a float and bools.

        The info dict stays in the worker: nothing reads it, and it may hold what cannot be sent.
        """
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self._step += 1
        self._check(observation)
        try:
            earned = number(reward, self._lane)
            ends, cut = flag(terminated, "terminated", self._lane), flag(truncated, "truncated", self._lane)
        except InvalidData as error:
            error.step = self._step
            raise
        return observation, earned, ends, cut, {}

    def _check(self, observation: Any) -> None:
        try:
            self._layout.pack_one(observation)
        except UserError as error:
            raise InvalidData(str(error), self._lane, self._step) from error
