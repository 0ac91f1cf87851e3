"""Hindsight experience replay (Andrychowicz et al. 2017, 1707.01495), strategy "future" (§4.5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.replay.layout import FINAL
from maxent.replay.rows import Replay
from maxent.replay.samplers import Sample, Sampler
from maxent.spaces import Leaf, ObservationLayout

Rule = Callable[[Any, Any, Any], Any]
"""Maps an achieved goal, a desired goal and an info dict, or arrays of them, to a result for each."""


@final
@dataclass(frozen=True)
class GoalRules:
    """`compute_reward` and `compute_terminated` of an environment, with the signatures of gymnasium-robotics' GoalEnv.

    Args:
        reward: the reward of a step that leads to the achieved goal, given the desired one.
        terminated: whether that step terminates the episode; None if the environment has no such function.
    """

    reward: Rule
    terminated: Rule | None = None


@final
class Hindsight(Sampler):
    """Samples uniform transitions and replaces the goals of a share of them by goals that their episode reached later.

    The first K = ⌊ratio · B + ½⌋ transitions of a batch, which are as random as the others, get as their goal g the
    achieved goal of a row drawn uniformly from the later rows of their episode: from the next row to the final
    observation, or to the newest row of an unfinished episode. From row t, for each step k < n of an n-step return,

        rewards_k = compute_reward(achieved_{t+k+1}, g)          terminal_k = compute_terminated(achieved_{t+k+1}, g).

    Without `compute_terminated` the stored terminations remain. `Gather` replaces the goal in both observations, the
    rewards and the terminations.

    Args:
        replay: the rows to sample from.
        batch_size: B.
        streams: member p draws from streams[p] alone.
        observation: the layout of the observations, which locates the goals in a row.
        rules: the environment's functions of goals.
        ratio: the share of the batch; 0.8 is the paper's k = 4 hindsight goals for each original one.
        n_step: n.
    """

    bytes_per_row: ClassVar[int] = 4

    def __init__(
        self,
        replay: Replay,
        batch_size: int,
        streams: Sequence[np.random.Generator],
        *,
        observation: ObservationLayout,
        rules: GoalRules,
        ratio: float,
        n_step: int = 1,
    ) -> None:
        self.replay, self.batch_size, self.streams = replay, batch_size, streams
        self.rules, self.n_step = rules, n_step
        self.relabelled = int(ratio * batch_size + 0.5)  # K
        self._achieved, self._desired = goal_leaves(observation)
        rows = replay.members * replay.capacity
        columns = {name: column.numpy().reshape(rows, -1) for name, column in replay.columns.items()}
        self._goals: NDArray[Any] = columns["byte" if self._desired.part == "byte" else "row"]
        self._reward: NDArray[np.float32] = columns["row"][:, -1]
        self._kind: NDArray[np.uint8] = columns["kind"][:, 0]
        self._later = np.zeros(rows, np.int32)  # later rows of its episode; 0 while it is unfinished
        self._seen = np.zeros_like(replay.written)  # [L] rows of each lane that `_later` covers
        self._begin = np.zeros_like(replay.written)  # [L] position at which the current episode began
        self._checked = False

    def sample(self, progress: float) -> Sample:
        """Sample uniform rows; for the first K return "goal" [P, K, G], "rewards" and "terminal" [P, K, n]."""
        rows = self.replay.sample(self.batch_size, self.streams)
        if not self.relabelled:
            return Sample(rows, {})
        self._add_new_rows()
        first = np.arange(self.replay.members)[:, np.newaxis] * self.replay.capacity
        return Sample(rows, self._relabel(rows[:, : self.relabelled] + first))

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Clear the index of episodes; the next sample builds it again from the kinds of the rows."""
        for array in (self._later, self._seen, self._begin):
            array.fill(0)

    def _relabel(self, start: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return goals, rewards and terminations for the transitions that start at these rows of all members [P, K]."""
        replay = self.replay
        lane, first = np.divmod(start, replay.ring)
        unfinished = (replay.written[lane] - first) % replay.ring
        later = np.where(self._later[start] > 0, self._later[start], unfinished)  # [P, K], at least 1
        ahead = [stream.integers(1, most, endpoint=True) for stream, most in zip(self.streams, later, strict=True)]
        goal = self._read(self._achieved, replay.place(lane, first + np.stack(ahead)))  # [P, K, G]
        steps = np.minimum(np.arange(1, self.n_step + 1), later[..., np.newaxis])  # [P, K, n], within the episode
        at = replay.place(lane[..., np.newaxis], first[..., np.newaxis] + steps)
        if not self._checked:
            self._check_rewards(start, at[..., 0])
            self._checked = True
        achieved = self._read(self._achieved, at)  # [P, K, n, G]
        desired = np.broadcast_to(goal[..., np.newaxis, :], achieved.shape)
        rewards = self._evaluate("compute_reward", self.rules.reward, achieved, desired)
        extras = {"goal": goal, "rewards": rewards.astype(np.float32)}
        if self.rules.terminated is not None:
            terminal = self._evaluate("compute_terminated", self.rules.terminated, achieved, desired)
            extras["terminal"] = terminal.astype(np.bool_)
        return extras

    def _read(self, leaf: Leaf, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the goals of one entry in these rows, [..., G]."""
        return np.ascontiguousarray(self._goals[rows, leaf.columns])

    def _evaluate(self, name: str, rule: Rule, achieved: NDArray[Any], desired: NDArray[Any]) -> NDArray[Any]:
        """Return the results of a rule for pairs of goals.   [..., G], [..., G] → [...]

        The rule is called once with all pairs and as many empty info dicts; if that fails or returns a single number,
        it is called for each pair.
        """
        shape = achieved.shape[:-1]
        achieved, desired = (goals.reshape(-1, *self._desired.shape) for goals in (achieved, desired))
        infos: list[dict[str, Any]] = [{}] * len(achieved)
        try:
            result = np.asarray(rule(achieved, desired, infos))
        except (ValueError, TypeError, AttributeError, KeyError, IndexError):
            result = np.empty(())
        if result.ndim == 0:
            try:
                result = np.array([rule(*one) for one in zip(achieved, desired, infos, strict=True)])
            except KeyError as error:
                raise UserError(
                    f"{name}: hindsight expects a function of two goals, got one that reads info[{error}]; include "
                    "this value in the achieved goal."
                ) from error
        if result.size != len(infos):
            raise UserError(
                f"{name}: expected {len(infos)} results for two arrays of {len(infos)} goals, got an array of shape "
                f"{result.shape}; compute over leading axes, as gymnasium-robotics does."
            )
        return result.reshape(shape)

    def _check_rewards(self, start: NDArray[np.int64], following: NDArray[np.int64]) -> None:
        """Raise UserError if stored rewards differ from `compute_reward`.

        Goals are stored as float32, so up to 1 % may differ, at the edge of a goal.
        """
        earned = self._reward[start]
        achieved, desired = self._read(self._achieved, following), self._read(self._desired, following)
        computed = self._evaluate("compute_reward", self.rules.reward, achieved, desired)
        wrong = ~np.isclose(computed, earned, rtol=1e-3, atol=1e-3 * np.abs(earned).max())
        if wrong.mean() > 0.01:
            raise UserError(
                "replay: hindsight expects each reward to equal compute_reward(achieved_goal, desired_goal, info) of "
                f"the next observation, got {earned[wrong][0]:g} where compute_reward returns {computed[wrong][0]:g} "
                f"({wrong.mean():.0%} of {wrong.size} differ); a wrapper that changes rewards has to change both."
            )

    def _add_new_rows(self) -> None:
        """Index the episodes that ended in the rows completed since the last sample."""
        replay = self.replay
        if np.array_equal(self._seen, replay.written):
            return
        lane, position = replay.completed_since(self._seen)
        rows = replay.place(lane, position)
        self._later[rows] = 0
        self._later[replay.place(np.arange(len(replay.written)), replay.written)] = 0
        for k in np.flatnonzero(self._kind[rows] == FINAL).tolist():
            own, end = lane[k], position[k]
            begin = max(self._begin[own], replay.written[own] - replay.ring + 1)  # earlier rows are overwritten
            episode = np.arange(begin, end)
            self._later[replay.place(own, episode)] = end - episode
            self._begin[own] = end + 1
        self._seen = replay.written.copy()


def goal_leaves(observation: ObservationLayout) -> tuple[Leaf, Leaf]:
    """Return the entries of the achieved and the desired goal; raise UserError if an observation lacks them."""
    leaves = {leaf.name: leaf for leaf in observation.leaves}
    achieved, desired = leaves.get("achieved_goal"), leaves.get("desired_goal")
    if achieved is None or desired is None:
        known = ", ".join(repr(name) for name in leaves if name) or "a single array"
        raise UserError(
            "replay: hindsight expects observations that are a dict with the entries 'achieved_goal' and "
            f"'desired_goal', as in maxent/PointReach-v0 or gymnasium-robotics, got {known}; use replay uniform."
        )
    if (achieved.kind, achieved.shape) != (desired.kind, desired.shape) or desired.kind == "discrete":
        raise UserError(
            "replay: hindsight expects 'achieved_goal' and 'desired_goal' to be Boxes of one shape and type, got "
            f"{achieved.kind} {achieved.shape} and {desired.kind} {desired.shape}; wrap the environment."
        )
    return achieved, desired
