"""The memory that is left: of the machine, and within control groups; networks that do not fit are refused."""

import sys
from pathlib import Path

import pytest

import maxent
from maxent.engine import memory
from maxent.engine.memory import _control_groups, _machine, available_memory
from maxent.errors import UserError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="reads /proc and sysconf")

GB = 2**30


def group(folder: Path, *, limit: str, usage: int, cached: int, version: int = 2) -> None:
    """Write the files of a control group."""
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon {usage}\n{names[2]} {cached}\n")


def left(tmp_path: Path, lines: str) -> list[int]:
    (tmp_path / "groups").write_text(lines)
    return list(_control_groups(tmp_path / "groups", tmp_path / "fs"))


def test_every_group_above_the_process_counts(tmp_path: Path) -> None:
    """The pages of files that a group can drop count as free: 4 − 3 + 1 = 2 GB, and 16 − 6 + 0 = 10 GB above."""
    group(tmp_path / "fs/user/job", limit=str(4 * GB), usage=3 * GB, cached=GB)
    group(tmp_path / "fs/user", limit=str(16 * GB), usage=6 * GB, cached=0)
    group(tmp_path / "fs", limit="max", usage=9 * GB, cached=0)
    assert left(tmp_path, "0::/user/job\n") == [2 * GB, 10 * GB]


def test_the_first_version_has_other_files(tmp_path: Path) -> None:
    group(tmp_path / "fs/memory/docker/abc", limit=str(8 * GB), usage=5 * GB, cached=0, version=1)
    lines = "5:cpu,cpuacct:/docker/abc\n4:hugetlb,memory:/docker/abc\n1:name=systemd:/docker/abc\n"
    assert left(tmp_path, lines) == [3 * GB]


def test_a_group_beyond_its_limit_leaves_nothing(tmp_path: Path) -> None:
    group(tmp_path / "fs", limit=str(GB), usage=2 * GB, cached=0)
    assert left(tmp_path, "0::/\n") == [0]


def test_without_groups_nothing_is_limited(tmp_path: Path) -> None:
    assert left(tmp_path, "0::/of/another/namespace\n") == []
    assert list(_control_groups(tmp_path / "none", tmp_path)) == []


def test_the_machine_says_what_is_available(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  24000000 kB\nMemFree: 1000 kB\nMemAvailable:   2000000 kB\n")
    assert _machine(tmp_path / "meminfo") == 2_000_000 * 1024


def test_without_proc_all_memory_counts(tmp_path: Path) -> None:
    assert _machine(tmp_path / "none") > 2**27
    (tmp_path / "meminfo").write_text("MemTotal:  24000000 kB\n")
    assert _machine(tmp_path / "meminfo") == _machine(tmp_path / "none")


def test_the_smallest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_machine", lambda: 5)
    monkeypatch.setattr(memory, "_control_groups", lambda *_: iter([7, 3]))
    assert available_memory() == 3
    monkeypatch.setattr(memory, "_control_groups", lambda *_: iter([]))
    assert available_memory() == 5


def test_networks_that_do_not_fit_are_refused_before_they_are_made() -> None:
    """Actor and two critics have about 10¹² weights each, with two moments, and so have two targets: 2 · 44 TB."""
    with pytest.raises(
        UserError, match=r"the networks need 88,0\d\d\.\d GB of memory, and this machine has .* left; use"
    ):
        maxent.SAC("Pendulum-v1", hidden=(1_000_000, 1_000_000), verbose=False)
