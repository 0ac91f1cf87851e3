"""Replay segments: the replay rows written between two checkpoints, a file or more, never rewritten.

A segment is named after the rows it holds, counted over all lanes from the beginning of the run:
replay/000000010025-000000020050.safetensors.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.runs.files import is_folder, is_regular, make_folder, naming, temporary_of
from maxent.runs.tensors import read_arrays, write_tensors
from maxent.untrusted import ListOf, Whole, require, short

LARGEST = 2**28
"""Bytes of rows in a segment, which is in memory as a whole while it is written or read."""

NAME = re.compile(r"[0-9]{12}-[0-9]{12}\.safetensors")


class RowSource(Protocol):
    """A replay buffer whose rows can be saved."""

    @property
    def written(self) -> NDArray[np.int64]:
        """Rows completed since the beginning, for each lane. [L]"""

    @property
    def ring(self) -> int:
        """Rows that each lane holds, the pending one included."""

    @property
    def row_bytes(self) -> int:
        """Size of one row."""

    def rows_since(self, written: NDArray[np.int64], until: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the completed rows from position `written` to before `until` [L] of each lane that the rings hold."""


class RowTarget(Protocol):
    """An empty replay buffer that saved rows can be put into."""

    @property
    def written(self) -> NDArray[np.int64]:
        """Rows completed since the beginning, for each lane. [L]"""

    def put_rows(self, parts: Mapping[str, NDArray[Any]]) -> None:
        """Append the rows of one segment."""


@final
class SegmentStore:
    """Writes and reads the segments of one run folder.

    Attributes:
        needed: the segments that the current replay buffer consists of: file name, hash, and rows of each lane at
            its end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.needed: list[dict[str, Any]] = []
        self._saved: NDArray[np.int64] | None = None  # [L] rows already in segments

    def append(self, replay: RowSource) -> None:
        """Write the rows since the last segment as new ones; forget segments that no ring needs any more."""
        make_folder(self.folder)
        written = replay.written.copy()
        saved = np.zeros_like(written) if self._saved is None else self._saved
        oldest = written - replay.ring + 1  # a segment is needed while any lane still holds one of its rows
        self.needed = [segment for segment in self.needed if (np.array(segment["end"]) > oldest).any()]
        start = np.maximum(saved, oldest)
        rows = written - start
        count = -(-int(rows.sum()) * replay.row_bytes // LARGEST)
        for part in range(count):
            first, end = start + rows * part // count, start + rows * (part + 1) // count
            name = f"{saved.sum():012d}-{end.sum():012d}.safetensors"
            tensors = {key: torch.from_numpy(array) for key, array in replay.rows_since(first, end).items()}
            digest = write_tensors(self.folder / name, tensors)
            self.needed.append({"file": name, "hash": digest, "end": end.tolist()})
            self._saved = saved = end

    def read(self, segments: Sequence[Mapping[str, Any]], replay: RowTarget) -> None:
        """Put the rows of segments into an empty replay buffer, and continue after them."""
        for segment in segments:
            path = self.folder / segment["file"]
            with naming(path):
                replay.put_rows(read_arrays(path))
        self.needed = [dict(segment) for segment in segments]
        self._saved = replay.written.copy()

    def keep_only(self, names: Iterable[str]) -> None:
        """Delete every segment, finished or not, with another name; other files are left alone."""
        if not is_folder(self.folder):
            return
        kept = set(names)
        for path in self.folder.iterdir():
            segment = temporary_of(path) or path.name
            if NAME.fullmatch(segment) and path.name not in kept and is_regular(path):
                path.unlink()


def require_segments(segments: object) -> None:
    """Raise unless this is a manifest's list of segments with file names of their own pattern."""
    require(segments, ListOf({"file": str, "hash": str, "end": ListOf(Whole())}), "segments")
    assert isinstance(segments, list)
    for segment in segments:
        if not NAME.fullmatch(segment["file"]):
            raise UserError(
                "segments: expected a file named like 000000000000-000000000100.safetensors, got "
                f"{short(segment['file'])}."
            )
