"""Checkpoints of a small replay buffer whose every row is known from its step."""

from pathlib import Path

import numpy as np
import torch

from maxent.replay import Replay, RowLayout
from maxent.runs.checkpoint import CheckpointStore, Snapshot

LANES, RING = 2, 8
PLAIN = {"third": 1 / 3, "position": 2**127 + 1, "name": "α", "nothing": None}


def fresh_replay() -> Replay:
    return Replay(RowLayout(floats=1, bytes=1, action=1), members=1, lanes=LANES, capacity=LANES * RING)


def seen(step: int, episode: int | np.ndarray) -> dict[str, np.ndarray]:
    """What both lanes observe, which tells lane, step and whether an episode has just begun."""
    lane = np.arange(LANES)
    return {
        "float": (100.0 * step + 10 * episode + lane).astype(np.float32)[:, np.newaxis],
        "byte": (step + lane).astype(np.uint8)[:, np.newaxis],
    }


def advance(replay: Replay, begin: int, end: int) -> None:
    """Steps from `begin` to `end`; lane 0 terminates at every third of them, lane 1 is truncated at every fifth."""
    if begin == 0 and not replay.written.any():
        replay.begin(seen(0, 0))
    for step in range(begin, end):
        over = ends_at(step + 1)
        replay.add(
            np.full((LANES, 1), step, np.float32),
            np.arange(LANES, dtype=np.float32) + step,
            over & [True, False],
            over & [False, True],
            seen(step + 1, 0),
            seen(step + 1, over),
        )


def ends_at(step: int) -> np.ndarray:
    """Whether the episode of each lane ends with this step, counted from 1."""
    return np.array([step % 3 == 0, step % 5 == 0]) & (step > 0)


def pending_at(step: int) -> dict[str, np.ndarray]:
    return seen(step, ends_at(step))


def replay_at(step: int) -> Replay:
    replay = fresh_replay()
    advance(replay, 0, step)
    return replay


def save(store: CheckpointStore, step: int, replay: Replay | None) -> Path:
    return store.write(step, PLAIN | {"step": step}, {"x": torch.full((3,), step / 7)}, replay)


def write_run(run: Path, *steps: int) -> CheckpointStore:
    """A run with checkpoints at these steps."""
    store, replay, done = CheckpointStore(run), fresh_replay(), 0
    for step in steps:
        advance(replay, done, step)
        save(store, step, replay)
        done = step
    return store


def read(store: CheckpointStore, snapshot: Snapshot) -> tuple[int, Replay]:
    """The step of a snapshot and its replay, after checking that everything in it belongs to that step."""
    step = snapshot.plain["step"]
    assert snapshot.plain == PLAIN | {"step": step}
    assert torch.equal(snapshot.tensors["x"], torch.full((3,), step / 7))
    replay, expected = fresh_replay(), replay_at(step)
    store.read_replay(snapshot, replay)
    replay.begin(pending_at(step))
    np.testing.assert_array_equal(replay.written, expected.written)
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(replay.columns[name].numpy(), column.numpy(), err_msg=f"{name} at step {step}")
    return step, replay


def recover(run: Path) -> tuple[CheckpointStore, int, Replay]:
    """What a new process finds."""
    store = CheckpointStore(run)
    snapshot = store.latest()
    return (store, 0, replay_at(0)) if snapshot is None else (store, *read(store, snapshot))


def tree(run: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its content, and every folder."""
    paths = sorted(run.rglob("*"))
    return {str(path.relative_to(run)): path.read_bytes() if path.is_file() else None for path in paths}
