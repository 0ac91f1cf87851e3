from pathlib import Path

import pytest
from small_runs import SEGMENT, TEMPORARY, save

from maxent.runs.folder import RunFolder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the user's with names that a run folder has as well."""
    folder = tmp_path / "victim"
    for name in ("000000000001/thesis.tex", "000000000009.tmp/thesis.tex", "000000000004.old/thesis.tex"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("years of work")
    for name in (SEGMENT, f"{SEGMENT}.{TEMPORARY}", "policy.json", "policy.safetensors", "thesis.tex"):
        (folder / name).write_text("years of work")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with checkpoints at the steps 3 and 6."""
    path = tmp_path / "run"
    folder = RunFolder.create(path)
    folder.write_config({})
    for step in (3, 6):
        save(folder.checkpoints, step)
    return path
