"""Gymnasium vector environments under all three autoreset modes.

When an episode ends, a vector environment may leave the reset to the caller (DISABLED), reset within the same step
(SAME_STEP: the final observation is in `info["final_obs"]`), or reset in the next step (NEXT_STEP: that step ignores
its action and is no transition). Each mode is one class here, and each class returns the true final observation.
"""

from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from maxent.envs.bounds import Bounds
from maxent.envs.faults import InvalidData
from maxent.envs.fleet import Fleet, Moved, Replayed, with_rows
from maxent.envs.local import note_success
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout, Packed

AnyVectorEnv = VectorEnv[Any, Any, Any]


def adopt(env: AnyVectorEnv) -> Fleet:
    """Return the fleet for a vector environment of the user, by its autoreset mode; the user closes it."""
    mode = env.metadata.get("autoreset_mode")
    if mode is None:
        raise UserError(
            "vector environment: expected metadata['autoreset_mode'], got none; "
            "set it to a gymnasium.vector.AutoresetMode."
        )
    match AutoresetMode(mode):
        case AutoresetMode.DISABLED:
            return DisabledFleet(env)
        case AutoresetMode.SAME_STEP:
            return SameStepFleet(env)
        case AutoresetMode.NEXT_STEP:
            return NextStepFleet(env)


class VectorFleet(Fleet):
    """The parts that the three modes share."""

    def __init__(self, env: AnyVectorEnv, *, reproducible: bool) -> None:
        observation = ObservationLayout.from_space(env.single_observation_space)
        action = ActionLayout.from_space(env.single_action_space)
        super().__init__(env.num_envs, observation, action, reproducible=reproducible)
        self._env = env
        self._bounds = Bounds(observation, env.single_observation_space)
        self._live = np.ones(self.count, np.bool_)

    def reset(self, seeds: Sequence[int]) -> Packed:
        """Start an episode in every lane; an environment with one random stream gets the first seed only."""
        # The base class promises one int only, but Gymnasium's own two take a seed for each lane.
        seed: Any = list(seeds) if seeds_each_lane(self._env) else seeds[0]
        observations, _ = self._env.reset(seed=seed)
        return self._first(self._pack(observations, step=0), range(self.count))

    def close(self) -> None:
        """Leave the vector environment open: the user closes it."""

    def _pack(self, observations: Any, step: int | None = None) -> Packed:
        try:
            return self.observation.pack(observations, self.count)
        except UserError as error:
            raise InvalidData(str(error), step=step) from error

    def _first(self, obs: Packed, lanes: Iterable[int]) -> Packed:
        """Return the observations after checking that the first ones of the given lanes are in their space."""
        for lane in lanes:
            if problem := self._bounds.violation({part: rows[lane] for part, rows in obs.items()}):
                raise InvalidData(problem, lane, step=0)
        return obs

    @property
    def restarts(self) -> bool:
        """Whether a lane can be started again after a fault: the user's environment is not reset out of turn."""
        return False

    def _advance(self, actions: NDArray[Any]) -> tuple[Moved, dict[str, Any]]:
        """Take one step; return its result and the info dict."""
        observations, rewards, terminations, truncations, info = self._env.step(self.action.to_env(actions))
        terminated = _flags(terminations, "terminations", self.count)
        truncated = _flags(truncations, "truncations", self.count)
        ended = np.flatnonzero(terminated | truncated).tolist()
        reward = _numbers(rewards, self.count)
        success = _successes(info, ended)
        return Moved(self._pack(observations), reward, terminated, truncated, self._live.copy(), ended, success), info


@final
class DisabledFleet(VectorFleet):
    """A vector environment that is reset explicitly, so that every episode gets its own seed."""

    def __init__(self, env: AnyVectorEnv) -> None:
        super().__init__(env, reproducible=seeds_each_lane(env))

    def step(self, actions: NDArray[Any]) -> Moved:
        """Take one action in every lane; all of them are live."""
        return self._advance(actions)[0]

    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """Reset the given lanes, each with its seed."""
        chosen = np.zeros(self.count, np.bool_)
        chosen[list(lanes)] = True
        by_lane = dict(zip(lanes, seeds, strict=True))
        seed: Any = [by_lane.get(lane) for lane in range(self.count)] if seeds_each_lane(self._env) else None
        observations, _ = self._env.reset(seed=seed, options={"reset_mask": chosen})
        return with_rows(obs, lanes, self._first(self._pack(observations, step=0), lanes))

    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """Play the recorded episodes; all lanes step together, so shorter ones start later and all end together.

        Before its start a lane is stepped with zero actions, and reset again whenever that ends an episode.
        """
        longest = max(len(history) for history in actions)
        start = [longest - len(history) for history in actions]
        returns, ended = np.zeros(self.count), np.zeros(self.count, np.bool_)
        obs = self.reset(seeds)
        for time in range(longest + 1):
            beginning = [lane for lane in range(self.count) if start[lane] == time]
            if time > 0 and beginning:
                obs = self.restart(obs, beginning, [seeds[lane] for lane in beginning])
            if time == longest:
                break
            now = np.zeros((self.count, self.action.size), np.float32)
            running = np.array([first <= time for first in start])
            for lane in np.flatnonzero(running).tolist():
                now[lane] = actions[lane][time - start[lane]]
            moved = self.step(now)
            obs = moved.next_obs
            returns += np.where(running, moved.reward, 0.0)
            if moved.ended:
                ended |= running & (moved.terminated | moved.truncated)
                obs = self.restart(obs, moved.ended, [seeds[lane] for lane in moved.ended])
        return Replayed(obs, returns, ended)


