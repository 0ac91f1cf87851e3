"""The folder of a run: its configuration, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from maxent.errors import UserError
from maxent.runs import folder as folder_module
from maxent.runs.files import write_json
from maxent.runs.folder import CONFIG, RunFolder, program, reserve_folder
from maxent.runs.policy import read_policy

DATA = {
    "env": {"name": "Pendulum-v1"},
    "train": {"steps": 7, "ratio": 0.1},
    "learner": {"seeds": [5, 6]},
    "recipe": None,
}


def test_a_new_one_is_made_with_its_parents(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "runs" / "new")
    assert (tmp_path / "runs" / "new").is_dir()


def test_an_empty_one_will_do(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path).path == tmp_path


def test_an_empty_one_may_be_a_link_that_the_user_made(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").symlink_to("scratch")
    RunFolder.create(tmp_path / "run").write_config(DATA)
    assert (tmp_path / "scratch" / CONFIG).exists()


def test_one_where_a_run_was_killed_at_its_start_will_do(tmp_path: Path) -> None:
    (tmp_path / "config.json.0123456789abcdef.tmp").write_text("{")
    RunFolder.create(tmp_path).write_config(DATA)
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG]


def test_one_with_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("{}")
    with pytest.raises(UserError, match=r"holds another run: continue it with `maxent resume .*`, or choose"):
        RunFolder.create(tmp_path)


@pytest.mark.parametrize("name", ["thesis.tex", "thesis.tmp"])
def test_one_with_anything_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="is not an empty folder: choose another one"):
        RunFolder.create(tmp_path)
    with pytest.raises(UserError, match="is not an empty folder: choose another one"):
        RunFolder.create(tmp_path / name)


def test_one_that_cannot_be_created_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/run cannot be created: Not a directory\."):
        RunFolder.create(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["", "missing"])
def test_only_one_with_a_run_can_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"holds no run: config\.json is missing\. `maxent list runs`"):
        RunFolder.open(tmp_path / name)


def test_the_config_comes_back_with_command_time_and_versions(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run").write_config(DATA)
    config = RunFolder.open(tmp_path / "run").read_config()
    assert {name: config[name] for name in DATA} == DATA
    assert config.keys() - DATA.keys() == {"format", "command", "created", "versions"}
    assert config["versions"]["torch"] == torch.__version__
    assert config["versions"].keys() >= {"python", "platform", "cpus", "maxent", "numpy", "gymnasium", "mujoco"}
    assert config["created"]
    assert config["command"]


def test_a_section_of_the_config_can_be_replaced(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path)
    folder.write_config(DATA)
    before = folder.read_config()
    folder.update_config(train={"steps": 8})
    assert folder.read_config() == before | {"train": {"steps": 8}}


def test_another_format_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / CONFIG, DATA | {"format": 1})
    with pytest.raises(UserError, match=r"config\.json: format 1 is not 2, which this version of maxent reads"):
        RunFolder(tmp_path).read_config()


def test_a_missing_package_is_listed_as_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "PACKAGES", ("numpy", "no-such-package"))
    versions = folder_module.versions()
    assert versions["numpy"] == np.__version__
    assert versions["no-such-package"] == "not installed"


def test_policies_lie_in_best_and_last(tmp_path: Path) -> None:
    for step, which in enumerate(("best", "last")):
        RunFolder(tmp_path).write_policy(which, learner={}, tensors={}, step=step, scores=np.zeros(1))
    assert [read_policy(tmp_path / which).step for which in ("best", "last")] == [0, 1]


def test_two_processes_cannot_write_one_run(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    first.lock()
    with pytest.raises(UserError, match="is being written by another process"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_a_new_folder_is_locked_before_anything_is_written(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path / "run")
    with pytest.raises(UserError, match="is being written by another process"):
        RunFolder.create(tmp_path / "run")  # still empty
    first.lock()  # again: it stays locked
    first.unlock()
    RunFolder.create(tmp_path / "run").unlock()


def test_the_next_free_name_is_reserved(tmp_path: Path) -> None:
    names = [reserve_folder(tmp_path / "runs" / "run").name for _ in range(3)]
    assert names == ["run", "run-2", "run-3"]


def test_the_command_is_one_that_can_be_typed() -> None:
    assert program(Path("/usr/lib/python3/maxent/__main__.py")) == "maxent"
    assert program(Path("/usr/bin/maxent")) == "maxent"
    assert program(Path("train.py")) == "train.py"
