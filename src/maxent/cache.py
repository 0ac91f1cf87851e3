"""The user's cache folder, for files that can be made again."""

import hashlib
import os
import platform
import re
import warnings
from functools import cache
from pathlib import Path

import torch


def cache_folder(name: str) -> Path | None:
    """Return the folder for one kind of file, created if necessary; None if it cannot be written or is not safe.

    Code is loaded from it, so every folder below the cache home must belong to the user and be writable by nobody else.
    Its path names the kind of processor, as code for one may not run on another and the folder may be on a network.
    """
    kind = f"{platform.machine()}-{torch.backends.cpu.get_cpu_capability()}-{_instructions()}".lower()
    try:
        folder = _home()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in ("maxent", name, kind):
            folder = folder / part
            folder.mkdir(mode=0o700, exist_ok=True)
            if problem := _problem(folder):
                _warn(folder, problem)
                return None
    except (OSError, RuntimeError):  # not writable; no home
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _home() -> Path:
    """Return $XDG_CACHE_HOME, or ~/.cache where that is not set or, as the XDG specification says, not absolute."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return home if home.is_absolute() else Path("~/.cache").expanduser().absolute()


def _problem(folder: Path) -> str:
    """Return what makes a folder, or the link that leads to it, unsafe to load code from; empty if nothing does."""
    if os.name != "posix":
        return ""
    status = folder.stat()
    if {status.st_uid, folder.lstat().st_uid} != {os.getuid()}:
        return "belongs to another user"
    if status.st_mode & 0o022:
        return f"others can write to (mode {status.st_mode & 0o777:03o})"
    return ""


@cache
def _warn(folder: Path, problem: str) -> None:
    """Warn once in a process about a folder."""
    warnings.warn(
        f"The cache folder {folder} is not used: expected a folder that only its user can write to, got one that "
        f"{problem}; remove it, or set XDG_CACHE_HOME to a folder of your own.",
        stacklevel=3,
    )


@cache
def _instructions() -> str:
    """Return a short hash of the processor's features, as far as the system lists them: compilers use all of them."""
    try:
        lines = re.findall(r"^(?:flags|Features)\s*:.*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        lines = []
    return hashlib.sha256("".join(sorted(set(lines))).encode()).hexdigest()[:8]
