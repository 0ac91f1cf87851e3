"""Whatever happens to the files, there is a complete checkpoint to continue from."""

import itertools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stores import LANES, RING, advance, fresh_replay, recover, replay_at, save, seen, tree, write_run

from maxent.errors import UserError
from maxent.runs import checkpoint, segments
from maxent.runs.checkpoint import CheckpointStore, Snapshot
from maxent.runs.tensors import read_arrays


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


@pytest.mark.parametrize("rows", [1, 2, 5, 100])
def test_many_rows_are_written_in_segments_of_a_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Each is in memory while it is written or read. By step 20 the rings of 7 completed rows are written over."""
    monkeypatch.setattr(segments, "LARGEST", rows * fresh_replay().row_bytes)
    write_run(tmp_path, 4, 20)
    counts = [read_arrays(path)["count"].sum() for path in (tmp_path / "replay").iterdir()]
    assert max(counts) <= rows + LANES - 1  # each lane is divided, and rounded, for itself
    assert len(counts) == max(-(-9 // rows), 1) + max(-(-2 * (RING - 1) // rows), 1)
    assert recover(tmp_path)[1] == 20


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
        patch.setattr(checkpoint, "FORMAT", 3)
        write_run(tmp_path, 5)
    with pytest.raises(UserError, match="format 3 is not 2, which this version of maxent reads"):
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


def test_an_infinite_setting_does_not_reach_a_checkpoint(tmp_path: Path) -> None:
    """JSON has no infinity; what is there stays."""
    store = write_run(tmp_path, 5)
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write(6, {"x": math.inf}, {}, None)
    assert recover(tmp_path)[1] == 5


@pytest.mark.parametrize("again", [False, True], ids=["newer ones", "the same step"])
def test_a_checkpoint_that_is_replaced_while_it_is_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """The run has written others when its reader comes to the second file."""
    writer, replay = write_run(tmp_path, 5, 10), replay_at(10)
    require = checkpoint.require_format

    def slow(*arguments: Any) -> None:
        monkeypatch.setattr(checkpoint, "require_format", require)
        for step in (10,) if again else (12, 15, 20):
            advance(replay, int(replay.written[0]), step)
            writer.write(step, {"new": step}, {"x": torch.zeros(1)}, replay)
        require(*arguments)

    monkeypatch.setattr(checkpoint, "require_format", slow)
    snapshot = CheckpointStore(tmp_path).latest()
    assert snapshot is not None
    assert snapshot.plain == {"new": 10 if again else 20}
    assert snapshot.skipped == ()


def test_checkpoints_that_all_went_while_they_were_listed_are_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else a reader takes the run for one that has not begun."""
    writer, read = write_run(tmp_path, 5, 10), CheckpointStore._latest

    def missing(store: CheckpointStore) -> Snapshot | None:
        monkeypatch.setattr(CheckpointStore, "_latest", read)
        save(writer, 12, replay_at(12))
        return None

    monkeypatch.setattr(CheckpointStore, "_latest", missing)
    assert recover(tmp_path)[1] == 12
