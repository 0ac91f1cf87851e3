"""The order in which names and contents reach the disk."""

import os
from pathlib import Path

import pytest
from small_runs import save

from maxent.runs.folder import RunFolder


def test_new_folders_reach_the_disk_with_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync of the folder that holds a name, after the name was made and before the checkpoint is complete."""
    happened: list[tuple[str, Path]] = []
    mkdir, rename, sync = os.mkdir, os.rename, os.fsync

    def made(path: Path, *rest: int) -> None:
        mkdir(path, *rest)
        happened.append(("name", Path(path)))

    def renamed(path: Path, target: Path) -> None:
        rename(path, target)
        happened.append(("name", Path(target)))

    def synced(descriptor: int) -> None:
        happened.append(("sync", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
        sync(descriptor)

    monkeypatch.setattr(os, "mkdir", made)
    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "fsync", synced)
    run = tmp_path / "run"
    store = RunFolder.create(run).checkpoints
    save(store, 3)
    save(store, 3)  # renames the first one before it takes its place
    folder = run / "checkpoints" / "000000000003"
    names = {path for kind, path in happened if kind == "name"}
    assert {run, run / "checkpoints", run / "replay", folder, folder.with_name(folder.name + ".old")} <= names
    for at, (kind, path) in enumerate(happened):
        if kind == "name":
            following = happened[at + 1 :]
            assert ("sync", path.parent) in following, path
    final = happened.index(("name", folder))
    for synced_first in (tmp_path, run, run / "replay", folder.with_name(folder.name + ".tmp")):
        assert ("sync", synced_first) in happened[:final], synced_first
