"""Replay: experience as streams of rows, one row per step, each observation stored once."""

from maxent.replay.dropped import Dropped
from maxent.replay.gather import Gather
from maxent.replay.hindsight import GoalRules, Hindsight, goal_leaves
from maxent.replay.kinds import HindsightReplay, PrioritizedReplay, ReplayKind, UniformReplay
from maxent.replay.layout import RowLayout
from maxent.replay.prioritized import Prioritized
from maxent.replay.rows import Replay
from maxent.replay.samplers import Newest, Sample, Sampler
from maxent.replay.uniform import Uniform

__all__ = [
    "Dropped",
    "Gather",
    "GoalRules",
    "Hindsight",
    "HindsightReplay",
    "Newest",
    "Prioritized",
    "PrioritizedReplay",
    "Replay",
    "ReplayKind",
    "RowLayout",
    "Sample",
    "Sampler",
    "Uniform",
    "UniformReplay",
    "goal_leaves",
]
