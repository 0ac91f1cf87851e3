"""Where things are kept that can be made again: the user's cache folder."""

import hashlib
import os
import platform
import re
from functools import cache
from pathlib import Path

import torch


def cache_folder(name: str) -> Path | None:
    """The folder for one kind of thing, made if need be; None where it cannot be written.

    Its path has the kind of processor, as code for one may not run on another and the folder may be on a network.
    """
    kind = f"{platform.machine()}-{torch.backends.cpu.get_cpu_capability()}-{_instructions()}".lower()
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        folder = Path(home) / "maxent" / name / kind
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # not writable; no home
        return None
    return folder if os.access(folder, os.W_OK) else None


@cache
def _instructions() -> str:
    """A name for what this processor can do, as far as the system says: compilers take all of it."""
    try:
        told = re.findall(r"^(?:flags|Features)\s*:.*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        told = []
    return hashlib.sha256("".join(sorted(set(told))).encode()).hexdigest()[:8]
