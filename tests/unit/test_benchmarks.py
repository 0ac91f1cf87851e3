"""The measuring scripts, as far as they can be run in a test."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and measuring takes minutes")
def test_without_a_gpu_there_is_nothing_to_measure() -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / "gpu.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no GPU" in done.stderr
