"""Replace a folder by a new one, so that one of the two can be found at every moment."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maxent.errors import UserError
from maxent.runs.files import TEMPORARY, is_folder, is_taken, make_folder, sync

OLD = ".old"
"""Suffix of the replaced folder until the new one has its name."""


@contextmanager
def replacing_folder(path: Path, marker: str) -> Iterator[Path]:
    """Create a temporary folder for the block to fill, then put it in the place of `path`.

    The new folder gets an empty file `marker`; a folder is replaced or removed only if it has one. If the block fails,
    `path` stays. If the process is killed between the two renames, `current_folder` finds the old folder.
    """
    old = path.with_name(path.name + OLD)
    with _writing(path):
        if not path.parent.exists():
            make_folder(path.parent)
    for folder in (path, old):
        if is_taken(folder) and not (is_folder(folder) and (folder / marker).exists()):
            raise UserError(f"{folder} exists and has no file {marker!r}: it is not replaced, choose another name.")
    if is_taken(old) and not is_taken(path):
        old.rename(path)
    temporary = _temporary(path)
    with _writing(path):
        for stale in path.parent.iterdir():  # of a process that was killed
            found = TEMPORARY.fullmatch(stale.name)
            if found and found["name"] == path.name and is_folder(stale):
                shutil.rmtree(stale)
        temporary.mkdir()
    try:
        yield temporary
        (temporary / marker).touch(exist_ok=False)
        sync(temporary)
    except Exception:
        shutil.rmtree(temporary)
        raise
    _discard(old, path)
    if is_taken(path):
        path.rename(old)
        sync(path.parent)
    temporary.rename(path)
    sync(path.parent)
    _discard(old, path)


def current_folder(path: Path, marker: str) -> Path:
    """Return `path`, or the folder it had replaced if the process was killed before `path` had its name again."""
    old = path.with_name(path.name + OLD)
    return old if not is_taken(path) and is_folder(old) and (old / marker).exists() else path


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise `UserError` instead of an error of the operating system."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another folder.") from error


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")


def _discard(old: Path, path: Path) -> None:
    """Remove the replaced folder under a temporary name: half removed, it has lost its marker and is found by name."""
    if is_taken(old):
        aside = _temporary(path)
        old.rename(aside)
        shutil.rmtree(aside)
