"""Whenever the process dies, there is a complete checkpoint to continue from."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from disk_faults import Disk, Killed
from stores import advance, recover, replay_at, save, write_run

from maxent.runs.checkpoint import CheckpointStore


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
