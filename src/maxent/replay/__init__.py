"""Experience as streams of rows: one row per step, each observation stored once."""

from maxent.replay.gather import Gather
from maxent.replay.hindsight import GoalRules, Hindsight, goal_leaves
from maxent.replay.prioritized import Prioritized
from maxent.replay.rows import Replay, RowLayout
from maxent.replay.samplers import Newest, Sample, Sampler, Uniform

__all__ = [
    "Gather",
    "GoalRules",
    "Hindsight",
    "Newest",
    "Prioritized",
    "Replay",
    "RowLayout",
    "Sample",
    "Sampler",
    "Uniform",
    "goal_leaves",
]
