"""What a run measures: its records, and the window of finished episodes that they summarise."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from maxent.algorithms.base import Algorithm

LEADING_TAGS = ("rollout/ep_rew_mean", "rollout/ep_len_mean", "eval/mean_reward", "eval/mean_ep_length")
"""What every run reports of its members, named as Stable-Baselines3 names it in TensorBoard."""

RUN_TAGS = (
    "train/n_updates",
    "time/fps",
    "time/updates_per_second",
    "time/time_elapsed",
    "time/total_timesteps",
)
"""What every run reports of itself."""

SHARED_TAGS = frozenset({"rollout/exploration_rate", *RUN_TAGS})
"""The tags that belong to the run and not to a member: members train in lockstep, so all entries are equal."""


def tags_of(algorithm: Algorithm) -> tuple[str, ...]:
    """Every tag a record of a run of this algorithm may hold, in the order of the columns of metrics.csv."""
    return (*LEADING_TAGS, *algorithm.metrics, *algorithm.scheduled(0), *RUN_TAGS)


EPISODES = 100
"""Finished episodes per member that a training return averages over, as in Stable-Baselines3."""


@dataclass(frozen=True)
class Record:
    """One row of a run's metrics: `values[tag]` is a float64 array [P], NaN where a member's value is not known yet."""

    step: int  # environment steps per member
    values: dict[str, np.ndarray]

    def mean(self, tag: str) -> float:
        """The mean of a tag over all members; NaN unless every member's value is known."""
        return float(self.values[tag].mean()) if tag in self.values else float("nan")


@final
class MetricWindow:
    """The last `EPISODES` finished episodes of each member.

    Its state is kept exactly, so a resumed run writes the rows that an uninterrupted one writes, bit for bit.
    """

    def __init__(self, members: int) -> None:
        self.members = members
        self._returns = [deque[float](maxlen=EPISODES) for _ in range(members)]
        self._lengths = [deque[int](maxlen=EPISODES) for _ in range(members)]

    def add_episode(self, member: int, ret: float, length: int) -> None:
        """Count one finished episode of a member: its sum of raw rewards and its number of steps."""
        self._returns[member].append(float(ret))
        self._lengths[member].append(int(length))

    def returns(self) -> np.ndarray:
        """The mean return of each member [P]; NaN for a member that has finished no episode."""
        return _means(self._returns)

    def summarise(self) -> dict[str, np.ndarray]:
        """The rollout tags of a record; the episodes stay in the window."""
        return {"rollout/ep_rew_mean": self.returns(), "rollout/ep_len_mean": _means(self._lengths)}

    def state(self) -> dict[str, np.ndarray]:
        """Everything that later summaries depend on, as arrays that a safetensors file holds exactly."""
        episodes = np.array([len(member) for member in self._returns], dtype=np.int64)  # [P]
        returns = np.full((self.members, EPISODES), np.nan)
        lengths = np.zeros((self.members, EPISODES), dtype=np.int64)
        for member, count in enumerate(episodes):
            returns[member, :count] = self._returns[member]
            lengths[member, :count] = self._lengths[member]
        return {"episodes": episodes, "returns": returns, "lengths": lengths}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned; what this window held is dropped."""
        episodes = state["episodes"]
        if episodes.shape != (self.members,):
            raise ValueError(f"the metrics to restore have {len(episodes)} members, this run has {self.members}")
        for member, count in enumerate(episodes):
            self._returns[member] = deque(state["returns"][member, :count].tolist(), maxlen=EPISODES)
            self._lengths[member] = deque(state["lengths"][member, :count].tolist(), maxlen=EPISODES)


def _means(histories: list[deque[float]] | list[deque[int]]) -> np.ndarray:
    """The mean of each member's history [P]; NaN for a member that has none."""
    return np.array([sum(history) / len(history) if history else np.nan for history in histories], dtype=np.float64)
