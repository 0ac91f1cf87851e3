"""For every test: one thread for torch, and what several tests share importable from `tests/support`."""

import sys
from pathlib import Path

import pytest
import torch

SUPPORT = str(Path(__file__).parent / "support")
sys.path.insert(0, SUPPORT)

torch.set_num_threads(1)  # pytest-xdist runs as many processes as there are cores


def pytest_configure(config: pytest.Config) -> None:
    # Inductor itself still calls torch.jit while it compiles (torch 2.13): not ours to change.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
