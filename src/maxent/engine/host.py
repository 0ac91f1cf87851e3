"""Settings of the processor and of the C library that make updates fast."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from maxent.engine.torch_private import has_amx_tiles

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
KEPT = 256 * 2**20
SUBNORMAL = 1e-310  # zero where subnormal numbers are flushed
LARGE = 32 * 2**20  # the largest value that glibc accepts


def keep_freed_memory() -> None:
    """Set the C library to keep up to 256 MiB of freed memory for the next update.

    An update allocates some dozen buffers and frees them. glibc returns the larger ones, and the top of its heap, to
    the system each time, which has to map and clear the pages again: up to a thousand page faults and two milliseconds
    an update. Buffers above 32 MiB are still mapped and returned one by one. Values that the user has set are not
    changed; other C libraries have no such setting.
    """
    libc = ctypes.CDLL(None) if os.name == "posix" else None
    if libc is not None and hasattr(libc, "gnu_get_libc_version"):
        for name, setting, size in (
            ("MALLOC_TRIM_THRESHOLD_", M_TRIM_THRESHOLD, KEPT),
            ("MALLOC_MMAP_THRESHOLD_", M_MMAP_THRESHOLD, LARGE),
        ):
            if name not in os.environ and "glibc.malloc" not in os.environ.get("GLIBC_TUNABLES", ""):
                libc.mallopt(setting, size)


@contextmanager
def subnormals_as_zero() -> Iterator[None]:
    """Flush subnormal numbers to zero within this context, then restore the setting of this thread.

    Squared gradients below 1e-38 are subnormal and slow a processor down, an update by a seventh; zero is as good
    for Adam. A thread inherits the setting when it starts, so the threads that torch starts for its first update keep
    it.
    """
    before = SUBNORMAL * 0.5 == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def has_amx() -> bool:
    """Return whether the processor multiplies bfloat16 matrices in hardware tiles."""
    return has_amx_tiles()
