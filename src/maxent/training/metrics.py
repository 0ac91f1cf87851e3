"""Metrics of a run: their tags, and the window of finished episodes that the rollout metrics average over."""

from collections import deque
from typing import final

import numpy as np
import torch

from maxent.algorithms.base import Algorithm
from maxent.runs.tags import CRITIC_TAGS, EPISODES, LEADING_TAGS, RUN_TAGS, WATCH_TAGS
from maxent.stateful import Saved


def tags_of(algorithm: Algorithm) -> tuple[str, ...]:
    """Return every tag that a record of this algorithm's runs may hold, in the order of the columns of metrics.csv."""
    critic = CRITIC_TAGS if algorithm.has_q() else ()
    return (*LEADING_TAGS, *critic, *algorithm.metrics, *algorithm.scheduled(0), *WATCH_TAGS, *RUN_TAGS)


@final
class EpisodeWindow:
    """The last `EPISODES` finished episodes of each member.

    Its state is kept exactly, so a resumed run writes the rows that an uninterrupted one writes, bit for bit.
    """

    def __init__(self, members: int) -> None:
        self.members = members
        self._returns = [deque[float](maxlen=EPISODES) for _ in range(members)]
        self._lengths = [deque[int](maxlen=EPISODES) for _ in range(members)]
        self._successes = [deque[float](maxlen=EPISODES) for _ in range(members)]
        self._dropped = np.zeros(members, np.int64)

    def add_episode(self, member: int, ret: float, length: int, success: bool | None = None) -> None:
        """Count one finished episode of a member: its sum of raw rewards, its number of steps, and its success."""
        if success is not None:
            self._successes[member].append(float(success))
        self._returns[member].append(float(ret))
        self._lengths[member].append(int(length))

    def add_failure(self, member: int) -> None:
        """Count one episode of a member that its environment could not finish."""
        self._dropped[member] += 1

    def returns(self) -> np.ndarray:
        """Return the mean return of each member [P]; NaN for a member that has finished no episode."""
        return _means(self._returns)

    def summarise(self) -> dict[str, np.ndarray]:
        """Return the rollout tags of a record; the episodes stay in the window."""
        return {
            "rollout/ep_rew_mean": self.returns(),
            "rollout/ep_len_mean": _means(self._lengths),
            "rollout/ep_dropped": self._dropped.astype(np.float64),
            "rollout/success_rate": _means(self._successes),
        }

    def state(self) -> Saved:
        """Return everything that later summaries depend on, as tensors that a safetensors file holds exactly."""
        episodes = np.array([len(member) for member in self._returns], dtype=np.int64)  # [P]
        returns = np.full((self.members, EPISODES), np.nan)
        lengths = np.zeros((self.members, EPISODES), dtype=np.int64)
        successes = np.full((self.members, EPISODES), np.nan)
        for member, count in enumerate(episodes):
            successes[member, : len(self._successes[member])] = self._successes[member]
            returns[member, :count] = self._returns[member]
            lengths[member, :count] = self._lengths[member]
        arrays = {"episodes": episodes, "returns": returns, "lengths": lengths, "dropped": self._dropped.copy()}
        arrays["successes"] = successes
        return Saved({}, {name: torch.from_numpy(array) for name, array in arrays.items()})

    def restore(self, saved: Saved) -> None:
        """Take over what `state` returned; what this window held is dropped."""
        state = {name: tensor.numpy() for name, tensor in saved.tensors.items()}
        episodes = state["episodes"]
        if episodes.shape != (self.members,):
            raise ValueError(f"the metrics to restore have {len(episodes)} members, this run has {self.members}")
        self._dropped = state["dropped"].copy()
        for member, count in enumerate(episodes):
            self._returns[member] = deque(state["returns"][member, :count].tolist(), maxlen=EPISODES)
            self._lengths[member] = deque(state["lengths"][member, :count].tolist(), maxlen=EPISODES)
            known = state["successes"][member]
            self._successes[member] = deque(known[~np.isnan(known)].tolist(), maxlen=EPISODES)


def _means(histories: list[deque[float]] | list[deque[int]]) -> np.ndarray:
    """Return the mean of each member's history [P]; NaN for a member that has none."""
    return np.array([sum(history) / len(history) if history else np.nan for history in histories], dtype=np.float64)
