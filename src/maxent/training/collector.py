"""The collector: acts, steps every environment of a run, and stores what happened."""

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray

from maxent.engine.learner import Learner
from maxent.engine.streams import Streams
from maxent.envs.failures import Failure, lanes_of
from maxent.envs.lanes import Lanes
from maxent.envs.step import Episode, LaneState, Step
from maxent.errors import UserError
from maxent.replay import Replay
from maxent.spaces import Packed
from maxent.stateful import Saved
from maxent.training.acting_noise import acting_noise
from maxent.training.guard import Guard
from maxent.training.schedule import Schedule


class Collected(NamedTuple):
    """One step of every environment: how many were transitions, the episodes that ended, and those that failed."""

    transitions: int
    episodes: Sequence[Episode]
    failures: Sequence[Failure]


@final
class Collector:
    """Acts in the lanes of a run and puts every step into its replay.

    Args:
        lanes: the environments.
        replay: where their steps go.
        learner: whose policy acts.
        streams: random numbers of acting.
        schedule: how long actions are random.
        guard: puts members back whose actions are not finite.
    """

    def __init__(
        self, lanes: Lanes, replay: Replay, learner: Learner, streams: Streams, schedule: Schedule, guard: Guard
    ) -> None:
        self.lanes, self.replay, self.learner, self.streams, self.schedule = lanes, replay, learner, streams, schedule
        self.guard = guard
        self.fresh: tuple[int, ...] = ()
        """The lanes whose episode `restore` could not restore."""
        members, envs = learner.members, schedule.envs
        self._obs: Packed | None = None
        self._unfinished = False  # whether an exception came between a step of the environments and the replay
        self.pending: NDArray[np.float32] | None = None
        """The actions [P, N, A] of a step that was given up after a signal: the next step takes them."""
        self.stepping = False
        """Whether the environments have not ended the step under way."""
        self._held = np.zeros((members, envs, lanes.action.size), np.float32)  # the last random action
        self.noise = acting_noise(learner.algorithm.exploration, (members, envs, learner.algorithm.act_noise))
        self._returns = np.zeros((members, envs))  # discounted, of the episodes under way

    def begin(self) -> None:
        """Reset the environments at the start, and after a step that an exception kept from the replay."""
        # every step may end an episode, and a run that was interrupted may add a final observation
        self.replay.reserve(int(self.replay.written.max()) + 2 * self.schedule.run.steps // self.schedule.envs + 4)
        if self._obs is None:
            self._obs = self.lanes.reset()
            self.replay.begin(self._obs)
            self.learner.watch(self._obs)
        elif self._unfinished:
            self.pending, self.stepping = None, False
            self._obs = self.lanes.reset()
            self.replay.end_episode(np.arange(self.lanes.count), self._obs)
            self._returns[:] = 0.0
        self._unfinished = False

    def remarks(self) -> list[str]:
        """Return sentences about the present observations that the user should know before training."""
        assert self._obs is not None
        images = () if self.learner.config.norm_obs else self.lanes.observation.unscaled_images(self._obs)
        return [
            f"{label}: pixels of floats go into the networks as they are, here up to "
            f"{np.abs(self._obs['float']).max():g}; make the space uint8, whose values are divided by 255, or set "
            "norm_obs"
            for label in images
        ]

    def step(self, number: int) -> Collected:
        """Take one step in every environment, the members having made `number` steps so far."""
        assert self._obs is not None
        self._unfinished = True
        self.pending = self._action(number) if self.pending is None else self.pending
        action = self.pending.reshape(self.lanes.count, -1)
        self.stepping = True
        step = self.lanes.step(action)
        self.stepping, self.pending = False, None
        if self.schedule.rollout and not step.live.all() and not step.failures:
            raise UserError(
                "environment: an on-policy algorithm needs equally many steps of all environments, and this vector "
                "environment spends some on resets; make it with autoreset_mode=AutoresetMode.SAME_STEP."
            )
        self.replay.add(action, step.reward, step.terminated, step.truncated, step.next_obs, step.obs, step.live)
        self._obs = step.obs
        if self.learner.keeps_statistics:
            self._watch(step)
        self._unfinished = False
        return Collected(int(step.live.sum()), step.episodes, step.failures)

    def _action(self, number: int) -> NDArray[np.float32]:
        """Return actions [P, N, A]: random until learning starts, then the policy's, to explore."""
        if number < self.schedule.learning_starts:
            return self._random(number)
        assert self._obs is not None
        members, envs = self._held.shape[:2]
        noise = self.noise(self.streams.acting)
        obs = {part: array.reshape(members, envs, -1) for part, array in self._obs.items()}
        action = self.learner.act(obs, noise, number)
        if not np.isfinite(action).all():  # before the environment is blamed for what it makes of them
            wrong = np.flatnonzero(~np.isfinite(action).reshape(members, -1).all(1)).tolist()
            self.guard.recover(number, {member: ["actions not finite"] for member in wrong})
            action = self.learner.act(obs, noise, number)
            if not np.isfinite(action).all():
                raise UserError(
                    f"Actions are not finite at step {number:,}, with the last good parameters too: check the "
                    "observations of the environment."
                )
        return action

    def _random(self, number: int) -> NDArray[np.float32]:
        """Return uniform actions [P, N, A]; each is held for `random_hold` steps."""
        if (number // self.schedule.envs) % self.schedule.random_hold:
            return self._held
        action, shape = self.lanes.action, self._held.shape[1:]
        if action.kind == "discrete":
            draws = [stream.integers(0, action.count, shape).astype(np.float32) for stream in self.streams.acting]
        else:
            draws = [stream.uniform(-1.0, 1.0, shape).astype(np.float32) for stream in self.streams.acting]
        self._held = np.stack(draws)
        return self._held

    def _watch(self, step: Step) -> None:
        """Add a step to the learner's running statistics: observations to act on, and returns of transitions."""
        config, ended = self.learner.config, step.terminated | step.truncated
        self._returns = config.gamma * self._returns + config.reward_scale * step.reward.reshape(self._returns.shape)
        # under NEXT_STEP the final observation comes where other modes return the first one of the next episode
        acting = ~ended if step.obs is step.next_obs else np.ones_like(ended)
        self.learner.watch(step.obs, self._returns, acting=acting, live=step.live)
        ended[lanes_of(step.failures)] = True
        self._returns[ended.reshape(self._returns.shape)] = 0.0

    def state(self) -> Saved:
        """Return the episodes under way, the present observations, and the random action that is held."""
        lanes = self.lanes.state()
        tensors = {f"lanes/{name}": torch.from_numpy(array) for name, array in lanes.tensors.items()}
        tensors |= {"held": torch.from_numpy(self._held), "returns": torch.from_numpy(self._returns)}
        tensors |= {f"noise/{name}": torch.from_numpy(array) for name, array in self.noise.state().items()}
        pending = np.zeros_like(self._held) if self.pending is None else self.pending
        tensors["pending"] = torch.from_numpy(pending)
        if self._obs is not None:
            tensors |= {f"obs/{part}": torch.from_numpy(array) for part, array in self._obs.items()}
        plain = {"started": self._obs is not None, "pending": self.pending is not None, "lanes": lanes.json}
        return Saved(plain, tensors)

    def restore(self, saved: Saved) -> None:
        """Restore the current episodes; the replay has its rows already. `fresh` are the lanes that start anew."""
        tensors = {name: tensor.numpy() for name, tensor in saved.tensors.items()}
        self._held, self._returns, self.fresh = tensors["held"], tensors["returns"], ()
        self.pending = tensors["pending"] if saved.plain["pending"] else None
        noise = {name.removeprefix("noise/"): array for name, array in tensors.items() if name.startswith("noise/")}
        self.noise.restore(noise)
        if not saved.plain["started"]:
            return
        obs = {name.removeprefix("obs/"): array for name, array in tensors.items() if name.startswith("obs/")}
        lanes = {name.removeprefix("lanes/"): array for name, array in tensors.items() if name.startswith("lanes/")}
        report = self.lanes.restore(LaneState(saved.plain["lanes"], lanes), obs)
        self.replay.begin(obs)
        if report.fresh:
            fresh = np.array(report.fresh)
            self.replay.end_episode(fresh, {part: array[fresh] for part, array in report.obs.items()})
            self._returns.reshape(-1)[fresh] = 0.0
        self._obs, self.fresh = report.obs, tuple(report.fresh)
