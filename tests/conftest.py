"""For every test: one thread for torch, Ctrl-C as in a terminal, and `tests/support` importable."""

import signal
import sys
from pathlib import Path

import pytest
import torch

SUPPORT = str(Path(__file__).parent / "support")
sys.path.insert(0, SUPPORT)

torch.set_num_threads(1)  # pytest-xdist runs as many processes as there are cores

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell starts background commands so, and children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    # Inductor itself still calls torch.jit while it compiles (torch 2.13): not ours to change.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
