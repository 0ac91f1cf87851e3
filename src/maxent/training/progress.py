"""Progress of a run: counts, wall time and rates."""

from typing import final

from maxent.stateful import Saved
from maxent.training.clock import Clock


@final
class Progress:
    """Steps per member, transitions of all members, and seconds, over all sessions of a run."""

    def __init__(self) -> None:
        self.step = 0  # environment steps per member
        self.transitions = 0  # of all members together
        self.elapsed = 0.0  # seconds
        self.clock = Clock(0, 0, 0.0)

    def begin(self, updates: int) -> None:
        """Start the clock of a session."""
        self.clock = Clock(self.step, updates, self.elapsed)

    def tags(self, members: int, updates: int) -> dict[str, float]:
        """Return the metrics of the run as a whole; rates are those since the last call."""
        fps, ups = self.clock.rates(self.step, updates)
        return {
            "time/fps": fps * members,
            "time/updates_per_second": ups * members,
            "time/time_elapsed": self.elapsed,
            "time/total_timesteps": float(self.step * members),
            "train/n_updates": float(updates),
        }

    def state(self) -> Saved:
        """Return the counts."""
        return Saved({"step": self.step, "transitions": self.transitions, "elapsed": self.elapsed})

    def restore(self, saved: Saved) -> None:
        """Restore the counts."""
        self.step, self.transitions = saved.plain["step"], saved.plain["transitions"]
        self.elapsed = saved.plain["elapsed"]
