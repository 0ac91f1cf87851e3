"""Files are complete or absent, and reading them runs no code."""

import ast
import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from disk_faults import Disk, Killed

import maxent
from maxent.errors import UserError
from maxent.runs import files
from maxent.runs.files import (
    make_folder,
    read_json,
    require_space,
    sha256,
    temporary_of,
    write_json,
)
from maxent.runs.tensors import read_tensors, write_tensors

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int64)}


def test_json_comes_back_with_every_digit(tmp_path: Path) -> None:
    data = {"third": 1 / 3, "large": 2**127 + 1, "text": "α", "list": [True, None]}
    write_json(tmp_path / "x.json", data)
    assert read_json(tmp_path / "x.json") == data


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"x": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    tensors = TENSORS | {"strided": torch.arange(6.0).reshape(2, 3).T, "nan": torch.tensor(math.nan)}
    digest = write_tensors(tmp_path / "x.safetensors", tensors)
    back = read_tensors(tmp_path / "x.safetensors")
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(back[name], tensor, rtol=0.0, atol=0.0, equal_nan=True)
    assert digest == sha256(tmp_path / "x.safetensors")


def test_the_hash_is_the_known_one(tmp_path: Path) -> None:
    """FIPS 180-2 appendix B.1: SHA-256 of "abc"."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("fatal", range(3))  # before the file is created, in the write, and before the rename
def test_a_killed_write_leaves_the_file_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fatal: int) -> None:
    write_json(tmp_path / "x.json", {"written": 1})
    write_tensors(tmp_path / "x.safetensors", {"written": torch.ones(1)})
    for write in (
        lambda: write_json(tmp_path / "x.json", {"written": 2}),
        lambda: write_tensors(tmp_path / "x.safetensors", {"written": 2 * torch.ones(1)}),
    ):
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            with pytest.raises(Killed):
                write()
    assert read_json(tmp_path / "x.json") == {"written": 1}
    assert read_tensors(tmp_path / "x.safetensors")["written"].tolist() == [1.0]


def test_what_safetensors_left_when_it_was_killed_is_removed(tmp_path: Path) -> None:
    """It writes through a temporary file of its own; other files are left alone."""
    for name in (".tmpaB3dE9", ".tmpaB3dE9x", "tmpaB3dE9"):
        (tmp_path / name).touch()
    write_tensors(tmp_path / "x.safetensors", TENSORS)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmpaB3dE9x", "tmpaB3dE9", "x.safetensors"]


def test_tensors_may_be_read_by_those_who_may_read_other_files(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_tensors(tmp_path / "x.safetensors", TENSORS)
        write_json(tmp_path / "x.json", {})
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {0o644}


def test_the_file_reaches_the_disk_before_its_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else a power failure could leave the name without the content."""
    happened, replace, sync = [], os.replace, files.sync
    monkeypatch.setattr(os, "replace", lambda *paths: (happened.append("rename"), replace(*paths)))
    monkeypatch.setattr(files, "sync", lambda path: (happened.append(temporary_of(path) or path.resolve()), sync(path)))
    write_json(tmp_path / "x.json", {})
    write_tensors(tmp_path / "x.safetensors", TENSORS)
    make_folder(tmp_path / "outer" / "inner")
    assert happened == [
        *("x.json", "rename", tmp_path),
        *("x.safetensors", "rename", tmp_path),
        *(tmp_path, tmp_path / "outer"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": ', "is not a JSON file"),
        (b"\xff\xfe", "is not a JSON file"),
        (b"[1]", r"expected a mapping, got \[1\]"),
        (b"[" * 100_000, "is not a JSON file"),
        (b"9" * 5_000, "numbers of at most 128 bits"),
    ],
)
def test_anything_but_a_json_object_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x80\x04\x95"])
def test_anything_but_a_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UserError, match="is not a readable safetensors file"):
        read_tensors(tmp_path / "x")


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.json does not exist"):
        read_json(tmp_path / "x.json")
    with pytest.raises(UserError, match=r"x\.safetensors does not exist"):
        read_tensors(tmp_path / "x.safetensors")


@pytest.fixture
def no_file_above_4_kb() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("no_file_above_4_kb")
def test_tensors_that_do_not_fit_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.safetensors cannot be written: .*large"):
        write_tensors(tmp_path / "x.safetensors", {"x": torch.zeros(10_000)})
    assert list(tmp_path.iterdir()) == []


def test_space_is_required_before_it_is_taken(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(UserError, match=r"MB free and the run needs up to 1,000,000,000,000 MB: .*--run-dir"):
        require_space(tmp_path, 10**18)


def test_nothing_in_the_library_loads_what_could_run_code() -> None:
    """No pickle in any guise, no torch.load, no eval: for a file, reading is all."""
    modules = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "runpy"}
    calls = {"eval", "exec", "compile", "__import__"}
    loaders = {"torch": {"load"}, "np": {"load"}, "numpy": {"load"}, "pd": {"read_pickle"}}
    found = []
    paths = sorted(Path(maxent.__file__).parent.rglob("*.py"))
    assert len(paths) > 30
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    bad = any(alias.name.split(".")[0] in modules for alias in names)
                case ast.ImportFrom(module=str(module)):
                    bad = module.split(".")[0] in modules
                case ast.Call(func=ast.Name(id=name)):
                    bad = name in calls
                case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                    bad = attribute in loaders.get(owner, set())
                case _:
                    bad = False
            if bad:
                found.append(f"{path}:{node.lineno}")
    assert found == []


def test_a_link_is_named_once(tmp_path: Path) -> None:
    link = tmp_path / "x.json"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError) as raised:
        read_json(link)
    assert str(raised.value).count(str(link)) == 1 and "damaged" not in str(raised.value)
