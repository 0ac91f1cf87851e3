"""n-step windows, their paths and hindsight goals against lists of episodes, over random histories."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from gymnasium import spaces

from maxent.replay import Gather, GoalRules, Hindsight, Replay, RowLayout
from maxent.spaces import ObservationLayout

GAMMA = 0.75
LINE = spaces.Box(-np.inf, np.inf, (1,))
OBSERVATION = ObservationLayout.from_space(
    spaces.Dict({"achieved_goal": LINE, "desired_goal": LINE, "observation": LINE})  # in this order in a row
)
LAYOUT = RowLayout(OBSERVATION.floats, OBSERVATION.bytes, 1)


class Seen(NamedTuple):
    """An observation; its number is unique."""

    achieved: float
    desired: float
    number: float


def reward(achieved: Any, desired: Any, info: Any) -> Any:
    return np.where(np.abs(achieved[..., 0] - desired[..., 0]) < 1.5, 0.0, -1.0) + achieved[..., 0] / 1024.0


def terminated(achieved: Any, desired: Any, info: Any) -> Any:
    return np.abs(achieved[..., 0] - desired[..., 0]) < 1.5


class History:
    """Lanes that play random goals, written into a replay and into lists of episodes."""

    def __init__(self, replay: Replay, rng: np.random.Generator) -> None:
        self.replay, self.rng, self.count = replay, rng, 0
        self.lanes = len(replay.written)
        self.episodes = [[[self.new(self.goal())]] for _ in range(self.lanes)]
        self.ends: set[float] = set()  # numbers of observations that were terminal
        replay.begin(self.pack([lane[-1][-1] for lane in self.episodes]))

    def goal(self) -> float:
        return float(self.rng.integers(0, 6))

    def new(self, desired: float) -> Seen:
        self.count += 1
        return Seen(self.goal(), desired, float(self.count))

    def pack(self, seen: list[Seen]) -> dict[str, Any]:
        columns = {"achieved_goal": 0, "desired_goal": 1, "observation": 2}
        arrays = {name: np.array([[one[k]] for one in seen], np.float32) for name, k in columns.items()}
        return OBSERVATION.pack(arrays, len(seen))

    def step(self) -> None:
        following = [self.new(lane[-1][-1].desired) for lane in self.episodes]
        earned = [reward(np.array([s.achieved]), np.array([s.desired]), {}) for s in following]
        ends, cut = self.rng.random((2, self.lanes)) < 0.12
        shown = list(following)
        for lane, seen in enumerate(following):
            self.episodes[lane][-1].append(seen)
            if ends[lane]:
                self.ends.add(seen.number)
            if ends[lane] or cut[lane]:
                shown[lane] = self.new(self.goal())
                self.episodes[lane].append([shown[lane]])
        action = np.zeros((self.lanes, 1), np.float32)
        self.replay.add(action, np.array(earned, np.float32), ends, cut, self.pack(following), self.pack(shown))


@pytest.mark.parametrize("seed", range(16))
def test_windows_paths_and_goals_of_random_histories(seed: int) -> None:
    """Everything is exact: rewards are multiples of 1/1024 and γ is ¾. Even seeds keep the stored terminations."""
    rng = np.random.default_rng(seed)
    members, lanes, ring, n_step = (int(rng.integers(*bounds)) for bounds in ((1, 3), (1, 4), (6, 20), (2, 5)))
    replay = Replay(LAYOUT, members=members, lanes=lanes, capacity=lanes * ring)
    rules = GoalRules(reward, terminated if seed % 2 else None)
    sampler = Hindsight(
        replay, 12, [np.random.default_rng([seed, p]) for p in range(members)],
        observation=OBSERVATION, rules=rules, ratio=0.7, n_step=n_step,
    )  # fmt: skip
    gather, history = Gather(LAYOUT, OBSERVATION, ring, GAMMA, n_step, path=True), History(replay, rng)
    for number in range(40):
        history.step()
        if number < 3 or rng.random() < 0.5:
            continue
        rows, extras = sampler.sample(0.0)
        tensors = {name: torch.from_numpy(array) for name, array in extras.items()}
        batch = gather(replay.columns, torch.from_numpy(rows), tensors)
        assert batch.path_obs is not None
        assert batch.path_discount is not None
        path = batch.path_obs.reshape(members, n_step - 1, 12, 3), batch.path_discount.reshape(members, n_step - 1, 12)
        for p in range(members):
            past = {
                seen.number: (episode, place)
                for lane in history.episodes[p * lanes : (p + 1) * lanes]
                for episode in lane
                for place, seen in enumerate(episode)
            }
            for k in range(12):
                goal, first = batch.obs[p, k, 1:].tolist()
                episode, place = past[first]
                relabelled = k < sampler.relabelled
                goals = [seen.achieved for seen in episode[place + 1 :]] if relabelled else [episode[place].desired]
                assert goal in goals
                total, discount, between = 0.0, 1.0, []
                for step in range(n_step):
                    if place == len(episode) - 1:
                        break
                    if step > 0:
                        between.append((episode[place].number, goal, discount))
                    place += 1
                    reached = np.array([episode[place].achieved]), np.array([goal])
                    total += discount * float(reward(*reached, {}))
                    discount *= GAMMA
                    by_goal = relabelled and rules.terminated is not None
                    if terminated(*reached, {}) if by_goal else episode[place].number in history.ends:
                        discount = 0.0
                        break
                assert batch.next_obs[p, k].tolist() == [episode[place].achieved, goal, episode[place].number]
                assert (batch.reward[p, k].item(), batch.discount[p, k].item()) == (np.float32(total), discount)
                found = [
                    (path[0][p, j, k, 2].item(), path[0][p, j, k, 1].item(), path[1][p, j, k].item())
                    for j in range(n_step - 1)
                    if path[1][p, j, k] > 0
                ]
                assert found == between
