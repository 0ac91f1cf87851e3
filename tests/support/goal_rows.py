"""Rows whose observation i has the achieved goal i and the desired goal −i, and how they are sampled with hindsight."""

from typing import Any

import numpy as np
from gymnasium import spaces
from recording import Recording

from maxent.replay import GoalRules, Hindsight, Replay
from maxent.spaces import ObservationLayout

GAMMA = 0.5
LINE = spaces.Box(-np.inf, np.inf, (1,))
OBSERVATION = ObservationLayout.from_space(
    spaces.Dict({"achieved_goal": LINE, "bytes": spaces.Box(0, 255, (2,), np.uint8), "desired_goal": LINE})
)


def reward(achieved: Any, desired: Any, info: Any) -> Any:
    """Return a function of both goals that is exact below 1024."""
    return achieved[..., 0] + desired[..., 0] / 1024.0


def terminated(achieved: Any, desired: Any, info: Any) -> Any:
    """Return whether the goals are equal."""
    return achieved[..., 0] == desired[..., 0]


ENDLESS, ENDING = GoalRules(reward), GoalRules(reward, terminated)


def sampler(
    replay: Replay, batch_size: int, rules: GoalRules = ENDING, ratio: float = 1.0, **settings: Any
) -> Hindsight:
    streams = [np.random.default_rng(seed) for seed in settings.pop("seeds", range(replay.members))]
    settings = {"observation": OBSERVATION, "rules": rules, "ratio": ratio, **settings}
    return Hindsight(replay, batch_size, streams, **settings)


def play(outcomes: list[int], capacity: int = 100) -> Recording:
    """One lane from observation 1 on."""
    recording = Recording(members=1, lanes=1, capacity=capacity)
    for outcome in outcomes:
        recording.step([outcome])
    return recording
