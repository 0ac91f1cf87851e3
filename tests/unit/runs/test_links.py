"""A run folder from a stranger: nothing outside it is read, written or removed through a link or a file name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import SEGMENT, TEMPORARY, Rows, content, save

from maxent.errors import UserError
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.files import write_json
from maxent.runs.folder import RunFolder
from maxent.runs.observer import Record, RunHeader
from maxent.runs.sinks import CsvSink, TensorBoardSink
from maxent.runs.tensors import write_tensors
from maxent.view.curve import draw_curve

HEADER = RunHeader("sac", "Pendulum-v1", 2, "cpu", compiled=False, steps=10)
TAGS = ("eval/mean_reward",)


def go_on(run: Path) -> None:
    """Everything that a resume reads, writes and removes, and the policies and the picture at its end."""
    store, replay = CheckpointStore(run), Rows()
    snapshot = store.latest()
    assert snapshot is not None
    store.read_replay(snapshot, replay)
    folder = RunFolder(run)
    sinks = folder.sinks(TAGS)
    try:
        for sink in sinks:
            sink.on_start(HEADER)
            sink.on_record(Record(1, {"eval/mean_reward": np.zeros(2)}))
    finally:
        for sink in sinks:
            sink.on_end("end")
    for step in (7, 8, 9):
        replay.written = replay.written + 1
        store.write(step, {}, {"x": torch.zeros(2)}, replay)
    folder.update_config(train={})
    for which in ("best", "last"):
        folder.write_policy(which, learner={}, tensors={"x": torch.zeros(2)}, step=9, scores=np.zeros(2))
    draw_curve(folder.metrics, folder.curve, "title", dpi=50)


FOLDERS = ("replay", "checkpoints", "tensorboard", "tensorboard/member_1", "best", "last")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_linked_folder_is_refused(run: Path, victim: Path, name: str) -> None:
    """Whether it is opened as a run, or a store, sink or policy is made by itself."""
    before = content(victim)
    if name in ("replay", "checkpoints"):
        (run / name).rename(run / f"own-{name}")
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(victim)
    if "/" not in name:
        with pytest.raises(UserError, match=rf"{name}: expected a folder, got a symbolic link"):
            RunFolder.open(run)
    with pytest.raises(UserError, match=r"expected a folder, got a symbolic link"):
        go_on(run)
    assert content(victim) == before


@pytest.mark.parametrize("name", ["replay", "checkpoints"])
def test_a_linked_folder_is_not_written_to_by_a_new_run(tmp_path: Path, victim: Path, name: str) -> None:
    before = content(victim)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / name).symlink_to(victim)
    with pytest.raises(UserError, match=rf"{name}: expected a folder, got a symbolic link"):
        save(CheckpointStore(tmp_path / "new"), 3)
    assert CheckpointStore(tmp_path / "new").newest is None
    assert content(victim) == before


def test_a_folder_that_a_user_linked_keeps_its_files(run: Path, tmp_path: Path) -> None:
    """A replay on a scratch disk: refused, not emptied."""
    (run / "replay").rename(tmp_path / "scratch")
    (run / "replay").symlink_to(tmp_path / "scratch")
    before = content(tmp_path / "scratch")
    assert len(before) == 2
    with pytest.raises(UserError, match="a run folder may hold plain files and folders only: put the content itself"):
        RunFolder.open(run)
    with pytest.raises(UserError):
        save(CheckpointStore(run), 9)
    assert content(tmp_path / "scratch") == before


TEMPORARIES = [
    *(f"{name}.tmp" for name in ("config.json", "metrics.csv", "curve.png", "best/policy.json", f"replay/{SEGMENT}")),
    *(f"{name}.{TEMPORARY}" for name in ("config.json", "metrics.csv", "curve.png", "best/policy.safetensors")),
    *(f"{name}.{TEMPORARY}" for name in ("last/policy.json", f"replay/{SEGMENT}")),
]


@pytest.mark.parametrize("name", TEMPORARIES)
def test_nothing_is_written_through_a_linked_temporary(run: Path, victim: Path, name: str) -> None:
    before = content(victim)
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(victim / "thesis.tex")
    go_on(run)
    assert content(victim) == before
    assert (run / name).is_symlink()


@pytest.mark.parametrize(
    "name", ["metrics.csv", "config.json", "best/policy.json", "best/policy.safetensors", "curve.png"]
)
def test_a_linked_file_is_refused_or_replaced(run: Path, victim: Path, name: str) -> None:
    before = content(victim)
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim / "thesis.tex")
    if name in ("metrics.csv", "config.json"):
        with pytest.raises(UserError, match=rf"{name}: expected a regular file, got a symbolic link"):
            RunFolder.open(run)
        with pytest.raises(UserError, match=rf"{name}: expected a regular file, got a symbolic link"):
            go_on(run)
    else:
        go_on(run)
        assert not (run / name).is_symlink()
    assert content(victim) == before


@pytest.mark.parametrize("name", ["000000000006", "000000000009", "000000000006.old", "000000000007.tmp"])
def test_a_linked_checkpoint_is_neither_read_nor_removed(run: Path, victim: Path, name: str) -> None:
    before = content(victim)
    own = run / "checkpoints" / name
    if own.exists():
        own.rename(run / "moved")
    own.symlink_to(victim)
    snapshot = CheckpointStore(run).latest()
    assert snapshot is not None
    assert snapshot.plain["step"] == (3 if name == "000000000006" else 6)
    refused = []
    for step in (6, 7, 9):
        try:
            save(CheckpointStore(run), step)
        except UserError as error:
            refused.append(str(error))
    assert len(refused) == 1
    assert f"{name}: expected a folder, got a symbolic link" in refused[0]
    assert content(victim) == before
    assert own.is_symlink()


def test_only_names_of_our_own_are_removed(run: Path) -> None:
    """Among checkpoints and segments that are due to be removed."""
    mine = ["replay/thesis.tex", "replay/notes.safetensors", "replay/1-2.safetensors", "replay/thesis.tmp"]
    mine += [f"checkpoints/{name}/thesis.tex" for name in ("42", "thesis.tmp", "0000000000005", "000000000005.bak")]
    mine += ["replay/000000000100-000000000200.safetensors/thesis.tex"]
    for name in mine:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("years of work")
    (run / "replay" / "000000000000-000000000001.safetensors").write_text("a segment that no checkpoint names")
    for step in (7, 8, 9):
        save(CheckpointStore(run), step)
    assert all((run / name).read_text() == "years of work" for name in mine)
    assert not (run / "replay" / "000000000000-000000000001.safetensors").exists()
    assert CheckpointStore(run).newest == 9


@pytest.mark.parametrize("write", [lambda path: write_json(path, {}), lambda path: write_tensors(path, {})])
def test_a_guessed_temporary_is_not_overwritten(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], object]
) -> None:
    """A link under the very name that the temporary gets makes the write fail."""
    before = content(victim)
    monkeypatch.setattr("secrets.token_hex", lambda _: TEMPORARY.removesuffix(".tmp"))
    (tmp_path / f"x.{TEMPORARY}").symlink_to(victim / "thesis.tex")
    with pytest.raises(FileExistsError):
        write(tmp_path / "x")
    assert content(victim) == before
    assert not (tmp_path / "x").exists()


def test_a_linked_metrics_file_is_refused_by_the_sink_itself(tmp_path: Path, victim: Path) -> None:
    before = content(victim)
    (tmp_path / "metrics.csv").symlink_to(victim / "nothing")
    for resume in (False, True):
        with pytest.raises(UserError):
            CsvSink(tmp_path / "metrics.csv", TAGS, resume=resume).on_start(HEADER)
    (tmp_path / "tensorboard").symlink_to(victim)
    with pytest.raises(UserError, match="got a symbolic link"):
        TensorBoardSink(tmp_path / "tensorboard").on_start(HEADER)
    assert content(victim) == before
