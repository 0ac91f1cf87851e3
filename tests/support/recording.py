"""A replay and, filled with the same steps, plain lists of episodes, in which every observation has its own number.

Observation i is stored as the floats (i, −i) and the bytes (i mod 256, ⌊i/256⌋); the step from it takes the action
(i + ¼, −i − ¼) and has the reward i + ⅛. So every stored value identifies its row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from maxent.replay import Replay, RowLayout
from maxent.replay.layout import STEP, TERMINAL

LAYOUT = RowLayout(floats=2, bytes=2, action=2)
GO, TERMINATE, TRUNCATE, BOTH = range(4)


def observations(ids: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the packed observations with these numbers."""
    number = np.asarray(ids)
    return {
        "float": np.stack([number, -number], -1).astype(np.float32),
        "byte": np.stack([number % 256, number // 256], -1).astype(np.uint8),
    }


def actions(ids: Sequence[int]) -> np.ndarray:
    """Return the actions taken at these observations."""
    number = np.asarray(ids)
    return np.stack([number + 0.25, -number - 0.25], -1).astype(np.float32)


def reward_of(number: int) -> float:
    """Return the reward of the step from observation `number`."""
    return number + 0.125


class Transition(NamedTuple):
    """The n-step return from an observation, its discount and its successor."""

    reward: float
    discount: float
    next_id: int


@dataclass
class Past:
    """One episode of a lane: its observations, and whether it terminated.

    A `waiting` episode begins at the next step; until then its observation is the last one of the episode before.
    """

    ids: list[int]
    terminated: bool = False
    waiting: bool = False


@dataclass
class Recording:
    """Records steps with given outcomes of `lanes` environments of each of `members`, in a replay and in lists."""

    members: int
    lanes: int
    capacity: int
    replay: Replay = field(init=False)
    episodes: list[list[Past]] = field(init=False)  # of each lane
    count: int = field(init=False)
    made: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.replay = Replay(LAYOUT, members=self.members, lanes=self.lanes, capacity=self.capacity)
        self.count = self.members * self.lanes
        first = self._new_ids()
        self.episodes = [[Past([number])] for number in first]
        self.replay.begin(observations(first))

    def step(self, outcomes: Sequence[int]) -> None:
        """Record one step of every lane; after an episode's end the next one begins immediately."""
        current, reached = self.newest(), self._new_ids()
        self._arrive(reached, outcomes)
        for lane in np.flatnonzero(outcomes):
            self.episodes[lane].append(Past(self._new_ids(1)))
        self._add(current, outcomes, reached, self.newest())

    def step_resetting_later(self, outcomes: Sequence[int]) -> None:
        """Record one step of every lane; as under NEXT_STEP, the step after the last of an episode only resets."""
        current, reached = self.newest(), self._new_ids()
        live = np.array([not episodes[-1].waiting for episodes in self.episodes])
        kinds = np.where(live, outcomes, GO)
        self._arrive(reached, kinds)
        for lane in np.flatnonzero(kinds):
            self.episodes[lane].append(Past([reached[lane]], waiting=True))
        self._add(current, kinds, reached, reached, live)

    def cut_off(self, lanes: Iterable[int]) -> None:
        """End the episodes of these lanes, as a resumed run does that cannot restore its environments."""
        chosen = sorted(lanes)
        for lane in chosen:
            self.episodes[lane].append(Past(self._new_ids(1)))
        fresh = [self.episodes[lane][-1].ids[0] for lane in chosen]
        self.replay.end_episode(np.array(chosen, np.int64), observations(fresh))

    def newest(self) -> list[int]:
        """Return the newest observation of every lane."""
        return [episodes[-1].ids[-1] for episodes in self.episodes]

    def transitions(self, member: int, gamma: float = 1.0, n_step: int = 1) -> dict[int, Transition]:
        """Return the transitions that the member's rings still hold, by the number of their first observation."""
        found: dict[int, Transition] = {}
        for lane in range(member * self.lanes, (member + 1) * self.lanes):
            held = set(self.rows(lane))
            for past in self.episodes[lane]:
                last = len(past.ids) - 1
                for t in range(last):
                    m = min(n_step, last - t)
                    reward = sum(gamma**k * reward_of(past.ids[t + k]) for k in range(m))
                    ends = past.terminated and t + m == last
                    if past.ids[t] in held:
                        found[past.ids[t]] = Transition(reward, 0.0 if ends else gamma**m, past.ids[t + m])
        return found

    def rows(self, lane: int) -> list[int]:
        """Return the observations that the ring of a lane holds, the newest ones."""
        return [number for past in self.episodes[lane] for number in past.ids][-self.replay.ring :]

    def starting_rows(self) -> np.ndarray:
        """Return the rows [P, B] that start a transition, each at least once; B is the largest number of any member."""
        kind = self.replay.columns["kind"].numpy()
        rows = [np.flatnonzero(np.isin(kind[member], (STEP, TERMINAL))) for member in range(self.members)]
        return np.stack([np.resize(member, max(map(len, rows))) for member in rows])

    def _new_ids(self, count: int | None = None) -> list[int]:
        """Return unused numbers, one for each lane."""
        first = self.made + 1
        self.made += self.count if count is None else count
        return list(range(first, self.made + 1))

    def _arrive(self, reached: Sequence[int], outcomes: Sequence[int] | np.ndarray) -> None:
        """Append the observation that every lane reached."""
        for episodes, number, outcome in zip(self.episodes, reached, outcomes, strict=True):
            past = episodes[-1]
            if past.waiting:
                past.ids, past.waiting = [number], False
            else:
                past.ids.append(number)
                past.terminated = outcome in (TERMINATE, BOTH)

    def _add(
        self,
        current: Sequence[int],
        outcomes: Sequence[int] | np.ndarray,
        reached: Sequence[int],
        going_on: Sequence[int],
        live: np.ndarray | None = None,
    ) -> None:
        outcome = np.asarray(outcomes)
        self.replay.add(
            actions(current),
            np.array([reward_of(number) for number in current], np.float32),
            (outcome == TERMINATE) | (outcome == BOTH),
            (outcome == TRUNCATE) | (outcome == BOTH),
            observations(reached),
            observations(going_on),
            live,
        )
