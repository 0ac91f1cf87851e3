"""When a run does what: updates, rows of metrics, evaluations, checkpoints; and what being on-policy means for it."""

from fractions import Fraction
from typing import Any, final

from maxent.algorithms.settings import OnPolicyConfig
from maxent.stateful import Saved
from maxent.training.settings import ReplayConfig, Settings


@final
class Schedule:
    """The plan of a run of `settings` with N environments per member.

    An on-policy update takes all steps since the last one, in order; any other takes a sample of a replay. Everything
    that differs between the two is decided here: capacity, batch size, when updates are due, and how long actions are
    random.

    Args:
        settings: all settings of the run.
        envs: N.
    """

    def __init__(self, settings: Settings, envs: int) -> None:
        config = settings.config
        self.run, self.envs = settings.run, envs
        self.rollout = config.rollout_steps if isinstance(config, OnPolicyConfig) else 0
        replay = settings.replay or ReplayConfig(learning_starts=0)
        self.n_step, self.random_hold, self.learning_starts = replay.n_step, replay.random_hold, replay.learning_starts
        # an on-policy update reads the newest steps: each may be followed by a final observation, and one is pending
        self.capacity = envs * (2 * self.rollout + 2) if self.rollout else replay.buffer_size
        self.batch_size = envs * self.rollout if self.rollout else replay.batch_size
        # the decimal number, not its binary approximation: 0.1 is one update in ten steps, not in 9.99…
        self._ratio = Fraction(str(replay.replay_ratio))
        self._origin = (0, 0)  # transitions and updates from which updates are counted

    def updates_at(self, transitions: int) -> int:
        """Return the updates that a member owes after this many of its transitions, counted from the start.

        ⌊replay_ratio · (transitions − learning_starts)⌋, exactly; on-policy, one for each rollout.
        """
        if self.rollout:
            return transitions // self.batch_size
        return max(0, int(self._ratio * (transitions - self.learning_starts)))

    def updates_due(self, transitions: int) -> int:
        """Return the updates that a member owes by now, after this many of its transitions."""
        first, updates = self._origin
        return updates + self.updates_at(transitions - first)

    def log_due(self, before: int, after: int) -> bool:
        """Return whether a row of metrics is due after the steps from `before` to `after`."""
        return _crossed(before, after, self.run.log_every) or after >= self.run.steps

    def evaluation_due(self, before: int, after: int) -> bool:
        """Return whether an evaluation is due."""
        return _crossed(before, after, self.run.eval_every) or (self.run.eval_every > 0 and after >= self.run.steps)

    def checkpoint_due(self, before: int, after: int) -> bool:
        """Return whether a checkpoint is due; the last one is written when the run ends."""
        return _crossed(before, after, self.run.checkpoint_every)

    def state(self) -> Saved:
        """Return from where updates are counted."""
        return Saved({"origin": list(self._origin)})

    def counted_from(self, transitions: int, updates: int) -> dict[str, Any]:
        """Return the plain state of a schedule that counts anew from here, because its replay has to fill first."""
        return {"origin": [transitions, updates]}

    def count_from(self, transitions: int, updates: int) -> None:
        """Count updates anew from here: an on-policy update then takes steps of whole rollouts alone."""
        self._origin = (transitions, updates)

    def restore(self, saved: Saved) -> None:
        """Count from there."""
        self.count_from(*saved.plain["origin"])


def _crossed(before: int, after: int, every: int) -> bool:
    """Return whether a multiple of `every` lies in (before, after]; never for 0."""
    return every > 0 and after // every > before // every
