"""Records to plain data and back."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest

from maxent.errors import UserError
from maxent.records import build, kind_of, read, to_plain


@dataclass(frozen=True)
class Circle:
    kind: ClassVar[str] = "circle"
    radius: float = 1.0


@dataclass(frozen=True)
class Ellipse(Circle):
    """A record derived from another is a choice wherever that one is."""

    kind: ClassVar[str] = "ellipse"
    ratio: float = 0.5


@dataclass(frozen=True)
class Square:
    kind: ClassVar[str] = "square"
    side: int = 2


@dataclass(frozen=True)
class Drawing:
    shape: Circle | Square = field(default_factory=Circle)
    shapes: tuple[Circle | Square, ...] = ()
    width: float = 1.0
    optional: float | None = None
    mode: Literal["fill", "line"] = "fill"
    sizes: tuple[int, ...] = (1, 2)
    hidden: int = field(default=3, init=False)


@pytest.mark.parametrize(
    "drawing",
    [
        Drawing(),
        Drawing(Square(5), (Circle(2.0), Ellipse(1.0, 0.25)), 0.5, 0.25, "line", (7,)),
        Drawing(Ellipse(3.0)),
    ],
)
def test_plain_data_builds_an_equal_record(drawing: Drawing) -> None:
    plain = to_plain(drawing)
    assert build(Drawing, plain) == drawing
    assert "hidden" not in plain


def test_the_plain_form_of_a_choice_has_its_kind() -> None:
    assert to_plain(Square(3)) == {"kind": "square", "side": 3}
    assert to_plain(Drawing(sizes=(4, 5)))["sizes"] == [4, 5]
    assert kind_of(Drawing) == f"{Drawing.__module__}:Drawing"  # without a kind: the class and its module


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("square", Square()),
        ({"kind": "square", "side": 9}, Square(9)),
        ({"kind": "ellipse", "ratio": 1}, Ellipse(1.0, 1.0)),
        (Circle(4.0), Circle(4.0)),
    ],
)
def test_a_choice_is_a_kind_plain_data_or_a_record(given: Any, expected: Any) -> None:
    assert build(Drawing, {"shape": given}).shape == expected
    assert build(Drawing, {"shapes": [given, "circle"]}).shapes == (expected, Circle())


@pytest.mark.parametrize(("value", "expected"), [(2, 2.0), (2.5, 2.5), (None, None)])
def test_whole_numbers_become_floats_where_floats_are_meant(value: Any, expected: Any) -> None:
    found = read(float | None, value, "optional")
    assert found == expected
    assert type(found) is type(expected)


def test_a_truth_value_is_not_made_a_number() -> None:
    assert read(float, True, "width") is True  # for the record's own check to refuse


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"shape": "triangle"}, "shape: expected 'circle' or 'ellipse' or 'square', got 'triangle'"),
        ({"shape": {"kind": "square", "radius": 1}}, "shape square has no setting 'radius': it has side"),
        ({"widht": 1}, "Drawing has no setting 'widht'; did you mean width"),
        ({"hidden": 1}, "Drawing has no setting 'hidden'"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(data: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(Drawing, data)


def test_what_is_no_plain_data_cannot_be_written_down() -> None:
    with pytest.raises(UserError, match="a setting has to be plain data or a record of it, got <function"):
        to_plain(kind_of)
