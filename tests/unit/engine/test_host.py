"""Settings of the C library: freed memory stays with the process, unless the user has set otherwise."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from maxent.engine.host import SUBNORMAL, subnormals_as_zero

FAULTS = """
import resource
import numpy as np
from maxent.engine.host import keep_freed_memory

if {keep}:
    keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for warm_up in range(3):
    np.ones((3, 100_000), np.float32)
before = faults()
for update in range(100):
    buffers = [np.ones(100_000, np.float32) for _ in range(3)]
    del buffers
print(faults() - before)
"""


def faults(keep: bool, **environment: str) -> int:
    """Return the pages that the system mapped again while 100 times three buffers of 400 kB were made and freed."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has the setting")
def test_freed_memory_is_kept_for_the_next_update() -> None:
    """Each round takes 293 pages of 4 kB; kept, they are mapped once. A threshold that the user has set stands."""
    pages = 3 * 400_000 // 4096
    assert faults(keep=True) < 2 * pages
    lowest = {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "100000"}
    assert faults(keep=True, **lowest) > 50 * pages
    assert faults(keep=False, **lowest) > 50 * pages


def test_who_flushes_subnormals_goes_on_doing_so() -> None:
    torch.set_flush_denormal(True)
    try:
        with subnormals_as_zero():
            pass
        assert SUBNORMAL * 0.5 == 0.0
    finally:
        torch.set_flush_denormal(False)
    assert SUBNORMAL * 0.5 > 0.0
