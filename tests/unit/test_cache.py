"""The cache folder: where it is, and that nobody else can put code into it."""

import os
import stat
from pathlib import Path

import pytest

from maxent.cache import cache_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return $XDG_CACHE_HOME."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def parts(folder: Path | None, home: Path) -> list[Path]:
    """Return the folders between the cache home and a cache folder, which is the last."""
    assert folder is not None
    below = folder.relative_to(home).parts
    return [home.joinpath(*below[: i + 1]) for i in range(len(below))]


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_every_folder_is_made_for_the_user_alone(umask: int, home: Path) -> None:
    before = os.umask(umask)
    try:
        made = parts(cache_folder("layers"), home)
    finally:
        os.umask(before)
    assert [folder.name for folder in made[:2]] == ["maxent", "layers"]
    assert len(made) == 3
    assert [folder.stat().st_mode & 0o777 for folder in [home, *made]] == [0o700] * 4
    assert cache_folder("layers") == made[-1]


@pytest.mark.parametrize("value", ["", "cache", "./cache", "../cache"])
def test_a_relative_cache_home_is_ignored(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the XDG specification says: else whoever owns the current folder would provide the code."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert len(parts(cache_folder("layers"), tmp_path / "user/.cache")) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "user"]
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_refused(level: int, mode: int, home: Path) -> None:
    unsafe = parts(cache_folder("layers"), home)[level]
    unsafe.chmod(mode)
    with pytest.warns(UserWarning, match=rf"{unsafe} is not used.*others can write to \(mode {mode:o}\)") as said:
        assert cache_folder("layers") is None
        assert cache_folder("layers") is None
    assert len(said) == 1
    unsafe.chmod(0o755)
    assert cache_folder("layers") is not None


def test_a_folder_of_another_user_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_folder("layers")
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.warns(UserWarning, match="belongs to another user"):
        assert cache_folder("layers") is None


def test_a_link_of_the_user_is_followed_and_that_of_another_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user could point a link in a shared cache home to any folder of this one."""
    (tmp_path / "scratch").mkdir(mode=0o700)
    home.mkdir()
    (home / "maxent").symlink_to(tmp_path / "scratch")
    assert cache_folder("layers") is not None
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["layers"]
    own = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        status = own(path)
        other = os.stat_result([*status[:4], status.st_uid + 1, *status[5:10]])
        return other if stat.S_ISLNK(status.st_mode) else status

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.warns(UserWarning, match="belongs to another user"):
        assert cache_folder("layers") is None


def test_without_a_writable_home_there_is_none(home: Path) -> None:
    home.write_text("a file")
    assert cache_folder("layers") is None
