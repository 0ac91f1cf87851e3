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
LARGE = 32 * 2**20  # the most that glibc takes


def keep_freed_memory() -> None:
    """Let the C library keep up to 256 MiB of freed memory for the next update.

    An update allocates some dozen buffers and frees them. glibc gives the larger ones, and the top of its heap, back to
    the system each time, which has to map and clear the pages anew: up to a thousand faults and two milliseconds an
    update. Buffers above 32 MiB are still mapped and given back one by one. What the user has set stands; other C
    libraries have no such setting.
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
    """Flush subnormal numbers to zero meanwhile; afterwards this thread has them again, if it had them before.

    Squared gradients below 1e-38 are subnormal and slow a processor down, an update by a seventh; zero serves Adam as
    well. Threads take the setting over when they start, so those that torch starts for its first update keep it.
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
