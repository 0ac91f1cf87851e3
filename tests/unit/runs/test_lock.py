"""The lock of a run folder, and looking at it."""

import threading
from pathlib import Path

from maxent.runs.lock import is_locked, release_lock, take_lock


def test_a_lock_is_seen_until_it_is_released(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    lock = take_lock(tmp_path)
    assert lock is not None
    assert is_locked(tmp_path)
    assert take_lock(tmp_path) is None
    release_lock(lock)
    assert not is_locked(tmp_path)


def test_looking_at_a_folder_does_not_keep_a_run_from_starting(tmp_path: Path) -> None:
    """The look takes a shared lock for an instant, which the run waits for."""
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            is_locked(tmp_path)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(200):
            lock = take_lock(tmp_path)
            assert lock is not None
            release_lock(lock)
    finally:
        ended.set()
        watcher.join()
