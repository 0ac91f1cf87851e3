"""The last values of a table, found from its end."""

import math
from pathlib import Path

import pytest

from maxent.errors import FileError
from maxent.runs import table
from maxent.runs.table import last_values


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines))
    return path


def test_each_column_has_its_last_value_and_the_step_of_its_row(tmp_path: Path) -> None:
    path = written(tmp_path / "m.csv", "step,a,b,c,d\n", "10,1.5,,nan,\n", "20,,inf,7,\n", "30,-2,nan,8,\n", "40,99,9")
    found = last_values(path, ["a", "b", "c", "d", "absent"])
    assert math.isnan(found["b"][1])  # as of a member that has failed
    assert found == {"a": (30, -2.0), "b": (30, found["b"][1]), "c": (30, 8.0)}


def test_a_header_alone_has_no_values(tmp_path: Path) -> None:
    assert last_values(written(tmp_path / "m.csv", "step,a\n"), ["a"]) == {}
    assert last_values(written(tmp_path / "m.csv", ""), ["a"]) == {}


def test_values_far_from_the_end_are_found_up_to_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200,000 rows of 10 bytes and more are far more than the first piece; those beyond `TAIL` are not looked at."""
    rows = [f"{step:06d},,3\n" for step in range(1, 200_000)]
    path = written(tmp_path / "m.csv", "step,a,b\n", "0,5,3\n", *rows)
    assert last_values(path, ["a", "b"]) == {"a": (0, 5.0), "b": (199_999, 3.0)}
    monkeypatch.setattr(table, "TAIL", 10_000)
    assert last_values(path, ["a", "b"]) == {"b": (199_999, 3.0)}


@pytest.mark.parametrize("row", ["10,1\n", "10,x,2\n", "ten,1,2\n", "10,\x1b,2\n"])
def test_a_damaged_row_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(FileError, match=r"m\.csv: expected ") as caught:
        last_values(written(tmp_path / "m.csv", "step,a,b\n", row), ["a"])
    assert str(caught.value).isprintable()


def test_a_link_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "m.csv", "step,a\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "m.csv")
    with pytest.raises(ValueError, match="symbolic link"):
        last_values(tmp_path / "link.csv", ["a"])