class SelfResettingFleet(VectorFleet):
    """A vector environment that resets by itself, from a random stream that continues over episodes.

    Only the first episode of each lane has a seed of its own, so no later episode can be restored.
    """

    def __init__(self, env: AnyVectorEnv) -> None:
        super().__init__(env, reproducible=False)

    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """Raise an error: `reproducible` is false."""
        raise NotImplementedError("a vector environment that resets by itself cannot replay an episode")


@final
class SameStepFleet(SelfResettingFleet):
    """Resets within the step that ends an episode; the final observation is in the info dict."""

    def __init__(self, env: AnyVectorEnv) -> None:
        super().__init__(env)
        self._reset_obs: Packed = {}

    def step(self, actions: NDArray[Any]) -> Moved:
        """Take one action in every lane; `next_obs` holds the final observations of the episodes that ended."""
        moved, info = self._advance(actions)
        self._reset_obs = moved.next_obs
        if moved.ended:
            finals = info.get("final_obs")
            if finals is None:
                raise UserError(
                    "vector environment: expected info['final_obs'] where an episode ended, as the autoreset mode "
                    f"SAME_STEP promises, got the keys {sorted(info)}; use another mode."
                )
            moved.next_obs = {part: rows.copy() for part, rows in self._reset_obs.items()}
            for lane in moved.ended:
                # Gymnasium returns an object array with one observation for each lane, others a batch.
                final_obs = {key: rows[lane] for key, rows in finals.items()} if _is_dict(finals) else finals[lane]
                try:
                    packed = self.observation.pack_one(final_obs)
                except UserError as error:
                    raise InvalidData(f"final {error}", lane) from error
                for part, row in packed.items():
                    moved.next_obs[part][lane] = row
        return moved

    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """Return the first observations of the new episodes, which the step returned."""
        return self._first(self._reset_obs, lanes)


@final
class NextStepFleet(SelfResettingFleet):
    """Resets in the step after the one that ends an episode; that step is no transition."""

    def __init__(self, env: AnyVectorEnv) -> None:
        super().__init__(env)
        self._resetting = np.zeros(self.count, np.bool_)

    def reset(self, seeds: Sequence[int]) -> Packed:
        """Start an episode in every lane; no lane has a reset pending afterwards."""
        self._resetting[:] = False
        return super().reset(seeds)

    def step(self, actions: NDArray[Any]) -> Moved:
        """Take one action in every lane, except in those that this step resets."""
        moved, _ = self._advance(actions)
        if self._resetting.any():
            self._first(moved.next_obs, np.flatnonzero(self._resetting).tolist())
        moved.live = ~self._resetting
        moved.reward[self._resetting] = 0.0
        self._resetting = moved.terminated | moved.truncated
        return moved

    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """Return `obs`: until the reset in the next step there is only the final observation."""
        return obs


def seeds_each_lane(env: AnyVectorEnv) -> bool:
    """Return whether `reset` takes a seed for each lane: Gymnasium's own two do, others may have one random stream."""
    return isinstance(env.unwrapped, SyncVectorEnv | AsyncVectorEnv)


def _successes(info: Any, ended: Sequence[int]) -> dict[int, bool]:
    """Return `is_success` of the lanes that ended, as Gymnasium's vector environments collect it, where it is there."""
    final = info.get("final_info", info) if isinstance(info, dict) else {}
    values = final.get("is_success") if isinstance(final, dict) else None
    success: dict[int, bool] = {}
    if values is not None:
        there = final.get("_is_success", np.ones(len(values), np.bool_))
        for lane in ended:
            if there[lane]:
                note_success(success, lane, {"is_success": values[lane]})
    return success


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _numbers(rewards: Any, count: int) -> NDArray[np.float64]:
    """Return the rewards of a step as a new array [L]."""
    array = np.asarray(rewards)
    if array.dtype.kind not in "biuf" or array.shape != (count,):
        raise InvalidData(f"expected {count} numbers as rewards, got {array.dtype} of shape {array.shape}.")
    return array.astype(np.float64)


def _flags(values: Any, name: str, count: int) -> NDArray[np.bool_]:
    """Return the terminations or truncations of a step as a new array [L]."""
    array = np.asarray(values)
    if array.shape == (count,):
        if array.dtype.kind == "b":
            return array.copy()
        if array.dtype.kind in "iu" and bool(((array == 0) | (array == 1)).all()):
            return array.astype(np.bool_)
    raise InvalidData(f"expected {count} booleans as {name}, got {array.dtype} of shape {array.shape}.")
