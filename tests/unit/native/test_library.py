"""Building, keeping and loading the library, and doing without it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from maxent import native
from maxent.native import library

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason=f"no own layers: {native.why_not()}")

FAST = ("-O0", *(flag for flag in library.OPTIONS if flag != "-O3"))


def test_the_library_is_built_once(tmp_path: Path) -> None:
    flags = ("-O0", *library.FLAGS["AVX2"])
    first = library.build(tmp_path, "g++", flags)
    built = first.stat().st_mtime_ns
    assert library.build(tmp_path, "g++", flags) == first
    assert first.stat().st_mtime_ns == built
    assert list(tmp_path.iterdir()) == [first]


def test_a_library_that_does_not_load_is_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "cache_folder", lambda name: tmp_path)

    def load(path: Path) -> Path:
        """Not into this process, which has one."""
        if not path.read_bytes().startswith(b"\x7fELF"):
            raise OSError("invalid ELF header")
        return path

    monkeypatch.setattr(library, "load", load)
    monkeypatch.setattr(library, "OPTIONS", FAST)
    library.find()
    (made,) = tmp_path.iterdir()
    of_another_system = b"whole, but of another system"
    stem = made.name.rsplit("-", 1)[0]
    made.rename(other := tmp_path / f"{stem}-{hashlib.sha256(of_another_system).hexdigest()}.so")
    other.write_bytes(of_another_system)
    assert library.find().read_bytes().startswith(b"\x7fELF")
    assert list(tmp_path.iterdir()) == [made]


@pytest.mark.parametrize("damage", ["cut off", "one bit", "another file"])
def test_a_damaged_library_is_built_again(damage: str, tmp_path: Path) -> None:
    """Loading a library that is cut off ends the process with SIGBUS; another one would run with the user's rights."""
    flags = ("-O0", *library.FLAGS["AVX2"])
    path = library.build(tmp_path, "g++", flags)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes({
        "cut off": whole[:middle],
        "one bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "another file": Path(torch._C.__file__).read_bytes(),
    }[damage])  # fmt: skip
    again = library.build(tmp_path, "g++", flags)
    assert list(tmp_path.iterdir()) == [again]
    assert hashlib.sha256(again.read_bytes()).hexdigest() in again.name


def test_a_cache_that_others_can_write_to_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library is then built in a folder of the process, with one warning."""
    (tmp_path / "maxent").mkdir()
    (tmp_path / "maxent").chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folders: list[Path] = []
    monkeypatch.setattr(library, "build", lambda folder, *_: folders.append(folder) or folder)
    monkeypatch.setattr(library, "load", lambda path: path)
    with pytest.warns(UserWarning, match="others can write to") as said:
        library.find()
        library.find()
    assert len(said) == 1
    assert len(folders) == 2
    assert not any(folder.is_relative_to(tmp_path) or folder.stat().st_mode & 0o077 for folder in folders)


def test_without_a_cache_the_library_lies_in_a_folder_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the shared folder for temporary files another user could have put a library of that name."""
    built: list[tuple[Path, int]] = []

    def build(folder: Path, *_: object) -> Path:
        built.append((folder.parent, folder.stat().st_mode & 0o077))
        return folder

    monkeypatch.setattr(library, "cache_folder", lambda name: None)
    monkeypatch.setattr(library, "build", build)
    monkeypatch.setattr(library, "load", lambda path: path)
    monkeypatch.setattr(library.tempfile, "tempdir", str(tmp_path))
    library.find()
    assert built == [(tmp_path, 0)]


def test_a_compiler_that_fails_leaves_layers_to_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(library.UnavailableError, match="could not be built with false"):
        library.find()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("MAXENT_NATIVE", "0", "MAXENT_NATIVE is 0"), ("PATH", "", "no g"), ("torch", "2.12.1", "torch 2.13")],
)
def test_the_reason_is_stated(name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    if name == "torch":
        monkeypatch.setattr(torch, "__version__", value)
    else:
        monkeypatch.setenv(name, value)
    assert reason in native.why_not()


def test_a_process_can_do_without() -> None:
    code = "from maxent import native; assert not native.ready(); print(native.why_not())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"MAXENT_NATIVE": "0"},
    )
    assert "MAXENT_NATIVE is 0" in done.stdout
