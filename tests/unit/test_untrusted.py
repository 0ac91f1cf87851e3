"""Plain data of strangers: bounds before parsing, and schemas."""

from typing import Any

import pytest

from maxent.errors import UserError, printable
from maxent.untrusted import (
    DEPTH,
    ELEMENTS,
    TEXT,
    Either,
    Entries,
    ListOf,
    Number,
    Whole,
    like,
    parse_json,
    parse_toml,
    require,
    short,
)


def test_ordinary_files_are_read() -> None:
    assert parse_json('{"a": [1, 2.5, null, true, "é"]}'.encode()) == {"a": [1, 2.5, None, True, "é"]}
    assert parse_toml(b"a = 1\n[b]\nc = [1.5, 'x']\n") == {"a": 1, "b": {"c": [1.5, "x"]}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "it is not a JSON file"),
        (b"\xff\xfe", "it is not a JSON file"),
        (b"NaN", "expected finite numbers, got NaN"),
        (b"1e999", "expected finite numbers"),
        (b"1" * 41, "expected numbers of at most 128 bits"),
        (b"[" * 100_000 + b"]" * 100_000, "it is not a JSON file|levels of nesting"),
        (b"[" * (DEPTH + 2) + b"]" * (DEPTH + 2), f"at most {DEPTH} levels of nesting"),
        (b'"' + b"x" * (TEXT + 1) + b'"', "expected texts of at most 100,000 characters"),
        (b"[" + b"0," * (ELEMENTS + 1) + b"0]", "expected at most 4,000,000 elements"),
    ],
    ids=["cut", "bytes", "nan", "large", "digits", "endless", "deep", "long", "many"],
)
def test_json_beyond_its_bounds_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_json(data)


@pytest.mark.parametrize("data", [b"a = nan", b"a = inf", b"a = 1979-05-27", b"a =", b"a = 0x" + b"f" * 40])
def test_toml_beyond_its_bounds_is_refused(data: bytes) -> None:
    with pytest.raises(UserError):
        parse_toml(data)


SCHEMA = {
    "name": str,
    "count": Whole(1, 9),
    "rate": Number(),
    "parts": ListOf(Whole(), 2),
    "rest": Either((None, dict)),
}
GOOD: dict[str, Any] = {"name": "a", "count": 1, "rate": 0.5, "parts": [0, 1], "rest": None}


def test_data_that_fits_its_schema_is_taken() -> None:
    require(GOOD, SCHEMA)
    require(GOOD | {"rate": 2, "rest": {"any": 1}}, SCHEMA)
    require({"a": 1}, Entries({"a": Whole()}, {"b": str}))
    require({"a": 1, "b": "x"}, Entries({"a": Whole()}, {"b": str}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "^file name: expected a text, got 1"),
        ({"count": 0}, "^file count: expected a whole number from 1 to 9, got 0"),
        ({"count": True}, "^file count: expected a whole number"),
        ({"count": 1.0}, "^file count: expected a whole number"),
        ({"rate": "1"}, "^file rate: expected a number"),
        ({"parts": [0]}, "^file parts: expected a list of 2, got one of 1"),
        ({"parts": [0, -1]}, "^file parts 1: expected a whole number from 0"),
        ({"rest": []}, "^file rest: expected null or a mapping, got \\[\\]"),
        ({"more": 1}, "^file: expected the entries count, name, parts, rate, rest, got the entries"),
    ],
)
def test_data_that_does_not_fit_is_refused_with_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        require(GOOD | change, SCHEMA, "file")


def test_a_missing_entry_is_refused() -> None:
    with pytest.raises(UserError, match=r"expected the entries a, got the entries 'b'"):
        require({"b": "x"}, Entries({"a": Whole()}, {"b": str}))


def test_the_schema_of_an_example_takes_the_like_and_nothing_else() -> None:
    example = {"n": 3, "x": [0.5, 1.5], "flag": True, "none": None, "signed": -2}
    require(example, like(example))
    require(example | {"n": 2**40, "x": [1, 2], "flag": False, "signed": -1}, like(example))
    for change in ({"n": -1}, {"x": [0.5]}, {"flag": 1}, {"none": 0}, {"signed": -3}):
        with pytest.raises(UserError):
            require(example | change, like(example))


def test_text_of_files_is_safe_to_print() -> None:
    r"""Escape sequences, marks that reorder a line and lone surrogates are shown, not carried out."""
    assert printable("plain é\nnext") == "plain é\nnext"
    assert printable("\x1b[31mred\u202e\ud800") == "\\x1b[31mred\\u202e\\ud800"
    assert short("\x1b]0;x\x07" + "y" * 500).isprintable()
    assert len(short("y" * 500)) < 100
    assert str(UserError("a \x1b[2J file")) == "a \\x1b[2J file"
