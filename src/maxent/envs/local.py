"""Environments stepped one after another in this process, without the cost of a vector environment."""

import time
from collections.abc import Sequence
from typing import Any, final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from maxent.envs.advice import StepTimes
from maxent.envs.faults import InvalidData
from maxent.envs.fleet import Fleet, Moved, Replayed
from maxent.envs.rows import Rows
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout, Packed


@final
class LocalFleet(Fleet):
    """Gymnasium environments in this process, each reset with the seed of its episode.

    Args:
        envs: the environments, with equal spaces.
        owned: whether `close` closes them; false for environments that the user made.
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
        self.times = self._times = StepTimes(self.count, workers=False)
        self._rows = Rows(observation, first.observation_space, self.count)
        self._steps = [0] * self.count
        self._live = np.ones(self.count, np.bool_)
        self.success: dict[int, bool] = {}
        """What the latest `advance` of a lane reported."""

    def reset(self, seeds: Sequence[int]) -> Packed:
        """Start an episode in every lane."""
        return self.restart(self._rows.copy(), range(self.count), seeds)

    def step(self, actions: NDArray[Any]) -> Moved:
        """Take one action in every lane; all of them are live."""
        env_actions, self.faults = self.action.to_env(actions), []
        reward = np.empty(self.count, np.float64)
        terminated, truncated = np.zeros(self.count, np.bool_), np.zeros(self.count, np.bool_)
        ended: list[int] = []
        success: dict[int, bool] = {}
        write = self._rows.write
        start = time.perf_counter()
        for lane, env in enumerate(self._envs):
            observation, earned, is_terminated, is_truncated, info = env.step(env_actions[lane])
            try:
                write(lane, observation)
                reward[lane] = number(earned, lane)
                if is_terminated is False and is_truncated is False:  # most steps of most environments
                    continue
                ends, cut = flag(is_terminated, "terminated", lane), flag(is_truncated, "truncated", lane)
            except InvalidData as fault:
                self.faults.append(fault)
                continue
            if ends or cut:
                terminated[lane], truncated[lane] = ends, cut
                ended.append(lane)
                note_success(success, lane, info)
        taken = time.perf_counter() - start
        self._times.add(taken, taken)
        return Moved(self._rows.copy(), reward, terminated, truncated, self._live.copy(), ended, success)

    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """Start an episode in the given lanes."""
        self.faults = []
        for lane, seed in zip(lanes, seeds, strict=True):
            try:
                self.begin(lane, seed)
            except InvalidData as fault:
                self.faults.append(fault)
        return self._rows.copy()

    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """Play the recorded episodes, one lane after the other; one with unusable data counts as ended too early."""
        returns, ended = np.zeros(self.count), np.zeros(self.count, np.bool_)
        for lane, (seed, history) in enumerate(zip(seeds, actions, strict=True)):
            try:
                self.begin(lane, seed)
                for action in self.action.to_env(history):
                    reward, is_terminated, is_truncated = self.advance(lane, action)
                    returns[lane] += reward
                    if is_terminated or is_truncated:
                        ended[lane] = True
                        break
            except InvalidData:
                ended[lane] = True
        self.faults = []
        return Replayed(self._rows.copy(), returns, ended)

    def begin(self, lane: int, seed: int) -> None:
        """Start an episode in one lane."""
        self._steps[lane] = 0
        self._rows.begin(lane, self._envs[lane].reset(seed=seed)[0])

    def advance(self, lane: int, env_action: Any) -> tuple[float, bool, bool]:
        """Take one action of the environment, not of the policy, in one lane: reward, terminated, truncated."""
        observation, reward, terminated, truncated, info = self._envs[lane].step(env_action)
        self._steps[lane] += 1
        self.success.pop(lane, None)
        note_success(self.success, lane, info)
        try:
            self._rows.write(lane, observation)
            earned = number(reward, lane)
            return earned, flag(terminated, "terminated", lane), flag(truncated, "truncated", lane)
        except InvalidData as error:
            error.step = self._steps[lane]
            raise

    def latest(self) -> Packed:
        """Return the latest observation of every lane, in new arrays."""
        return self._rows.copy()

    def close(self) -> None:
        """Close the environments if `owned`."""
        if self._owned:
            for env in self._envs:
                env.close()


def note_success(success: dict[int, bool], lane: int, info: Any) -> None:
    """Add `info["is_success"]` of a lane, if it is there and one number or flag."""
    value = info.get("is_success") if isinstance(info, dict) else None
    if value is not None:
        array = np.asarray(value)
        if array.dtype.kind in "biuf" and array.size == 1:
            success[lane] = bool(array.item())


def number(reward: Any, lane: int) -> float:
    """Return a reward as a float; an array with one element is accepted, since many environments return it."""
    if isinstance(reward, float):
        return reward
    array = np.asarray(reward)
    if array.dtype.kind not in "biuf" or array.size != 1:
        raise InvalidData(f"expected the reward to be one number, got {type(reward).__name__} {reward!r}.", lane)
    return float(array.item())


def flag(value: Any, name: str, lane: int) -> bool:
    """Return `terminated` or `truncated` as a bool; 0, 1 and arrays with one such element are accepted."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    array = np.asarray(value)
    if array.dtype.kind not in "biu" or array.size != 1 or array.item() not in (0, 1):
        raise InvalidData(f"expected {name} to be True or False, got {type(value).__name__} {value!r}.", lane)
    return bool(array.item())
