"""Gymnasium vector environments under all three autoreset modes.

When an episode ends, a vector environment may leave the reset to the caller (DISABLED), do it within the same step
(SAME_STEP: the final observation moves into `info["final_obs"]`), or do it in the next step (NEXT_STEP: that step
ignores its action and is no transition). Here each mode is one class, and all of them give the true final observation.
"""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from maxent.envs.fleet import Fleet, Moved, Replayed, with_rows
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout, Packed

AnyVectorEnv = VectorEnv[Any, Any, Any]


def adopt(env: AnyVectorEnv) -> Fleet:
    """The fleet for a vector environment of the user, by its autoreset mode; it stays the user's to close."""
    mode = env.metadata.get("autoreset_mode")
    if mode is None:
        raise UserError(
            "vector environment: expected metadata['autoreset_mode'] to say how it resets, got none; "
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
    """What the three modes share."""

    def __init__(self, env: AnyVectorEnv, *, reproducible: bool) -> None:
        observation = ObservationLayout.from_space(env.single_observation_space)
        action = ActionLayout.from_space(env.single_action_space)
        super().__init__(env.num_envs, observation, action, reproducible=reproducible)
        self._env = env
        self._live = np.ones(self.count, np.bool_)

    def reset(self, seeds: Sequence[int]) -> Packed:
        """Starts an episode in every lane; an environment with one stream for all lanes takes the first seed only."""
        # The base class promises one int only, but Gymnasium's own two take a seed for each lane.
        seed: Any = list(seeds) if seeds_each_lane(self._env) else seeds[0]
        observations, _ = self._env.reset(seed=seed)
        return self._pack(observations)

    def close(self) -> None:
        """Leaves the vector environment open: whoever made it closes it."""

    def _pack(self, observations: Any) -> Packed:
        return self.observation.pack(observations, self.count)

    def _advance(self, actions: NDArray[Any]) -> tuple[Any, Moved]:
        """One step as the vector environment gives it: its observations, and the rest with `next_obs` left empty."""
        observations, rewards, terminations, truncations, info = self._env.step(self.action.to_env(actions))
        terminated, truncated = np.array(terminations, np.bool_), np.array(truncations, np.bool_)
        ended = np.flatnonzero(terminated | truncated).tolist()
        moved = Moved({}, np.array(rewards, np.float64), terminated, truncated, self._live.copy(), ended, lambda: info)
        return observations, moved


@final
class DisabledFleet(VectorFleet):
    """A vector environment that leaves resets to us, so that every episode gets its own seed.

    Args:
        env: the vector environment.
        close: closes it; None if that is not for us to do.
    """

    def __init__(self, env: AnyVectorEnv, close: Callable[[], None] | None = None) -> None:
        super().__init__(env, reproducible=seeds_each_lane(env))
        self._close = close

    def close(self) -> None:
        """Closes the vector environment if it is ours."""
        if self._close is not None:
            self._close()

    def step(self, actions: NDArray[Any]) -> Moved:
        """Takes one action in every lane; all of them are live."""
        observations, moved = self._advance(actions)
        moved.next_obs = self._pack(observations)
        return moved

    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """Resets the given lanes, each with its seed."""
        chosen = np.zeros(self.count, np.bool_)
        chosen[list(lanes)] = True
        by_lane = dict(zip(lanes, seeds, strict=True))
        seed: Any = [by_lane.get(lane) for lane in range(self.count)] if seeds_each_lane(self._env) else None
        observations, _ = self._env.reset(seed=seed, options={"reset_mask": chosen})
        return with_rows(obs, lanes, self._pack(observations))

    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """All lanes step together, so the shorter histories start later and all arrive at the same time.

        A lane that waits for its start is stepped with idle actions, and reset again whenever that ends an episode.
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
    """A vector environment that resets by itself, from random streams that an episode inherits from the one before.

    Only the seeds of the first episodes are ours, so no later episode can be brought back.
    """

    def __init__(self, env: AnyVectorEnv) -> None:
        super().__init__(env, reproducible=False)

    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """Never called: `reproducible` is false."""
        raise NotImplementedError("a vector environment that resets by itself cannot replay an episode")


@final
class SameStepFleet(SelfResettingFleet):
    """Resets within the step that ends an episode; the final observation comes in the info dict."""

    def __init__(self, env: AnyVectorEnv) -> None:
        super().__init__(env)
        self._reset_obs: Packed = {}

    def step(self, actions: NDArray[Any]) -> Moved:
        """Takes one action in every lane and puts the final observations back where they belong."""
        observations, moved = self._advance(actions)
        moved.next_obs = self._reset_obs = self._pack(observations)
        if moved.ended:
            finals = moved.info().get("final_obs")
            if finals is None:
                raise UserError(
                    "vector environment: expected info['final_obs'] where an episode ended, as the autoreset mode "
                    f"SAME_STEP promises, got the keys {sorted(moved.info())}; use another mode."
                )
            moved.next_obs = {part: rows.copy() for part, rows in self._reset_obs.items()}
            for lane in moved.ended:
                # Gymnasium gives an object array with one observation for each lane, others a batch.
                final_obs = {key: rows[lane] for key, rows in finals.items()} if _is_dict(finals) else finals[lane]
                for part, row in self.observation.pack_one(final_obs).items():
                    moved.next_obs[part][lane] = row
        return moved

    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """The reset has happened in the step: its observations."""
        return self._reset_obs


@final
class NextStepFleet(SelfResettingFleet):
    """Resets in the step after the one that ends an episode; that step is no transition."""

    def __init__(self, env: AnyVectorEnv) -> None:
        super().__init__(env)
        self._resetting = np.zeros(self.count, np.bool_)

    def reset(self, seeds: Sequence[int]) -> Packed:
        """Starts an episode in every lane; none of them waits for its reset any more."""
        self._resetting[:] = False
        return super().reset(seeds)

    def step(self, actions: NDArray[Any]) -> Moved:
        """Takes one action in every lane, except in those that this step resets."""
        observations, moved = self._advance(actions)
        moved.next_obs = self._pack(observations)
        moved.live = ~self._resetting
        moved.reward[self._resetting] = 0.0
        self._resetting = moved.terminated | moved.truncated
        return moved

    def restart(self, obs: Packed, lanes: Sequence[int], seeds: Sequence[int]) -> Packed:
        """The reset is still to come: until then there is only the final observation."""
        return obs


def seeds_each_lane(env: AnyVectorEnv) -> bool:
    """Whether `reset` takes a seed for each lane: Gymnasium's own two do, others have one random stream for all."""
    return isinstance(env.unwrapped, SyncVectorEnv | AsyncVectorEnv)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)
