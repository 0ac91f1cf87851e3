"""Checkpoints: everything a run needs to continue bit for bit.

    checkpoints/000000020000/state.safetensors    networks, optimisers, random streams, episodes, best policy
    checkpoints/000000020000/state.json           counters, hashes, and the list of its replay segments
    replay/000000010025-000000020050.safetensors  replay rows written between two checkpoints (see `segments`)

A checkpoint is a folder that is written under another name and renamed: it exists completely or not at all. The last
two are kept; a damaged one, whose hashes do not match, is skipped for the one before it. Reading changes nothing, so a
run can be inspected while it is being written; the next checkpoint removes what an interrupted run left.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from torch import Tensor

from maxent.errors import NewerVersionError, UserError
from maxent.runs.files import (
    is_folder,
    is_taken,
    make_folder,
    naming,
    read_json,
    require_folder,
    require_format,
    require_regular,
    sha256,
    sync,
    write_json,
)
from maxent.runs.layout import CHECKPOINTS, OLD, checkpoint_folders, newest_checkpoint
from maxent.runs.segments import RowSource, RowTarget, SegmentStore, require_segments
from maxent.runs.tensors import read_tensors, write_tensors
from maxent.untrusted import Whole, require

FORMAT = 2
KEPT = 2
ATTEMPTS = 20
"""How often reading begins anew because the run writes checkpoints meanwhile, and removes those being read."""

UNFINISHED = re.compile(r"[0-9]{12}\.tmp")


@dataclass(frozen=True)
class Snapshot:
    """One checkpoint in memory: plain data, tensors, and the replay segments in the order they were written."""

    plain: dict[str, Any]
    tensors: dict[str, Tensor]
    segments: tuple[dict[str, Any], ...]
    skipped: tuple[str, ...] = ()
    """What is wrong with each newer checkpoint, which this one stands in for."""

    def below(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names start with the prefix, without it."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}


@final
class CheckpointStore:
    """Writes and reads the checkpoints of one run folder."""

    def __init__(self, run: Path) -> None:
        self.checkpoints, self.replay = run / CHECKPOINTS, run / "replay"
        self._segments = SegmentStore(self.replay)

    def write(
        self, step: int, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], replay: RowSource | None
    ) -> Path:
        """Write the checkpoint of this step: new replay rows first, then the state; then remove what is too old."""
        make_folder(self.checkpoints)
        if replay is not None:
            self._segments.append(replay)
        folder = self.checkpoints / f"{step:012d}"
        aside = folder.with_name(folder.name + ".tmp")
        _remove(aside)
        aside.mkdir()
        manifest = {
            "format": FORMAT,
            "plain": plain,
            "state": write_tensors(aside / "state.safetensors", tensors),
            "segments": self._segments.needed,
        }
        write_json(aside / "state.json", {"hash": _digest(manifest), **manifest})
        old = folder.with_name(folder.name + OLD)
        if is_taken(folder):  # the same step written again: one of the two always exists
            require_folder(folder)
            _remove(old)
            folder.rename(old)
            sync(self.checkpoints)
        aside.rename(folder)
        sync(self.checkpoints)
        _remove(old)
        self._prune(folder)
        return folder

    @property
    def newest(self) -> int | None:
        """The step of the newest checkpoint, damaged or not; None if there is none."""
        return newest_checkpoint(self.checkpoints)

    def latest(self) -> Snapshot | None:
        """Return the newest undamaged checkpoint; None if there are no checkpoints."""
        if is_taken(self.checkpoints):
            require_folder(self.checkpoints)
        for _ in range(ATTEMPTS):
            before = self.listing()
            try:
                snapshot = self._latest()
            except UserError:
                if self.listing() == before:
                    raise
            else:
                if (snapshot is not None and not snapshot.skipped) or self.listing() == before:
                    return snapshot
        return self._latest()

    def listing(self) -> frozenset[tuple[str, int]]:
        """Return names and inodes of all checkpoints; while they stay the same, no checkpoint is written."""
        if not is_folder(self.checkpoints):
            return frozenset()
        return frozenset((entry.name, entry.inode()) for entry in os.scandir(self.checkpoints))

    def _latest(self) -> Snapshot | None:
        """Return the newest undamaged checkpoint, unless the run writes others meanwhile."""
        problems: list[str] = []
        for folder in reversed(checkpoint_folders(self.checkpoints)):
            try:
                return replace(self._read(folder), skipped=tuple(problems))
            except NewerVersionError:  # an older checkpoint would lose the work of the newer version
                raise
            except (UserError, OSError) as error:
                problems.append(f"{folder.name}: {error}")
        if problems:
            raise UserError(
                f"Every checkpoint of this run is damaged: {' '.join(problems)} "
                "Its policies can be loaded where the folders last/ and best/ are whole."
            )
        return None

    def read_replay(self, snapshot: Snapshot, replay: RowTarget) -> None:
        """Put the rows of the snapshot's segments into an empty replay buffer."""
        self._segments.read(snapshot.segments, replay)

    def _manifest(self, folder: Path) -> dict[str, Any]:
        """Return the content of state.json after checking its hash, its format and every file name in it."""
        data = read_json(folder / "state.json")
        manifest = {key: value for key, value in data.items() if key != "hash"}
        if data.get("hash") != _digest(manifest):
            raise UserError("state.json does not match its hash.")
        require_format("state.json", manifest, FORMAT)
        with naming("state.json"):
            require(manifest, {"format": Whole(), "plain": dict, "state": str, "segments": list})
            require_segments(manifest["segments"])
        return manifest

    def _read(self, folder: Path) -> Snapshot:
        """Return the checkpoint in a folder after checking every file that belongs to it."""
        manifest = self._manifest(folder)
        files = {folder / "state.safetensors": manifest["state"]}
        if manifest["segments"]:
            require_folder(self.replay)
        files |= {self.replay / segment["file"]: segment["hash"] for segment in manifest["segments"]}
        for path in files:
            if is_taken(path):
                require_regular(path)
        for path, digest in files.items():
            if not path.exists() or sha256(path) != digest:
                raise UserError(f"{path.name} is missing or does not match its hash.")
        return Snapshot(manifest["plain"], read_tensors(folder / "state.safetensors"), tuple(manifest["segments"]))

    def _prune(self, written: Path) -> None:
        """Remove checkpoints after the one just written, left by an interrupted run, and those that are too old."""
        folders = checkpoint_folders(self.checkpoints)
        after = folders.index(written) + 1
        found = self.checkpoints.iterdir()
        unfinished = [path for path in found if UNFINISHED.fullmatch(path.name) and is_folder(path)]
        for folder in (*folders[after:], *folders[:after][:-KEPT], *unfinished):
            _remove(folder)
        named: set[str] = set()
        for folder in checkpoint_folders(self.checkpoints):
            with suppress(UserError):  # a damaged one names no segments
                named |= {segment["file"] for segment in self._manifest(folder)["segments"]}
        self._segments.keep_only(named)


def _remove(folder: Path) -> None:
    """Remove a checkpoint folder if there is one; raise if the name belongs to anything else."""
    if is_taken(folder):
        require_folder(folder)
        shutil.rmtree(folder)


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
