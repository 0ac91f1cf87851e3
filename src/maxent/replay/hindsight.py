"""Hindsight experience replay (Andrychowicz et al. 2017, arXiv 1707.01495), strategy "future" (§4.5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.replay.rows import FINAL, Replay
from maxent.replay.samplers import Sample
from maxent.spaces import Leaf, ObservationLayout

Rule = Callable[[Any, Any, Any], Any]
"""What an environment answers for an achieved goal, a desired goal and an info dict, or for arrays of goals."""


@final
@dataclass(frozen=True)
class GoalRules:
    """`compute_reward` and `compute_terminated` of an environment, as gymnasium-robotics' GoalEnv has them.

    Args:
        reward: what a step earns that leads to the achieved goal while the other is desired.
        terminated: whether it ends the episode; None where the environment does not say.
    """

    reward: Rule
    terminated: Rule | None = None


@final
class Hindsight:
    """Uniform transitions, a share of which pretend that what their episode reached later had been its goal.

    The first K = ⌊ratio · B + ½⌋ of a batch, which are as random as the others, take as their goal g the achieved goal
    of a row drawn uniformly from the later ones of their episode: from the next row to its final observation, or to
    the newest row of an episode that is under way. From row t, for the n steps k < n that a transition may span,

        rewards_k = compute_reward(achieved_{t+k+1}, g)          terminal_k = compute_terminated(achieved_{t+k+1}, g).

    Without `compute_terminated` an episode terminates where it did. `Gather` puts g into both observations, and these
    two in the place of what was stored.

    Args:
        replay: whose transitions they are.
        batch_size: B.
        streams: member p draws from streams[p] alone.
        observation: where the goals lie in a row.
        rules: what the environment says of goals.
        ratio: the share of the batch; 0.8 is the paper's k = 4 goals in hindsight for each original one.
        n_step: n.
    """

    learns_errors = False

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
        self._later = np.zeros(rows, np.int32)  # rows after this one in its episode; 0 while that is under way
        self._seen = np.zeros_like(replay.written)  # [L] how many rows of each lane `_later` knows
        self._begin = np.zeros_like(replay.written)  # [L] the position at which its present episode began
        self._compared = False

    def sample(self, progress: float) -> Sample:
        """Uniform rows; of the first K "goal" [P, K, G], "rewards" [P, K, n], and "terminal" [P, K, n] if known."""
        rows = self.replay.sample(self.batch_size, self.streams)
        if not self.relabelled:
            return Sample(rows, {})
        self._notice()
        first = np.arange(self.replay.members)[:, np.newaxis] * self.replay.capacity
        return Sample(rows, self._relabel(rows[:, : self.relabelled] + first))

    def learned(self, rows: NDArray[np.int64], error: NDArray[np.float32]) -> None:
        """Nothing."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Nothing: the kinds of the rows say where episodes end."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Forget what was known of the rows, to read it off them at the next sample."""
        for known in (self._later, self._seen, self._begin):
            known.fill(0)

    def _relabel(self, start: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Goals, and what follows from them, for the transitions from these rows of all members, [P, K]."""
        replay = self.replay
        lane, first = np.divmod(start, replay.ring)
        under_way = (replay.written[lane] - first) % replay.ring
        later = np.where(self._later[start] > 0, self._later[start], under_way)  # [P, K], at least 1
        ahead = [stream.integers(1, most, endpoint=True) for stream, most in zip(self.streams, later, strict=True)]
        goal = self._read(self._achieved, replay.place(lane, first + np.stack(ahead)))  # [P, K, G]
        steps = np.minimum(np.arange(1, self.n_step + 1), later[..., np.newaxis])  # [P, K, n], within the episode
        at = replay.place(lane[..., np.newaxis], first[..., np.newaxis] + steps)
        if not self._compared:
            self._compare(start, at[..., 0])
            self._compared = True
        achieved = self._read(self._achieved, at)  # [P, K, n, G]
        desired = np.broadcast_to(goal[..., np.newaxis, :], achieved.shape)
        rewards = self._ask("compute_reward", self.rules.reward, achieved, desired)
        beside = {"goal": goal, "rewards": rewards.astype(np.float32)}
        if self.rules.terminated is not None:
            terminal = self._ask("compute_terminated", self.rules.terminated, achieved, desired)
            beside["terminal"] = terminal.astype(np.bool_)
        return beside

    def _read(self, leaf: Leaf, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The goals of this name in these rows, [..., G]."""
        return np.ascontiguousarray(self._goals[rows, leaf.columns])

    def _ask(self, name: str, rule: Rule, achieved: NDArray[Any], desired: NDArray[Any]) -> NDArray[Any]:
        """What the environment answers for pairs of goals.   [..., G], [..., G] → [...]

        It gets all of them at once with as many empty info dicts; if it answers with a single number, or cannot, each
        pair by itself.
        """
        shape = achieved.shape[:-1]
        achieved, desired = (goals.reshape(-1, *self._desired.shape) for goals in (achieved, desired))
        infos: list[dict[str, Any]] = [{}] * len(achieved)
        try:
            answer = np.asarray(rule(achieved, desired, infos))
        except (ValueError, TypeError, AttributeError, KeyError, IndexError):
            answer = np.empty(())
        if answer.ndim == 0:
            try:
                answer = np.array([rule(*one) for one in zip(achieved, desired, infos, strict=True)])
            except KeyError as error:
                raise UserError(
                    f"{name}: hindsight expects a function of two goals, got one that reads info[{error}]; keep what "
                    "it needs in the achieved goal."
                ) from error
        if answer.size != len(infos):
            raise UserError(
                f"{name}: expected {len(infos)} answers for two arrays of as many goals, got an array of shape "
                f"{answer.shape}; let it compute over leading axes, as gymnasium-robotics does."
            )
        return answer.reshape(shape)

    def _compare(self, start: NDArray[np.int64], following: NDArray[np.int64]) -> None:
        """Refuse an environment whose steps earn something else than its `compute_reward` says.

        Goals are stored as float32, so a rare disagreement at the edge of a goal means nothing.
        """
        earned = self._reward[start]
        achieved, desired = self._read(self._achieved, following), self._read(self._desired, following)
        computed = self._ask("compute_reward", self.rules.reward, achieved, desired)
        wrong = ~np.isclose(computed, earned, rtol=1e-3, atol=1e-3 * np.abs(earned).max())
        if wrong.mean() > 0.01:
            raise UserError(
                "replay: hindsight expects that a step earns compute_reward(achieved_goal, desired_goal, info) of the "
                f"observation it leads to, got {earned[wrong][0]:g} where compute_reward says {computed[wrong][0]:g} "
                f"({wrong.mean():.0%} of {wrong.size} differ); a wrapper that changes rewards has to change both."
            )

    def _notice(self) -> None:
        """Learn from the rows that were completed since the last sample where episodes ended."""
        replay = self.replay
        if np.array_equal(self._seen, replay.written):
            return
        lane, position = replay.completed_since(self._seen)
        rows = replay.place(lane, position)
        self._later[rows] = 0
        self._later[replay.place(np.arange(len(replay.written)), replay.written)] = 0
        for k in np.flatnonzero(self._kind[rows] == FINAL).tolist():
            own, end = lane[k], position[k]
            begin = max(self._begin[own], replay.written[own] - replay.ring + 1)  # what is before it is written over
            episode = np.arange(begin, end)
            self._later[replay.place(own, episode)] = end - episode
            self._begin[own] = end + 1
        self._seen = replay.written.copy()


def goal_leaves(observation: ObservationLayout) -> tuple[Leaf, Leaf]:
    """Where the achieved and the desired goal lie; raises `UserError` where an observation has no such entries."""
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
            "replay: hindsight expects 'achieved_goal' and 'desired_goal' to be Boxes alike, got "
            f"{achieved.kind} {achieved.shape} and {desired.kind} {desired.shape}; wrap the environment."
        )
    return achieved, desired
