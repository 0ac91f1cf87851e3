"""Arrays on a disk: a file without a name, mapped into memory."""

import mmap
import os
import shutil
import tempfile
import weakref
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError

ALIGNMENT = 64
"""The arrays of a file start at multiples of this many bytes, a cache line."""

BLOCK = 2**20


@final
class RowFile:
    """A file whose bytes are arrays. They are zero at first, and disappear with the process.

    The file has no name, so nobody else can open or replace it and no crash leaves it behind. Its pages are cached by
    the system, which may write them to the disk and drop them at any time: the arrays may be larger than the memory.

    Args:
        folder: decides which disk the file is on.
        specs: shape and type of each array.
    """

    def __init__(self, folder: Path, specs: list[tuple[tuple[int, ...], type[Any]]]) -> None:
        self.folder = folder
        self.reserved = 0
        """Rows whose space on the disk is taken, from each row in `first` of `reserve` on."""
        self._starts: list[int] = []
        self.size = 0
        for shape, dtype in specs:
            self._starts.append(self.size)
            self.size += -(-prod(shape) * np.dtype(dtype).itemsize // ALIGNMENT) * ALIGNMENT
        try:
            # O_TMPFILE where there is one; else created exclusively, for the user alone, and unlinked at once
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (it lives as long as the arrays)
            weakref.finalize(self, self._file.close)
            self._file.truncate(self.size)
            mapped = mmap.mmap(self._file.fileno(), self.size)
        except (OSError, ValueError, OverflowError) as error:
            raise self._refusal(self.size, str(error)) from error
        self.arrays: list[NDArray[Any]] = [
            np.ndarray(shape, dtype, mapped, start) for (shape, dtype), start in zip(specs, self._starts, strict=True)
        ]

    def reserve(self, first: NDArray[np.int64], rows: int) -> None:
        """Take the space of `rows` rows from each row in `first` on, before any of these is written.

        Writing to a mapped page for which the disk has no space would end the process with SIGBUS. Calls have the same
        `first`; what an earlier one has reserved stays.
        """
        if rows <= self.reserved:
            return
        sizes = [prod(array.shape[1:]) * array.itemsize for array in self.arrays]
        free, needed = shutil.disk_usage(self.folder).free, len(first) * (rows - self.reserved) * sum(sizes)
        if free < needed:  # the system would fill the disk before it finds out
            raise self._refusal(needed, f"{free / 1e6:,.1f} MB")
        try:
            for start, size in zip(self._starts, sizes, strict=True):
                for row in first.tolist() if size else []:
                    self._allocate(start + (row + self.reserved) * size, (rows - self.reserved) * size)
        except OSError as error:
            raise self._refusal(needed, error.strerror or str(error)) from error
        self.reserved = rows

    def _allocate(self, begin: int, length: int) -> None:
        """Take the space of some bytes of the file, which stay zero."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), begin, length)
            return
        self._file.seek(begin)
        for done in range(0, length, BLOCK):
            self._file.write(bytes(min(BLOCK, length - done)))
        self._file.flush()

    def _refusal(self, needed: int, reason: str) -> UserError:
        return UserError(
            f"replay_storage: expected {needed / 1e6:,.1f} MB of disk space for the rows in {self.folder}, got: "
            f"{reason}; free some space, or use another folder or a smaller buffer_size."
        )


def scratch_folder() -> Path:
    """Return where the file of a run without a folder goes: TMPDIR, else /var/tmp, as /tmp may be in memory."""
    large = Path("/var/tmp")
    if "TMPDIR" not in os.environ and large.is_dir() and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())
