"""The settings of a run that are not the algorithm's: environment, replay, schedule of updates, evaluation, files."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

from maxent.algorithms.base import finite, require, require_whole
from maxent.errors import UserError

REPLAY_SETTINGS = (
    "buffer_size", "batch_size", "learning_starts", "random_hold", "replay_ratio", "n_step", "replay",
    "priority_exponent", "priority_correction", "hindsight_ratio",
)  # fmt: skip
"""The settings that mean nothing to an on-policy algorithm."""


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
    """Rows of replay per member."""
    batch_size: int = 256
    """Transitions per update."""
    learning_starts: int = 1_000
    """Steps of uniformly random actions before the first update."""
    random_hold: int = 1
    """Environment steps for which each of those random actions is held: a pushed cart needs more than one."""
    replay_ratio: float = 1.0
    """Gradient updates per transition, the same meaning for any number of environments."""
    n_step: int = 1
    """Steps of reward before the value of the state reached is taken."""
    replay: Literal["uniform", "prioritized", "hindsight"] = "uniform"
    """What an update learns from: any transitions alike, by their error (1511.05952), or with goals of what was reached
    later (1707.01495; goal environments alone)."""
    priority_exponent: float = 0.6
    """How strongly a prioritised replay prefers large errors: probability ∝ error to this power."""
    priority_correction: float = 0.4
    """Share of that preference which the weights of the loss take back, at the start; it rises to 1 over the run."""
    hindsight_ratio: float = 0.8
    """Share of transitions that a hindsight replay gives a goal that the episode reached later."""
    eval_every: int = 10_000
    """Steps between evaluations; 0 turns them off."""
    eval_episodes: int = 10
    """Episodes per member and evaluation."""
    log_every: int = 1_000
    """Steps between rows of metrics."""
    checkpoint_every: int = 10_000
    """Steps between checkpoints of a run with a folder."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where updates are computed: auto takes a GPU where there is one."""
    precision: Literal["float32", "tf32", "bf16", "auto"] = "float32"
    """Numbers in matrix products; weights and sums stay float32. auto: bf16 with AMX, tf32 on a GPU, else float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the update: auto does where a C++ compiler is found and the run is long enough to pay for it."""

    def __post_init__(self) -> None:
        for name in ("steps", "seeds", "num_envs", "buffer_size", "batch_size", "n_step", "log_every", "random_hold"):
            require_whole(name, getattr(self, name), 1)
        for name in ("seed", "learning_starts", "eval_every", "checkpoint_every"):
            require_whole(name, getattr(self, name), 0)
        require_whole("eval_episodes", self.eval_episodes, 1)
        ratio = self.replay_ratio
        owners = {
            "priority_exponent": "prioritized",
            "priority_correction": "prioritized",
            "hindsight_ratio": "hindsight",
        }
        for name, kind in owners.items():
            if self.replay != kind and getattr(self, name) != getattr(TrainConfig, name):
                raise UserError(f"{name}: it belongs to the {kind} replay, and this one is {self.replay}.")
        require("compile", self.compile, self.compile in ("auto", "on", "off"), "'auto', 'on' or 'off'")
        require("device", self.device, self.device in ("auto", "cpu", "cuda"), "'auto', 'cpu' or 'cuda'")
        products = ("float32", "tf32", "bf16", "auto")
        require("precision", self.precision, self.precision in products, "'float32', 'tf32', 'bf16' or 'auto'")
        kinds = ("uniform", "prioritized", "hindsight")
        require("replay", self.replay, self.replay in kinds, "'uniform', 'prioritized' or 'hindsight'")
        for name in ("priority_exponent", "priority_correction", "hindsight_ratio"):
            share = getattr(self, name)
            require(name, share, finite(share) and 0 <= share <= 1, "a number from 0 to 1")
        require("replay_ratio", ratio, finite(ratio) and ratio >= 0, "a number of at least 0")

    def require_no_replay(self, algorithm: str, run_defaults: Mapping[str, Any]) -> None:
        """Refuse settings of a replay for an algorithm that has none."""
        usual = TrainConfig(**run_defaults)
        for name in REPLAY_SETTINGS:
            if getattr(self, name) != getattr(usual, name):
                raise no_replay(name, algorithm)

    def updates_due(self, step: int) -> int:
        """Updates that a member owes once it has made `step` steps: ⌊replay_ratio · (step − learning_starts)⌋, exactly.

        The ratio is taken as the decimal that was typed, so 0.1 means one update for ten steps and not for 9.99….
        """
        return max(0, int(_as_typed(self.replay_ratio) * (step - self.learning_starts)))


@cache
def _as_typed(number: float) -> Fraction:
    return Fraction(str(number))


def no_replay(name: str, algorithm: str) -> UserError:
    """What to say of a replay's setting that an on-policy algorithm was given."""
    return UserError(
        f"{name}: {algorithm} learns from the newest steps of its own policy, once, so it takes no such setting; "
        "rollout_steps and num_envs say how many they are."
    )
