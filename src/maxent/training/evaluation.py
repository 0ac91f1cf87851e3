"""Evaluation of a policy: episodes in separate environments, with seeds that training never uses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.algorithms.settings import require_whole
from maxent.envs.local import LocalFleet
from maxent.envs.making import EnvSource
from maxent.envs.seeds import evaluation_seed
from maxent.envs.wrappers import require_no_statistics
from maxent.spaces import Packed
from maxent.training.words import whole

Act = Callable[[Packed], NDArray[np.float32]]
"""A function of packed observations {part: [P, K, …]} that returns actions [P, K, A] ([P, K, 1] for indices)."""

MOST_ENVS = 10  # per member; with more, most of a batch waits for its last episodes


@final
@dataclass(frozen=True)
class Critic:
    """What an evaluation compares with the returns: values of packed observations and actions, and their discount.

    `values` returns [P, K], in the unit of the environment's rewards.
    """

    values: Callable[[Packed, NDArray[np.float32]], NDArray[np.float64]]
    gamma: float


@final
@dataclass(frozen=True)
class EvaluationResult:
    """The result of an evaluation: undiscounted returns [P, episodes] float64, lengths and successes [P, episodes].

    A success is `info["is_success"]` of the last step: 1 or 0, NaN if the environment reports none. With a critic also
    its values where the episodes begin, and the discounted returns that followed up to their end or time limit,
    [P, episodes].
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    successes: NDArray[np.float64]
    values: NDArray[np.float64] | None = None
    discounted: NDArray[np.float64] | None = None

    @property
    def success_rate(self) -> NDArray[np.float64]:
        """Share of each member's episodes that succeeded, of those that report it; NaN if none does. [P]"""
        known = ~np.isnan(self.successes)
        rate = np.full(len(known), np.nan)
        np.divide(np.nansum(self.successes, axis=1), known.sum(1), out=rate, where=known.any(1))
        return rate

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean return of each member. [P]"""
        return np.asarray(self.returns.mean(axis=1))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of each member's returns over its episodes. [P]"""
        return np.asarray(self.returns.std(axis=1))


@final
class Evaluator:
    """Run the same episodes for every member, in this process; environments are made at the first run.

    Args:
        source: makes the environments.
        members: P.
        episodes: episodes per member.
        base_seed: determines the seeds of all episodes, so two evaluations with the same one can be compared.
        max_steps: length after which an episode is cut off.
    """

    def __init__(
        self, source: EnvSource, members: int, episodes: int, base_seed: int, *, max_steps: int = 10_000
    ) -> None:
        episodes, base_seed = whole(episodes), whole(base_seed)
        for name, count in (("members", members), ("episodes", episodes), ("max_steps", max_steps)):
            require_whole(name, count, 1)
        require_whole("seed", base_seed, 0)
        self._source = source
        self._members = members
        self._episodes = episodes
        self._base_seed = base_seed
        self._max_steps = max_steps
        self._envs_per_member = min(episodes, MOST_ENVS)
        self._fleet: LocalFleet | None = None

    def run(self, act: Act, critic: Critic | None = None) -> EvaluationResult:
        """Run all episodes and return their returns and lengths, and what a critic expected.

        Environment k of a member runs the episodes k, k + K, k + 2K, … and the batch keeps its full shape: an
        environment without further episodes repeats its last observation. So neither the numbers nor the shapes depend
        on the order in which episodes end.
        """
        P, K = self._members, self._envs_per_member
        fleet = self._open()
        returns, lengths = np.zeros((P, self._episodes)), np.zeros((P, self._episodes), np.int64)
        values, discounted = np.zeros((P, self._episodes)), np.zeros((P, self._episodes))
        gamma = 0.0 if critic is None else critic.gamma
        successes = np.full((P, self._episodes), np.nan)
        playing = [lane % K for lane in range(P * K)]  # the episode of each lane
        for lane, episode in enumerate(playing):
            fleet.begin(lane, evaluation_seed(self._base_seed, episode))
        busy = list(range(P * K))
        while busy:
            obs = {part: rows.reshape(P, K, -1) for part, rows in fleet.latest().items()}
            chosen = np.asarray(act(obs))
            actions = chosen.reshape(P * K, fleet.action.size)
            begun = [lane for lane in busy if lengths[lane // K, playing[lane]] == 0]
            if critic is not None and begun:
                expected = critic.values(obs, chosen).reshape(P * K)
                for lane in begun:
                    values[lane // K, playing[lane]] = expected[lane]
            env_actions = fleet.action.to_env(actions)
            still_busy = []
            for lane in busy:
                member, episode = lane // K, playing[lane]
                reward, terminated, truncated = fleet.advance(lane, env_actions[lane])
                returns[member, episode] += reward
                discounted[member, episode] += gamma ** int(lengths[member, episode]) * reward
                lengths[member, episode] += 1
                if terminated or truncated or lengths[member, episode] == self._max_steps:
                    successes[member, episode] = fleet.success.get(lane, np.nan)
                    playing[lane] = episode = episode + K
                    if episode >= self._episodes:
                        continue
                    fleet.begin(lane, evaluation_seed(self._base_seed, episode))
                still_busy.append(lane)
            busy = still_busy
        if critic is None:
            return EvaluationResult(returns, lengths, successes)
        return EvaluationResult(returns, lengths, successes, values, discounted)

    def close(self) -> None:
        """Close the environments; a later run makes new ones."""
        if self._fleet is not None:
            self._fleet.close()
            self._fleet = None

    def _open(self) -> LocalFleet:
        if self._fleet is None:
            count = self._members * self._envs_per_member
            first = self._source.make()
            require_no_statistics(first)
            self._fleet = LocalFleet([first, *(self._source.make() for _ in range(count - 1))], owned=True)
        return self._fleet
