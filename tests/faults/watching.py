"""An audit hook that records what a program does outside a folder: files, processes, connections, imports."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from maxent.cache import cache_folder

READABLE = ("/proc/", "/sys/", "/usr/share/zoneinfo", "/etc/localtime")
UNNAMED = getattr(os, "O_TMPFILE", -1)
CHANGES = (
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "shutil.rmtree", "shutil.move", "shutil.copyfile",
)  # fmt: skip
FORBIDDEN = ("subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.startfile", "os.fork", "socket.",
             "ctypes.dlopen", "pty.spawn", "urllib.", "ftplib.", "smtplib.", "webbrowser.",
             "pickle.find_class")  # fmt: skip


class Watch:
    """An audit hook that records what happens outside a folder while it is on."""

    def __init__(self, inside: Path) -> None:
        self.inside, self.on = os.path.realpath(inside) + os.sep, False
        self.found: list[str] = []
        prefixes = {
            sys.prefix,
            sys.base_prefix,
            *(path for path in sys.path if "packages" in path or "python3" in path),
        }
        self.installed = (
            *(os.path.realpath(path) + os.sep for path in prefixes),
            str(Path(__file__).parents[2]) + "/src/",
        )
        # a checkpoint may say that its run is compiled: the caches of compiled code are then made ready
        own = os.path.realpath(cache_folder("inductor") or inside)
        self.caches = own, os.path.join(os.path.realpath(tempfile.gettempdir()), "torchinductor_")
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Record an event if it is forbidden, or of a path outside the folder."""
        if not self.on:
            return
        if event.startswith(FORBIDDEN) and arguments != (None,):  # None: the program itself
            self.found.append(f"{event} {arguments[:2]}")
        elif event == "open" and isinstance(arguments[0], str | bytes):
            if arguments[2] & UNNAMED == UNNAMED:  # a replay on the disk, where a run has its rows there
                return
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
            self.note(event, arguments[0], read_only=not writes)
        elif event in CHANGES:
            count = 2 if event in ("os.rename", "os.link", "shutil.move") else 1
            folders = [one for one in arguments[count:] if isinstance(one, int) and event in ("os.remove", "os.rmdir")]
            for path in arguments[:count]:
                if isinstance(path, str | bytes):
                    inside = f"/proc/self/fd/{folders[0]}/" if folders and folders[0] >= 0 else ""
                    self.note(event, inside + os.fsdecode(path), read_only=False)
        elif event == "import" and str(arguments[0]).split(".")[0] in ("evil", "note"):
            self.found.append(f"import {arguments[0]}")

    def note(self, event: str, path: str | bytes, *, read_only: bool) -> None:
        place = os.fsdecode(path)
        head, name = os.path.split(place.rstrip(os.sep))
        # what is removed or renamed is a link itself, not what it leads to
        real = os.path.join(os.path.realpath(head), name) if event in CHANGES else os.path.realpath(place)
        allowed = real.startswith(self.inside) or real + os.sep == self.inside
        if read_only:
            allowed = allowed or real.startswith((*self.installed, *READABLE)) or os.path.isdir(real)
        made = event == "os.mkdir" and self.caches[0].startswith(real + os.sep)
        if not (allowed or made or real.startswith(self.caches)):
            self.found.append(f"{event} {real}")
