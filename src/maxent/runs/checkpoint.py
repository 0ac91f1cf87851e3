"""Checkpoints: everything a run needs to go on, bit for bit.

    checkpoints/000000020000/state.safetensors    networks, optimisers, random streams, episodes, best policy
    checkpoints/000000020000/state.json           counters, hashes, and which replay segments belong to it
    replay/000000010025-000000020050.safetensors  the replay rows written between two checkpoints, never rewritten;
                                                  counted over all lanes from the beginning of the run

A checkpoint is a folder that is written under another name and renamed: it is there whole or not at all. The last two
are kept; a damaged one (hashes do not match) is passed over for the one before it. Reading changes nothing, so a run
can be looked at while it is under way; what a cut-off run left behind is cleared away by the next checkpoint.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from maxent.errors import UserError
from maxent.replay import Replay
from maxent.runs.files import read_json, read_tensors, sha256, sync, write_json, write_tensors

FORMAT = 1
KEPT = 2
OLD = ".old"
"""Ends the name of a checkpoint while another one of the same step takes its place."""


@dataclass(frozen=True)
class Snapshot:
    """One checkpoint in memory: plain data, tensors, and the replay segments in the order of their writing."""

    plain: dict[str, Any]
    tensors: dict[str, Tensor]
    segments: tuple[dict[str, Any], ...]

    def below(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with the prefix, without it."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}


@final
class CheckpointStore:
    """Writes and reads the checkpoints of one run folder."""

    def __init__(self, run: Path) -> None:
        self.checkpoints, self.replay = run / "checkpoints", run / "replay"
        self._segments: list[dict[str, Any]] = []
        self._saved: np.ndarray | None = None  # [L] replay rows already in segments

    def write(self, step: int, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], replay: Replay | None) -> Path:
        """Write the checkpoint of this step: first the new replay rows, then the state, then drop what is too old."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        if replay is not None:
            self._append(replay)
        folder = self.checkpoints / f"{step:012d}"
        aside = folder.with_name(folder.name + ".tmp")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        manifest = {
            "format": FORMAT,
            "plain": plain,
            "state": write_tensors(aside / "state.safetensors", tensors),
            "segments": self._segments,
        }
        write_json(aside / "state.json", {"hash": _digest(manifest), **manifest})
        old = folder.with_name(folder.name + OLD)
        if folder.exists():  # the same step written again: there is always one of the two
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        aside.rename(folder)
        sync(self.checkpoints)
        shutil.rmtree(old, ignore_errors=True)
        self._prune(folder)
        return folder

    @property
    def newest(self) -> int | None:
        """The step of the newest checkpoint, whole or damaged; None if there is none at all."""
        folders = self._folders()
        return int(folders[-1].name.removesuffix(OLD)) if folders else None

    def latest(self) -> Snapshot | None:
        """The newest whole checkpoint; None if there is none at all."""
        problems = []
        for folder in reversed(self._folders()):
            try:
                return self._read(folder)
            except (UserError, OSError) as error:
                problems.append(f"{folder.name}: {error}")
        if problems:
            raise UserError("Every checkpoint of this run is damaged: " + " ".join(problems))
        return None

    def read_replay(self, snapshot: Snapshot, replay: Replay) -> None:
        """Put the rows of the snapshot's segments back into an empty replay."""
        for segment in snapshot.segments:
            parts = {name: tensor.numpy() for name, tensor in read_tensors(self.replay / segment["file"]).items()}
            replay.put_rows(parts)
        self._segments = list(snapshot.segments)
        self._saved = replay.written.copy()

    def _append(self, replay: Replay) -> None:
        """Write the rows since the last segment as a new one, and leave out those that no ring needs any more."""
        self.replay.mkdir(parents=True, exist_ok=True)
        saved = np.zeros_like(replay.written) if self._saved is None else self._saved
        if not (replay.written > saved).any():
            return
        name = f"{saved.sum():012d}-{replay.written.sum():012d}.safetensors"
        parts = {part: torch.from_numpy(array) for part, array in replay.rows_since(saved).items()}
        digest = write_tensors(self.replay / name, parts)
        end = replay.written.tolist()
        self._saved = replay.written.copy()
        oldest = replay.written - replay.ring + 1  # a segment is needed while any lane still holds one of its rows
        needed = [segment for segment in self._segments if (np.array(segment["end"]) > oldest).any()]
        self._segments = [*needed, {"file": name, "hash": digest, "end": end}]

    def _manifest(self, folder: Path) -> dict[str, Any]:
        """What state.json says, after checking that it says what was written."""
        data = read_json(folder / "state.json")
        manifest = {key: value for key, value in data.items() if key != "hash"}
        if data.get("hash") != _digest(manifest):
            raise UserError("state.json does not match its hash.")
        if manifest["format"] != FORMAT:
            raise UserError(f"format {manifest['format']} is not {FORMAT}, which this version of maxent reads.")
        return manifest

    def _read(self, folder: Path) -> Snapshot:
        """The checkpoint in a folder, after checking every file that belongs to it."""
        manifest = self._manifest(folder)
        files = {folder / "state.safetensors": manifest["state"]}
        files |= {self.replay / segment["file"]: segment["hash"] for segment in manifest["segments"]}
        for path, digest in files.items():
            if not path.exists() or sha256(path) != digest:
                raise UserError(f"{path.name} is missing or does not match its hash.")
        return Snapshot(manifest["plain"], read_tensors(folder / "state.safetensors"), tuple(manifest["segments"]))

    def _folders(self) -> list[Path]:
        """The checkpoints from the oldest to the newest; of two with the same step, the replaced one comes first."""
        if not self.checkpoints.is_dir():
            return []
        found = [path for path in self.checkpoints.iterdir() if path.is_dir() and path.name.removesuffix(OLD).isdigit()]
        return sorted(found, key=lambda path: (path.name.removesuffix(OLD), not path.name.endswith(OLD)))

    def _prune(self, written: Path) -> None:
        """Remove what came after the checkpoint just written, in a run cut off there, and what is too old."""
        folders = self._folders()
        after = folders.index(written) + 1
        unfinished = self.checkpoints.glob("*.tmp")
        for folder in (*folders[after:], *folders[:after][:-KEPT], *unfinished):
            shutil.rmtree(folder)
        self._drop_segments()

    def _drop_segments(self) -> None:
        """Delete the segments that no kept checkpoint names; one that is damaged names none."""
        if not self.replay.is_dir():
            return
        named: set[str] = set()
        for folder in self._folders():
            with suppress(UserError):
                named |= {segment["file"] for segment in self._manifest(folder)["segments"]}
        for path in self.replay.iterdir():
            if path.name not in named:
                path.unlink()


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
