"""For every test: one thread for torch, because pytest-xdist runs as many processes as there are cores."""

import pytest
import torch

torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    # Inductor itself still calls torch.jit while it compiles (torch 2.13): not ours to change.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
