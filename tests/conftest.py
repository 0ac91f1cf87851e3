"""For every test: one thread for torch, because pytest-xdist runs as many processes as there are cores."""

import pytest
import torch

torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    # Inductor itself still calls torch.jit while it compiles (torch 2.13): not ours to change.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def nothing_compiled_before(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test takes machine code that another left in the user's cache, unless that is what it is about."""
    if request.module.__name__ != "test_saved":
        monkeypatch.setattr("maxent.training.compiling.load", lambda name: None)
        monkeypatch.setattr("maxent.training.compiling.save", lambda *whatever: None)
