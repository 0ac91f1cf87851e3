"""A disk that loses its power: what is left below a folder if only synced contents and names are sure to be there."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest

Entries = dict[str, tuple[int, bool]]  # name → inode, and whether it is a folder
Fate = Literal["lost", "kept", "some", "torn", "garbled"]

FATES: tuple[Fate, ...] = ("lost", "kept", "some", "torn", "garbled")
"""What happens to names and contents that were not synced: `some` are kept, the others lost; `torn`: names are kept,
contents end in the middle; `garbled`: names are kept, blocks of contents are replaced."""

BLOCK = 512


@dataclass
class Moment:
    """The state just before a sync."""

    names: dict[int, list[Entries]]  # of each folder: on the disk, then after each change since
    contents: dict[int, bytes]  # on the disk
    written: dict[int, bytes]  # as programs see them
    done: int  # how many acts were complete


@dataclass
class PowerCut:
    """Records the moments before each fsync below `root` while `act` is complete up to `done`."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    moments: list[Moment] = field(default_factory=list)
    done: int = 0

    def __post_init__(self) -> None:
        self._names: dict[int, list[Entries]] = {}
        self._contents: dict[int, bytes] = {}
        self._held: dict[int, int] = {}  # an inode that is held open is not given to another file
        for path in (self.root, *self.root.rglob("*")):
            descriptor = os.open(path, os.O_RDONLY)
            self._note(descriptor)
            os.close(descriptor)
        self.monkeypatch.setattr(os, "fsync", self._synced)
        for name in ("mkdir", "replace", "rename", "rmdir", "unlink"):
            self.monkeypatch.setattr(os, name, self._changing(getattr(os, name)))

    def _changing(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **options: Any) -> Any:
            self._look()  # at files that were created before
            result = operation(*arguments, **options)
            self._look()
            return result

        return changed

    def _look(self) -> list[Path]:
        """Note the names of each folder where they have changed; return all files."""
        files = []
        for folder, _, names in os.walk(self.root):
            self._hold(Path(folder))
            now, known = entries(Path(folder)), self._names.setdefault(os.stat(folder).st_ino, [{}])
            if now != known[-1]:
                known.append(now)
            files += [Path(folder) / name for name in names]
        return files

    def _hold(self, path: Path) -> int:
        inode = path.stat().st_ino
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)
        return inode

    def _synced(self, descriptor: int) -> None:
        self.capture()
        self._note(descriptor)

    def _note(self, descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        inode = self._hold(path)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._names[inode] = [entries(path)]
        else:
            self._contents[inode] = path.read_bytes()

    def capture(self) -> None:
        """Record this moment."""
        written = {self._hold(path): path.read_bytes() for path in self._look()}
        names = {inode: list(known) for inode, known in self._names.items()}
        self.moments.append(Moment(names, dict(self._contents), written, self.done))

    def end(self) -> None:
        """Release the inodes."""
        for descriptor in self._held.values():
            os.close(descriptor)

    def restore(self, moment: Moment, target: Path, dice: Random, fate: Fate) -> None:
        """Build what is left. The changes of a folder reach the disk in their order, those of several in any order."""
        self._restore(self.root.stat().st_ino, moment, target, dice, fate)

    def _restore(self, inode: int, moment: Moment, target: Path, dice: Random, fate: Fate) -> None:
        target.mkdir()
        known = moment.names.get(inode, [{}])
        names = known[0] if fate == "lost" else dice.choice(known) if fate == "some" else known[-1]
        for name, (child, folder) in names.items():
            if folder:
                self._restore(child, moment, target / name, dice, fate)
            else:
                (target / name).write_bytes(_left(child, moment, dice, fate))


def _left(inode: int, moment: Moment, dice: Random, fate: Fate) -> bytes:
    """Return the content of a file after the loss: what was synced and not written since is there."""
    synced = moment.contents.get(inode)
    new = moment.written.get(inode, synced or b"")
    if synced == new or fate == "kept" or (fate == "some" and dice.random() < 0.5):
        return new
    if fate in ("lost", "some"):
        return synced if synced is not None else dice.choice([b"", b"{", bytes(100)])
    safe = len(synced or b"") if new.startswith(synced or b"") else 0  # of a file that was only appended to
    if fate == "torn":
        return new[: dice.randint(safe, max(safe, len(new) - 1))]
    blocks = [new[:safe], *(new[at : at + BLOCK] for at in range(safe, len(new), BLOCK))]
    hit = dice.randrange(1, len(blocks)) if len(blocks) > 1 else 0
    return b"".join(dice.randbytes(len(block)) if hit and at == hit else block for at, block in enumerate(blocks))


def entries(folder: Path) -> Entries:
    """The names in a folder."""
    return {entry.name: (entry.inode(), entry.is_dir()) for entry in os.scandir(folder)}
