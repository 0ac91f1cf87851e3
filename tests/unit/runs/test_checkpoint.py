"""Whatever happens to the files, and whenever the process dies, there is a whole checkpoint to go on from."""

import itertools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import Disk, Killed

from maxent.errors import UserError
from maxent.replay import Replay, RowLayout
from maxent.runs import checkpoint
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


def test_there_is_none_at_first(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    assert store.latest() is None
    assert store.newest is None


@pytest.mark.parametrize("steps", [(0,), (5,), (0, 5, 6, 20), (1, 2, 3, 4, 5, 60), (100,)])
def test_a_run_comes_back(tmp_path: Path, steps: tuple[int, ...]) -> None:
    write_run(tmp_path, *steps)
    store, step, _ = recover(tmp_path)
    assert step == store.newest == steps[-1]


def test_without_replay_the_replay_is_empty(tmp_path: Path) -> None:
    save(CheckpointStore(tmp_path), 7, None)
    store = CheckpointStore(tmp_path)
    snapshot = store.latest()
    assert snapshot is not None
    assert snapshot.segments == ()
    assert not store.replay.exists()


def test_tensors_are_found_by_the_beginning_of_their_names() -> None:
    one, two, three = torch.ones(1), torch.ones(2), torch.ones(3)
    snapshot = Snapshot({}, {"best/actor": one, "best/best/x": two, "actor": three}, ())
    assert snapshot.below("best/") == {"actor": one, "best/x": two}


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    write_run(tmp_path, 0, 5, 10, 15)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["000000000010", "000000000015"]


def test_segments_are_appended_and_never_rewritten(tmp_path: Path) -> None:
    store, replay, files = CheckpointStore(tmp_path), fresh_replay(), {}
    for step in range(0, 40, 2):
        advance(replay, max(0, step - 2), step)
        save(store, step, replay)
        now = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in store.replay.glob("*")}
        assert len(now.keys() - files.keys()) == (1 if step else 0)
        for name in now.keys() & files.keys():
            assert now[name] == files[name]
        files = now


def test_segments_that_no_ring_needs_are_dropped(tmp_path: Path) -> None:
    """By step s the lanes have completed s + ⌊s/3⌋ and s + ⌊s/5⌋ rows: 66, 69, 72, 74, 77 and 60, 62, 64, 67, 69 by
    steps 50, 52, 54, 56, 58. A ring keeps the last 7 of them. At 58 lane 0 needs rows 70 to 76, in three segments, and
    lane 1 rows 62 to 68, in the same three. By the checkpoint of 56 lane 0 needs rows 67 to 73, and lane 1 rows 60 to
    66: one segment more, the one up to 52.
    """
    write_run(tmp_path, *range(0, 60, 2))
    assert len(list((tmp_path / "replay").iterdir())) == 4
    assert recover(tmp_path)[1] == 58


def test_a_checkpoint_without_new_rows_adds_no_segment(tmp_path: Path) -> None:
    store, replay = CheckpointStore(tmp_path), replay_at(5)
    save(store, 5, replay)
    before = tree(store.replay)
    save(store, 6, replay)
    assert tree(store.replay) == before


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change_the_step(path: Path) -> None:
    data = json.loads(path.read_text())
    data["plain"]["step"] += 1
    path.write_text(json.dumps(data))


def empty_object(path: Path) -> None:
    path.write_text("{}")


DAMAGE: list[tuple[str, Callable[[Path], None]]] = [
    *itertools.product(["state.safetensors", "state.json", "segment"], [flip, cut_short, os.remove]),
    ("state.json", change_the_step),
    ("state.json", empty_object),
]


def damaged(run: Path, step: int, what: str, damage: Callable[[Path], None]) -> None:
    """Damage one file that belongs to the checkpoint of a step and not to those before it."""
    folder = run / "checkpoints" / f"{step:012d}"
    segments = json.loads((folder / "state.json").read_text())["segments"]
    damage(run / "replay" / segments[-1]["file"] if what == "segment" else folder / what)


@pytest.mark.parametrize(("what", "damage"), DAMAGE)
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, what: str, damage: Callable[[Path], None]) -> None:
    """And the run goes on from the one before, over whatever is left of the damaged one."""
    write_run(tmp_path, 5, 10, 15)
    damaged(tmp_path, 15, what, damage)
    store, step, replay = recover(tmp_path)
    assert step == 10
    advance(replay, 10, 13)
    save(store, 13, replay)
    assert sorted(path.name for path in store.checkpoints.iterdir()) == ["000000000010", "000000000013"]
    store, step, replay = recover(tmp_path)
    assert step == 13
    advance(replay, 13, 15)
    save(store, 15, replay)
    assert recover(tmp_path)[1] == 15


@pytest.mark.parametrize(("what", "damage"), DAMAGE)
def test_a_damaged_older_checkpoint_hinders_nothing(tmp_path: Path, what: str, damage: Callable[[Path], None]) -> None:
    """Neither the newer one, nor the next ones that a run writes."""
    write_run(tmp_path, 5, 30)  # so far apart that they share no segment
    damaged(tmp_path, 5, what, damage)
    store, step, replay = recover(tmp_path)
    assert step == 30
    damaged(tmp_path, 30, what, damage)
    advance(replay, 30, 60)
    save(store, 60, replay)
    assert recover(tmp_path)[1] == 60


def test_when_all_are_damaged_the_error_names_each(tmp_path: Path) -> None:
    write_run(tmp_path, 5, 10)
    damaged(tmp_path, 5, "state.safetensors", flip)
    damaged(tmp_path, 10, "state.json", change_the_step)
    with pytest.raises(UserError, match="Every checkpoint of this run is damaged: ") as error:
        CheckpointStore(tmp_path).latest()
    assert "000000000010: state.json does not match its hash." in str(error.value)
    assert "000000000005: state.safetensors is missing or does not match its hash." in str(error.value)


