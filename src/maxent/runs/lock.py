"""The lock of a run folder: one process writes it at a time; the lock ends with that process."""

import os
import sys
import time
from pathlib import Path

ATTEMPTS = 5
PAUSE = 0.02
"""Seconds between attempts: `is_locked` of another process holds a shared lock for an instant."""


def take_lock(folder: Path) -> int | None:
    """Return a descriptor that holds the folder's lock until it is closed; None if another process has it.

    On Windows there is no such lock, and the descriptor is -1.
    """
    if sys.platform == "win32":
        return -1
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    for attempt in range(ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if attempt < ATTEMPTS - 1:
                time.sleep(PAUSE)
        else:
            return descriptor
    os.close(descriptor)
    return None


def release_lock(descriptor: int) -> None:
    """Release a lock of `take_lock`."""
    if descriptor >= 0:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Return whether a process writes the run; on Windows always False."""
    if sys.platform == "win32":
        return False
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
