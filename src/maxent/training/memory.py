"""The memory that a run will need: stated before it starts, and refused if the machine has less."""

from typing import Protocol

from maxent.engine.learner import Learner
from maxent.engine.memory import available_memory
from maxent.errors import UserError
from maxent.replay import Replay, Sampler


class Run(Protocol):
    """What its need of memory depends on."""

    learner: Learner
    replay: Replay
    sampler: Sampler


def replay_text(run: Run, steps: int) -> str:
    """Return what the replay of a run of this many steps needs, in words."""
    replay, members = run.replay, run.learner.members
    full, filled = (members * rows * replay.layout.nbytes / 1e6 for rows in (replay.capacity, _rows(run, steps)))
    where = "of memory" if replay.file is None else f"on the disk of {replay.file.folder}"
    index = members * _rows(run, steps) * run.sampler.bytes_per_row / 1e6
    return (
        f"replay: {replay.capacity:,} rows of {replay.layout.nbytes} bytes a member, {full:,.1f} MB for {members} when "
        f"full; this run fills {filled:,.1f} MB {where}"
        + (f", and sampling takes {index:,.1f} MB of memory" if index else "")
    )


def networks_text(run: Run) -> str:
    """Return what the networks of a run need, in words."""
    state = sum(tensor.nbytes for tensor in run.learner.state.values())
    return f"networks: {2 * state / 1e6:,.1f} MB with targets, the moments of the optimisers, and a copy of all of it"


def require_memory(run: Run, steps: int) -> None:
    """Raise unless the rows up to this step fit into the memory that is left; networks have been made already."""
    replay, members = run.replay, run.learner.members
    row = run.sampler.bytes_per_row + (replay.layout.nbytes if replay.file is None else 0)
    there = int(min(replay.written.sum(), members * replay.capacity))
    needed, left = (members * _rows(run, steps) - there) * row, available_memory()
    if left is not None and needed > left:
        advice = "a smaller --buffer-size" if replay.file else "--replay-storage disk or a smaller --buffer-size"
        raise UserError(
            f"buffer_size: the replay will need {needed / 1e9:,.1f} GB of memory until step {steps:,}, and this "
            f"machine has {left / 1e9:,.1f} GB left; use {advice}."
        )


def _rows(run: Run, steps: int) -> int:
    """Return the rows of a member that a run of this many steps fills, beside final observations."""
    return min(run.replay.capacity, steps)