def test_another_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 2)
        write_run(tmp_path, 5)
    with pytest.raises(UserError, match="format 2 is not 1, which this version of maxent reads"):
        CheckpointStore(tmp_path).latest()


def test_reading_changes_nothing(tmp_path: Path) -> None:
    """Not even what looks like rubbish: it may be what the running process is just writing."""
    write_run(tmp_path, 5, 10)
    damaged(tmp_path, 10, "state.safetensors", flip)
    (tmp_path / "checkpoints" / "000000000015.tmp").mkdir()
    (tmp_path / "checkpoints" / "000000000015.tmp" / "state.safetensors").write_bytes(b"half")
    (tmp_path / "replay" / "000000000024-000000000036.safetensors").write_bytes(b"new")
    before = tree(tmp_path)
    assert recover(tmp_path)[1] == 5
    assert tree(tmp_path) == before


def test_the_next_checkpoint_clears_away_what_was_left(tmp_path: Path) -> None:
    write_run(tmp_path, 5, 10)
    (tmp_path / "checkpoints" / "000000000015.tmp").mkdir()
    (tmp_path / "checkpoints" / "000000000015.tmp" / "state.safetensors").write_bytes(b"half")
    orphan = "000000000024-000000000036.safetensors"
    (tmp_path / "replay" / orphan).write_bytes(b"new")
    (tmp_path / "replay" / f"{orphan}.0123456789abcdef.tmp").write_bytes(b"half")
    store, _, replay = recover(tmp_path)
    advance(replay, 10, 12)
    save(store, 12, replay)
    assert sorted(path.name for path in store.checkpoints.iterdir()) == ["000000000010", "000000000012"]
    assert not any(name.startswith(orphan) for name in tree(store.replay))
    assert recover(tmp_path)[1] == 12


def test_episodes_that_are_cut_off_again_and_again_at_one_step(tmp_path: Path) -> None:
    """A run whose environments do not come back ends their episodes at each resume, even if it then makes no step."""
    store, replay = CheckpointStore(tmp_path), replay_at(4)
    save(store, 4, replay)
    for count in range(1, 4):
        replay.end_episode(np.arange(LANES), seen(4, count))
        save(store, 4, replay)
        reader, back = CheckpointStore(tmp_path), fresh_replay()
        snapshot = reader.latest()
        assert snapshot is not None
        reader.read_replay(snapshot, back)
        back.begin(seen(4, count))
        for name, column in replay.columns.items():
            np.testing.assert_array_equal(back.columns[name].numpy(), column.numpy())


def die_everywhere(
    run: Path, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Path], object], act: Callable[[Path], object]
) -> list[Path]:
    """Copies of a run, each killed at another operation of `act`; the last one is not killed."""
    found = []
    for fatal in itertools.count():
        copy = run / str(fatal)
        prepare(copy)
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            try:
                act(copy)
            except Killed:
                found.append(copy)
                continue
        return [*found, copy]
    return found


def test_killed_at_any_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the fourth checkpoint of a run, which drops the second one and the segment that only that one needs."""

    def act(run: Path) -> None:
        store, step, replay = recover(run)
        advance(replay, step, 25)
        save(store, 25, replay)

    runs = die_everywhere(tmp_path, monkeypatch, lambda run: write_run(run, 5, 10, 20), act)
    assert len(runs) > 12
    reached = []
    for run in runs:
        store, step, replay = recover(run)
        reached.append(step)
        advance(replay, step, 25)
        save(store, 25, replay)  # over what may be there of it
        assert sorted(path.name for path in store.checkpoints.iterdir()) == ["000000000020", "000000000025"]
        store, step, replay = recover(run)
        advance(replay, step, 27)
        save(store, 27, replay)
        assert recover(run)[1] == 27
        assert sorted(path.name for path in store.checkpoints.iterdir()) == ["000000000025", "000000000027"]
    assert reached == sorted(reached)  # up to some operation the old one, from then on the new one
    assert set(reached) == {20, 25}


def test_killed_at_any_operation_while_a_step_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only checkpoint there is gives way to another of the same step: there is always one of the two."""

    def act(run: Path) -> None:
        store, _, replay = recover(run)
        store.write(5, {"again": True}, {"x": torch.zeros(2)}, replay)

    runs = die_everywhere(tmp_path, monkeypatch, lambda run: write_run(run, 5), act)
    assert len(runs) > 8
    again = []
    for run in runs:
        snapshot = CheckpointStore(run).latest()
        assert snapshot is not None
        again.append("again" in snapshot.plain)
    assert [path.name for path in (runs[-1] / "checkpoints").iterdir()] == ["000000000005"]
    for run in runs:
        store = CheckpointStore(run)
        for step in (5, 9):
            save(store, step, replay_at(step))
        assert recover(run)[1] == 9
        assert sorted(path.name for path in store.checkpoints.iterdir()) == ["000000000005", "000000000009"]
    assert again == sorted(again)
    assert set(again) == {False, True}


def test_killed_at_any_operation_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = die_everywhere(tmp_path, monkeypatch, Path.mkdir, lambda run: write_run(run, 5))
    reached = [recover(run)[1] for run in runs]
    assert reached == sorted(reached)
    assert set(reached) == {0, 5}


def test_an_infinite_setting_does_not_reach_a_checkpoint(tmp_path: Path) -> None:
    """JSON has no infinity; what is there stays."""
    store = write_run(tmp_path, 5)
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write(6, {"x": math.inf}, {}, None)
    assert recover(tmp_path)[1] == 5
