"""A disk that loses its power: what is left below a folder if only synced contents and names are sure to be there."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

Entries = dict[str, tuple[int, bool]]  # name → inode, and whether it is a folder


@dataclass
class Moment:
    """The state just before a sync: names as they are now, names and contents that are on the disk."""

    live: dict[int, Entries]
    names: dict[int, Entries]
    contents: dict[int, bytes]
    done: int  # how many acts were complete


@dataclass
class PowerCut:
    """Records the moments before each fsync below `root` while `act` is complete up to `done`."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    moments: list[Moment] = field(default_factory=list)
    done: int = 0

    def __post_init__(self) -> None:
        self._names: dict[int, Entries] = {}
        self._contents: dict[int, bytes] = {}
        self._held: list[int] = []  # an inode that is held open is not given to another file
        self._sync = os.fsync
        for path in (self.root, *self.root.rglob("*")):
            descriptor = os.open(path, os.O_RDONLY)
            self._note(descriptor)
            os.close(descriptor)
        self.monkeypatch.setattr(os, "fsync", self._synced)

    def _synced(self, descriptor: int) -> None:
        self.capture()
        self._note(descriptor)

    def _note(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self._held.append(os.dup(descriptor))
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if stat.S_ISDIR(status.st_mode):
            self._names[status.st_ino] = entries(path)
        else:
            self._contents[status.st_ino] = path.read_bytes()

    def capture(self) -> None:
        """Record this moment."""
        folders = [self.root, *(path for path in self.root.rglob("*") if path.is_dir())]
        live = {path.stat().st_ino: entries(path) for path in folders}
        self.moments.append(Moment(live, dict(self._names), dict(self._contents), self.done))

    def end(self) -> None:
        """Release the inodes."""
        for descriptor in self._held:
            os.close(descriptor)

    def restore(self, moment: Moment, target: Path, dice: Random, luck: float) -> None:
        """Build what is left: each folder has its synced names, or with probability `luck` the newer ones too.

        A file that was never synced is empty, cut short or garbled.
        """
        self._restore(self.root.stat().st_ino, moment, target, dice, luck)

    def _restore(self, inode: int, moment: Moment, target: Path, dice: Random, luck: float) -> None:
        target.mkdir()
        kept = moment.names.get(inode, {})
        lucky = dice.random() < luck
        for name, (child, folder) in (moment.live.get(inode, kept) if lucky else kept).items():
            if folder:
                self._restore(child, moment, target / name, dice, luck)
            else:
                lost = dice.choice([b"", b"{", bytes(100)])
                (target / name).write_bytes(moment.contents.get(child, lost))


def entries(folder: Path) -> Entries:
    """The names in a folder."""
    return {entry.name: (entry.inode(), entry.is_dir()) for entry in os.scandir(folder)}
