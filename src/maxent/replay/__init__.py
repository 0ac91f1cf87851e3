"""Experience as streams of rows: one row per step, each observation stored once."""

from maxent.replay.gather import Gather
from maxent.replay.rows import Replay, RowLayout

__all__ = ["Gather", "Replay", "RowLayout"]
