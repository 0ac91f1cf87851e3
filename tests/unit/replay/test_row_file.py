"""The file of a replay on the disk: without a name, for the user alone, with its space taken before it is written."""

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from maxent.errors import UserError
from maxent.replay import Replay, RowLayout
from maxent.replay.row_file import ALIGNMENT, BLOCK, RowFile, scratch_folder

FIRST = np.zeros(1, np.int64)

SPECS: list[tuple[tuple[int, ...], type[Any]]] = [((5, 3), np.float32), ((7,), np.uint8), ((4, 0), np.uint8)]


def make(folder: Path, rows: int) -> RowFile:
    return RowFile(folder, [((rows,), np.uint8)])


def test_arrays_start_as_zeros_and_lie_apart(tmp_path: Path) -> None:
    file = RowFile(tmp_path, [*SPECS, ((6,), np.float32)])
    assert [(array.shape, array.dtype) for array in file.arrays] == [
        ((5, 3), np.float32), ((7,), np.uint8), ((4, 0), np.uint8), ((6,), np.float32),
    ]  # fmt: skip
    assert not any(array.any() for array in file.arrays)
    for number, array in enumerate(file.arrays, 1):
        array[...] = number
    for number, array in enumerate(file.arrays, 1):
        assert (array == number).all()
        assert array.size == 0 or array.ctypes.data % ALIGNMENT == 0


def test_nobody_else_can_open_it(tmp_path: Path) -> None:
    """No name, no link and no rights of others: nothing to replace, to follow or to leave behind."""
    file = make(tmp_path, 7)
    file.reserve(FIRST, 7)
    status = os.fstat(file._file.fileno())
    assert list(tmp_path.iterdir()) == []
    assert status.st_nlink == 0
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == os.getuid()
    assert status.st_dev == tmp_path.stat().st_dev


def test_arrays_outlive_the_object(tmp_path: Path) -> None:
    file = RowFile(tmp_path, SPECS)
    array = file.arrays[0]
    array[...] = 4.0
    del file
    assert (array == 4.0).all()


def taken(file: RowFile | None) -> int:
    """Return the bytes that a file takes on the disk."""
    assert file is not None
    return os.fstat(file._file.fileno()).st_blocks * 512


def test_space_is_taken_as_it_is_needed(tmp_path: Path) -> None:
    """Before the first row none, so that the run may still get another folder; for loaded rows their own."""
    layout = RowLayout(floats=60, bytes=2, action=3)
    obs = {"float": np.ones((4, 60), np.float32), "byte": np.ones((4, 2), np.uint8)}
    full = 4 * 5_000 * layout.nbytes
    replay = Replay(layout, members=2, lanes=2, capacity=10_000, folder=tmp_path)
    assert taken(replay.file) == 0
    replay.begin(obs)
    assert 0 < taken(replay.file) < full / 10
    replay.reserve(2_500)
    assert full / 2 <= taken(replay.file) < full * 0.6
    replay.reserve(10**12)
    assert full <= taken(replay.file) < full * 1.1
    for _ in range(10):
        replay.add(
            np.ones((4, 3), np.float32), np.ones(4, np.float32), np.zeros(4, np.bool_), np.zeros(4, np.bool_), obs, obs
        )
    loaded = Replay(layout, members=2, lanes=2, capacity=10_000, folder=tmp_path)
    loaded.put_rows(replay.rows_since(np.zeros(4, np.int64)))
    assert 0 < taken(loaded.file) < full / 10
    assert loaded.file is not None
    assert loaded.file.reserved == 11  # and the pending row of each lane


@pytest.mark.parametrize("by_hand", [False, True])
def test_rows_are_kept_when_more_are_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_hand: bool) -> None:
    """Two parts of ten rows each; the first rows of both are written before the others are reserved."""
    if by_hand:
        monkeypatch.delattr(os, "posix_fallocate")
    file, first = RowFile(tmp_path, [((20, 3), np.float32), ((20,), np.uint8)]), np.array([0, 10])
    file.reserve(first, 4)
    for array in file.arrays:
        array[:4] = array[10:14] = 7
    file.reserve(first, 10)
    file.reserve(first, 3)
    for array in file.arrays:
        assert (array[:4] == 7).all()
        assert (array[10:14] == 7).all()
        assert not array[4:10].any()
        assert not array[14:].any()
    assert file.reserved == 10


def test_a_system_without_fallocate_writes_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    file = make(tmp_path, 2 * BLOCK + 100)
    file.reserve(FIRST, len(file.arrays[0]))
    assert os.fstat(file._file.fileno()).st_blocks * 512 >= file.size
    assert os.fstat(file._file.fileno()).st_size == file.size
    assert not file.arrays[0].any()


def test_a_disk_without_space_is_refused_before_it_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def must_not_run(*_: Any) -> NoReturn:
        raise AssertionError

    file = make(tmp_path, 3_000_000)
    usage = shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(os, "posix_fallocate", must_not_run)
    with pytest.raises(UserError, match=r"expected 3\.0 MB of disk space for the rows in .*, got: 2\.0 MB; free some"):
        file.reserve(FIRST, len(file.arrays[0]))
    assert file.reserved == 0


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT])
def test_what_the_system_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int) -> None:
    def full(*_: Any) -> NoReturn:
        raise OSError(reason, os.strerror(reason))

    file = make(tmp_path, 100)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=f"replay_storage: .* got: {os.strerror(reason)}; free some space"):
        file.reserve(FIRST, len(file.arrays[0]))


@pytest.mark.parametrize("rows", [2**62, 2**70])
def test_a_file_beyond_all_disks_is_refused(tmp_path: Path, rows: int) -> None:
    with pytest.raises(UserError, match="replay_storage: expected"):
        make(tmp_path, rows)


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"replay_storage: .* No such file or directory"):
        make(tmp_path / "none", 10)


def test_files_without_a_run_folder_go_to_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/tmp is in memory on many systems, /var/tmp on none; TMPDIR is the user's own choice."""
    monkeypatch.delenv("TMPDIR", raising=False)
    assert scratch_folder() == Path("/var/tmp")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert scratch_folder() == tmp_path
