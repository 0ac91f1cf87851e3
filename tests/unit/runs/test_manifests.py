"""Manifests and files from a stranger: every name and kind of file is checked before anything is opened."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_runs import SEGMENT, content, save

from maxent.errors import UserError
from maxent.runs.checkpoint import CheckpointStore, _digest
from maxent.runs.files import read_json, sha256
from maxent.runs.policy import read_policy, write_policy
from maxent.runs.tensors import read_tensors

ENDS = [[{"file": SEGMENT, "hash": "", "end": end}] for end in (3, ["3"], [1.5], [-1], [2**63])]


def rewrite_manifest(run: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change the newest manifest as someone would who knows how its hash is made."""
    path = run / "checkpoints" / "000000000006" / "state.json"
    manifest = {key: value for key, value in json.loads(path.read_text()).items() if key != "hash"}
    change(manifest)
    path.write_text(json.dumps({"hash": _digest(manifest)} | manifest))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files opened during a test."""
    paths: list[str] = []
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **options: (paths.append(str(path)), real(path, *rest, **options))[1]
    )
    return paths


@pytest.mark.parametrize(
    "name",
    [
        "../victim/thesis.tex",
        "/dev/zero",
        "{victim}/thesis.tex",
        "thesis.safetensors",
        "",
        "sub/../" + SEGMENT,
        SEGMENT + "\n",
    ],
)
def test_a_manifest_that_names_another_file_is_refused_before_it_is_opened(
    run: Path, victim: Path, opened: list[str], name: str
) -> None:
    name = name.format(victim=victim)
    segment = {"file": name, "hash": sha256(victim / "thesis.tex"), "end": [3]}
    rewrite_manifest(run, lambda manifest: manifest.update(segments=[segment]))
    before = content(victim)
    opened.clear()
    snapshot = CheckpointStore(run).latest()
    assert snapshot is not None
    assert snapshot.plain["step"] == 3  # the checkpoint before it
    allowed = {run / "checkpoints" / f"{step:012d}" / "state.json" for step in (3, 6)}
    allowed |= {run / "checkpoints" / "000000000003" / "state.safetensors", run / "replay" / SEGMENT}
    assert set(map(Path, opened)) == allowed
    save(CheckpointStore(run), 9)
    assert content(victim) == before


@pytest.mark.parametrize("segments", [None, {}, [1], [{"file": SEGMENT}], [{"file": 3, "hash": "", "end": []}], *ENDS])
def test_a_manifest_with_other_entries_is_refused(run: Path, segments: object) -> None:
    rewrite_manifest(run, lambda manifest: manifest.update(segments=segments))
    snapshot = CheckpointStore(run).latest()
    assert snapshot is not None
    assert snapshot.plain["step"] == 3


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_pipes_devices_and_folders_are_refused_and_never_waited_for(
    run: Path, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    """Reading a pipe without a writer would wait, and /dev/zero would never end."""
    path = tmp_path / "x"
    make(path)
    for read in (read_json, read_tensors, sha256):
        with pytest.raises(
            UserError, match=r"x: expected a regular file, got a (pipe, socket or device|symbolic link|folder)"
        ):
            read(path)
    segment = json.loads((run / "checkpoints/000000000006/state.json").read_text())["segments"][-1]["file"]
    for name in (f"replay/{segment}", "checkpoints/000000000003/state.safetensors"):
        (run / name).unlink()
        make(run / name)
    with pytest.raises(UserError, match=r"Every checkpoint of this run is damaged: .*expected a regular file"):
        CheckpointStore(run).latest()


def test_a_policy_of_a_pipe_is_refused(tmp_path: Path) -> None:
    write_policy(tmp_path, learner={}, tensors={}, step=0, scores=np.zeros(1))
    (tmp_path / "policy.safetensors").unlink()
    os.mkfifo(tmp_path / "policy.safetensors")
    with pytest.raises(UserError, match="expected a regular file, got a pipe"):
        read_policy(tmp_path)
