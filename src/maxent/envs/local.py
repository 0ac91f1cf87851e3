"""Environments stepped one after another in this process: no vector environment in between, and so no cost of one."""

from collections.abc import Sequence
from functools import partial
from typing import Any, final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from maxent.envs.fleet import Fleet, Moved, Replayed
from maxent.envs.rows import Rows
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout, Packed


@final
class LocalFleet(Fleet):
    """Gymnasium environments in this process, each reset with the seed of its episode.

    Args:
        envs: the environments, with equal spaces.
        owned: close them in `close`; false for environments that somebody else made.
    """

    def __init__(self, envs: Sequence[gym.Env[Any, Any]], *, owned: bool) -> None:
        first = envs[0]
        for env in envs:
            if env.observation_space != first.observation_space or env.action_space != first.action_space:
                raise UserError(
                    "environments: expected equal spaces in all of them, got "
                    f"{first.observation_space} and {first.action_space} in one, "
                    f"{env.observation_space} and {env.action_space} in another."
                )
        observation = ObservationLayout.from_space(first.observation_space)
        super().__init__(len(envs), observation, ActionLayout.from_space(first.action_space), reproducible=True)
        self._envs = tuple(envs)
        self._owned = owned
        self._rows = Rows(observation, self.count)
        self._live = np.ones(self.count, np.bool_)

    def reset(self, seeds: Sequence[int]) -> Packed:
        """Starts an episode in every lane."""
        for lane, seed in enumerate(seeds):
            self.begin(lane, seed)
        return self._rows.copy()

    def step(self, actions: NDArray[Any]) -> Moved:
        """Takes one action in every lane; all of them are live."""
        env_actions = self.action.to_env(actions)
        reward = np.empty(self.count, np.float64)
        terminated, truncated = np.zeros(self.count, np.bool_), np.zeros(self.count, np.bool_)
        ended: list[int] = []
        infos: list[dict[str, Any]] = []
        write = self._rows.write
        for lane, env in enumerate(self._envs):
            observation, earned, is_terminated, is_truncated, info = env.step(env_actions[lane])
            write(lane, observation)
            reward[lane] = _number(earned)
            infos.append(info)
            if is_terminated or is_truncated:
                terminated[lane], truncated[lane] = is_terminated, is_truncated
                ended.append(lane)
        return Moved(
            self._rows.copy(), reward, terminated, truncated, self._live.copy(), ended, partial(merged_infos, infos)
        )

    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """Starts an episode in the given lanes."""
        for lane, seed in zip(lanes, seeds, strict=True):
            self.begin(lane, seed)
        return self._rows.copy()

    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """Plays the recorded episodes, one lane after the other."""
        returns, ended = np.zeros(self.count), np.zeros(self.count, np.bool_)
        for lane, (seed, history) in enumerate(zip(seeds, actions, strict=True)):
            self.begin(lane, seed)
            for action in self.action.to_env(history):
                reward, is_terminated, is_truncated = self.advance(lane, action)
                returns[lane] += reward
                if is_terminated or is_truncated:
                    ended[lane] = True
                    break
        return Replayed(self._rows.copy(), returns, ended)

    def begin(self, lane: int, seed: int) -> None:
        """Starts an episode in one lane."""
        self._rows.begin(lane, self._envs[lane].reset(seed=seed)[0])

    def advance(self, lane: int, env_action: Any) -> tuple[float, bool, bool]:
        """Takes one action of the environment's own kind in one lane: reward, terminated, truncated."""
        observation, reward, terminated, truncated, _ = self._envs[lane].step(env_action)
        self._rows.write(lane, observation)
        return _number(reward), bool(terminated), bool(truncated)

    def latest(self) -> Packed:
        """The latest observation of every lane, in new arrays."""
        return self._rows.copy()

    def close(self) -> None:
        """Closes the environments if they are ours."""
        if self._owned:
            for env in self._envs:
                env.close()


def merged_infos(infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The info dicts of the lanes as a vector environment gives them: {key: [L], "_key": [L] bool}."""
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for info in infos for key in info):
        present = np.array([key in info for info in infos])
        values = [info[key] for info in infos if key in info]
        if all(isinstance(value, dict) for value in values):
            merged[key] = merged_infos([info.get(key, {}) for info in infos])
        else:
            merged[key] = _column(values, present)
        merged[f"_{key}"] = present
    return merged


def _number(reward: Any) -> float:
    """A reward as a float; many environments give an array with one element."""
    return reward if isinstance(reward, float) else float(np.asarray(reward).item())


def _column(values: Sequence[Any], present: NDArray[np.bool_]) -> NDArray[Any]:
    """One array with an entry for every lane: zeros, or None for objects, where a lane has no value."""
    arrays = [np.asarray(value) for value in values]
    alike = all(array.shape == arrays[0].shape and array.dtype.kind in "biuf" for array in arrays)
    if alike:
        column = np.zeros((present.size, *arrays[0].shape), np.result_type(*arrays))
        column[present] = arrays
        return column
    objects = np.full(present.size, None, dtype=object)
    for lane, value in zip(np.flatnonzero(present), values, strict=True):
        objects[lane] = value
    return objects
