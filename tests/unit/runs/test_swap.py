"""A folder is replaced by a new one: the old or the new one can be found whenever the process dies."""

import os
from pathlib import Path

import pytest
from disk_faults import Disk, Killed

from maxent.errors import UserError
from maxent.runs.files import write_json
from maxent.runs.swap import current_folder, replacing_folder

MARKER = "saved"


def save(path: Path, number: int) -> None:
    with replacing_folder(path, MARKER) as folder:
        for name in ("a.json", "b.json"):
            write_json(folder / name, {"number": number})


def load(path: Path) -> int:
    """The number in a folder, after checking that it is complete."""
    folder = current_folder(path, MARKER)
    (number,) = {(folder / name).read_text() for name in ("a.json", "b.json")}
    assert (folder / MARKER).exists()
    return int(number.split(":")[1].rstrip("}\n "))


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path / "new" / "agent", number)
        assert load(tmp_path / "new" / "agent") == number
        assert os.listdir(tmp_path / "new") == ["agent"]


def test_killed_at_any_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for fatal in range(100):
        path = tmp_path / str(fatal) / "agent"
        path.parent.mkdir()
        save(path, 1)
        killed = False
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            try:
                save(path, 2)
            except Killed:
                killed = True
        found.append(load(path))
        save(path, 3)  # over what may be there
        assert load(path) == 3
        assert os.listdir(path.parent) == ["agent"]
        if not killed:
            break
    assert len(found) > 12
    assert set(found) == {1, 2}
    assert found == sorted(found)


def test_a_block_that_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    save(tmp_path / "agent", 1)
    with pytest.raises(ValueError, match="full"), replacing_folder(tmp_path / "agent", MARKER) as folder:
        write_json(folder / "a.json", {"number": 2})
        raise ValueError("full")
    assert load(tmp_path / "agent") == 1
    assert os.listdir(tmp_path) == ["agent"]


@pytest.mark.parametrize("path", ["/proc/maxent-agent", "file/agent", "file/deeper/agent"])
def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(UserError, match=path), replacing_folder(Path(path), MARKER):
        raise AssertionError("nothing is to be written")
    assert os.listdir() == ["file"]


@pytest.mark.parametrize("name", ["agent", "agent.old"])
@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_another_folder_is_not_replaced(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / MARKER).touch()
    (tmp_path / "victim" / "thesis.tex").write_text("years of work")
    match kind:
        case "folder":
            (tmp_path / name).mkdir()
        case "file":
            (tmp_path / name).touch()
        case _:
            (tmp_path / name).symlink_to("victim")
    with pytest.raises(UserError, match=rf"{name} exists and has no file 'saved': it is not replaced"):
        save(tmp_path / "agent", 1)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "victim"])
    assert (tmp_path / "victim" / "thesis.tex").read_text() == "years of work"
