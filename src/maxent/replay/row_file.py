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
        self.folder, self.reserved = folder, False
        starts, self.size = [], 0
        for shape, dtype in specs:
            starts.append(self.size)
            self.size += -(-prod(shape) * np.dtype(dtype).itemsize // ALIGNMENT) * ALIGNMENT
        try:
            # O_TMPFILE where there is one; else created exclusively, for the user alone, and unlinked at once
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (it lives as long as the arrays)
            weakref.finalize(self, self._file.close)
            self._file.truncate(self.size)
            self._map = mmap.mmap(self._file.fileno(), self.size)
        except (OSError, ValueError, OverflowError) as error:
            raise self._refusal(str(error)) from error
        self.arrays: list[NDArray[Any]] = [
            np.ndarray(shape, dtype, self._map, start) for (shape, dtype), start in zip(specs, starts, strict=True)
        ]

    def reserve(self) -> None:
        """Take the whole file's space on the disk, before anything is written; later calls do nothing.

        Writing to a mapped page for which the disk has no space would end the process with SIGBUS.
        """
        if self.reserved:
            return
        free = shutil.disk_usage(self.folder).free
        if free < self.size:  # the system would fill the disk before it finds out
            raise self._refusal(f"{free / 1e6:,.1f} MB")
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file.fileno(), 0, self.size)
            else:
                for start in range(0, self.size, BLOCK):
                    self._file.write(bytes(min(BLOCK, self.size - start)))
                self._file.flush()
        except OSError as error:
            raise self._refusal(error.strerror or str(error)) from error
        self.reserved = True

    def _refusal(self, reason: str) -> UserError:
        return UserError(
            f"replay_storage: expected {self.size / 1e6:,.1f} MB of disk space for the rows in {self.folder}, got: "
            f"{reason}; free some space, or use another folder or a smaller buffer_size."
        )


def scratch_folder() -> Path:
    """Return where the file of a run without a folder goes: TMPDIR, else /var/tmp, as /tmp may be in memory."""
    large = Path("/var/tmp")
    if "TMPDIR" not in os.environ and large.is_dir() and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())
