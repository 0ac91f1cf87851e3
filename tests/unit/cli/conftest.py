"""What the tests of commands share."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import SMALL, TINY, Said

from maxent.cli import main


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Said]:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])  # main puts the folder one stands in there

    def say(*words: object) -> Said:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit_:  # tyro's way
            assert isinstance(exit_.code, int)
            code = exit_.code
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return say


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two members; do not change it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", TINY, *SMALL, "--steps", "60", "--seeds", "2", "--run-dir", str(run), "--quiet"]) == 0
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(trained, tmp_path / "run"))
