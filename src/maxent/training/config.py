"""The settings of a run that are not the algorithm's: environment, replay, schedule of updates, evaluation, files."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from maxent.algorithms.base import finite, require, require_whole


@dataclass(frozen=True)
class TrainConfig:
    """How a run is driven. Counts are per member: a run of four seeds takes four times as many environment steps."""

    steps: int = 1_000_000
    """Environment steps per member."""
    seed: int = 0
    """Seed of member 0; member k has seed + k and equals a run of its own with that seed."""
    seeds: int = 1
    """Members P: how many seeds train side by side."""
    num_envs: int = 1
    """Environments per member."""
    workers: bool = False
    """Step the environments in worker processes; pays off when one step takes longer than about a millisecond."""
    buffer_size: int = 1_000_000
    """Rows of replay per member (2018b appendix D)."""
    batch_size: int = 256
    """Transitions per update (2018b appendix D)."""
    learning_starts: int = 1_000
    """Steps of uniformly random actions before the first update."""
    random_hold: int = 1
    """Environment steps for which each of those random actions is held: a pushed cart needs more than one."""
    replay_ratio: float = 1.0
    """Gradient updates per transition, the same meaning for any number of environments."""
    n_step: int = 1
    """Steps of reward before the value of the state reached is taken."""
    eval_every: int = 10_000
    """Steps between evaluations; 0 turns them off."""
    eval_episodes: int = 10
    """Episodes per member and evaluation."""
    log_every: int = 1_000
    """Steps between rows of metrics."""
    checkpoint_every: int = 10_000
    """Steps between checkpoints of a run with a folder."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the update: auto does where a C++ compiler is found and the run is long enough to pay for it."""

    def __post_init__(self) -> None:
        for name in ("steps", "seeds", "num_envs", "buffer_size", "batch_size", "n_step", "log_every", "random_hold"):
            require_whole(name, getattr(self, name), 1)
        for name in ("seed", "learning_starts", "eval_every", "checkpoint_every"):
            require_whole(name, getattr(self, name), 0)
        require_whole("eval_episodes", self.eval_episodes, 1)
        ratio = self.replay_ratio
        require("replay_ratio", ratio, finite(ratio) and ratio >= 0, "a number of at least 0")

    def updates_due(self, step: int) -> int:
        """Updates that a member owes once it has made `step` steps: ⌊replay_ratio · (step − learning_starts)⌋, exactly.

        The ratio is taken as the decimal that was typed, so 0.1 means one update for ten steps and not for 9.99….
        """
        return max(0, int(Fraction(str(self.replay_ratio)) * (step - self.learning_starts)))
