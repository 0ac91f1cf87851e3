"""What a run learns from: its replay, how transitions are sampled and read, and the updates on them."""

from pathlib import Path
from typing import NamedTuple, Protocol

from maxent.engine.device import Compute, make_columns
from maxent.engine.learner import Learner
from maxent.engine.streams import Streams
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.replay import Dropped, Gather, Replay, RowLayout, Sampler
from maxent.replay.row_file import scratch_folder
from maxent.training.sampling import make_sampler
from maxent.training.schedule import Schedule
from maxent.training.settings import Settings
from maxent.training.updater import Updater


class Run(Protocol):
    """What experience needs of a run."""

    settings: Settings
    schedule: Schedule
    layout: RowLayout
    learner: Learner
    streams: Streams
    compute: Compute
    source: EnvSource


class Experience(NamedTuple):
    """The replay of a run and what reads it."""

    replay: Replay
    dropped: Dropped
    sampler: Sampler
    gather: Gather
    updater: Updater


def make_experience(run: Run, folder: Path | None) -> Experience:
    """Return an empty replay and what reads it; rows on a disk are on that of `folder`, or of temporary files."""
    settings, schedule, learner = run.settings.replay, run.schedule, run.learner
    storage = "auto" if settings is None else settings.replay_storage
    place = (folder or scratch_folder()) if storage == "disk" else None
    replay = Replay(run.layout, members=learner.members, lanes=schedule.envs, capacity=schedule.capacity, folder=place)
    observation, config = learner.observation, learner.config
    try:
        sampler = make_sampler(settings, schedule, replay, run.streams, source=run.source, observation=observation)
    except MemoryError as error:
        raise UserError(
            f"buffer_size: expected memory for sampling from {schedule.capacity:,} rows a member, got too little; use "
            "a smaller buffer_size."
        ) from error
    columns = make_columns(replay, storage, run.compute.device, batch_size=schedule.batch_size, n_step=schedule.n_step)
    gather = Gather(
        run.layout, observation, columns.ring, config.gamma, schedule.n_step, config.reward_scale,
        in_order=schedule.rollout > 0, path=settings is not None and settings.n_step_entropy,
    )  # fmt: skip
    updater = Updater(learner, columns, sampler, run.streams, schedule.batch_size, run.compute)
    return Experience(replay, Dropped(replay), sampler, gather, updater)
