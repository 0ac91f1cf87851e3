"""Files that are never half written, and the checks before a file of a stranger is opened.

Reading refuses symbolic links, pipes and devices. Writing goes through temporary files with fresh names, created
exclusively, so nothing is ever written through a link. Tensors are in `tensors`.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maxent.errors import FileError, NewerVersionError, UserError
from maxent.untrusted import BYTES, parse_json, require, short

TEMPORARY = re.compile(r"(?P<name>.+)\.[0-9a-f]{16}\.tmp")
"""Names of temporary files: the final name, a random number and `.tmp`."""

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe without a writer must not block


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data, completely or not at all."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def read_json(path: Path, schema: Any = dict) -> dict[str, Any]:
    """Return the object of a JSON file, checked against a schema (`maxent.untrusted`)."""
    with naming(path):
        data = parse_json(read_bytes(path))
        require(data, schema)
    found: dict[str, Any] = data
    return found


def require_format(path: Path | str, data: Mapping[str, Any], known: int) -> None:
    """Raise unless a file is in the format of this version."""
    found = data.get("format")
    if isinstance(found, int) and known < found < 1_000:
        raise NewerVersionError(path, found, known)
    if found != known or isinstance(found, bool):
        raise FileError(path, f"format {short(found)} is not {known}, which this version of maxent reads")


def read_bytes(path: Path, most: int = BYTES) -> bytes:
    """Return the content of a regular file of at most `most` bytes."""
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise FileError(path, f"expected at most {most:,} bytes, got {size:,}")
        return file.read(size)  # a number beyond it would be taken from memory at once


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Let errors about the content of a file name it."""
    try:
        yield
    except FileError:
        raise
    except UserError as error:
        raise FileError(path, str(error)) from error


def read_text(path: Path) -> str:
    """Return the content of a regular UTF-8 text file."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(path, f"it is not a text file: {error}") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file."""
    with os.fdopen(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Return a descriptor of an existing regular file; refuse links, pipes and devices."""
    require_regular(path)
    descriptor = os.open(path, flags | NO_FOLLOW | NO_WAIT)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # changed since it was checked
        os.close(descriptor)
        raise FileError(path, "it changed while it was being opened", "try again")
    return descriptor


def require_regular(path: Path) -> None:
    """Raise unless the path is a regular file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (OSError, ValueError) as error:  # a name that is too long, or no name
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not stat.S_ISREG(mode):
        raise FileError(path, f"expected a regular file, got {_kind(mode)}", _ADVICE)


def require_folder(path: Path) -> None:
    """Raise unless the path is a folder, and not a link to one."""
    mode = path.lstat().st_mode
    if not stat.S_ISDIR(mode):
        raise FileError(path, f"expected a folder, got {_kind(mode)}", _ADVICE)


def is_regular(path: Path) -> bool:
    """Return whether the path is a regular file, and not a link to one."""
    return path.is_file() and not path.is_symlink()


def is_folder(path: Path) -> bool:
    """Return whether the path is a folder, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def is_taken(path: Path) -> bool:
    """Return whether anything has this name, be it a link that leads nowhere."""
    return path.is_symlink() or path.exists()


def make_folder(path: Path) -> None:
    """Create a folder with its parents, and sync each parent; refuse a link in its place."""
    missing = [path]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for folder in reversed(missing):
        try:
            folder.mkdir()
        except FileExistsError:
            require_folder(folder)
        else:
            sync(folder.parent)


def require_no_folder(path: Path) -> None:
    """Raise `FileError` if there is a folder where a file is to be written."""
    if path.is_dir() and not path.is_symlink():
        raise FileError(path, "expected a file or nothing, got a folder", "move it away")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Create a temporary file for the block to write, then sync it and rename it to `path`."""
    require_no_folder(path)
    for stale in path.parent.iterdir():  # of a process that was killed
        if temporary_of(stale) == path.name:
            stale.unlink()
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666))
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    except Exception:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def temporary_of(path: Path) -> str | None:
    """Return the name that a temporary file of `replacing` was meant for; None for any other file."""
    found = TEMPORARY.fullmatch(path.name)
    return found["name"] if found and is_regular(path) else None


def sync(path: Path) -> None:
    """Flush a file or folder to the disk, so that a later rename cannot overtake its content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_space(folder: Path, needed: int) -> None:
    """Raise if the disk has less free space than the run may need."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder} has {free / 1e6:,.0f} MB free and the run needs up to {needed / 1e6:,.0f} MB: "
            "free some space, choose another --run-dir or a smaller --buffer-size."
        )


_ADVICE = "a run folder may hold plain files and folders only: put the content itself there"


def _kind(mode: int) -> str:
    """Return the kind of a file in words."""
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a regular file" if stat.S_ISREG(mode) else "a pipe, socket or device"
