"""Plain data from files that anyone may have written: JSON and TOML, read within bounds and against a schema.

Parsing bounds the size, the nesting, the number of elements, the length of texts and the size of numbers, before memory
is taken for them. A schema then describes what a piece of data has to be:

    str, bool, dict, None     a text, True or False, any mapping, null
    Whole(), Number()         a whole number, or any finite one, in a range
    {"name": schema, …}       a mapping with exactly these entries; those in `Mapping.optional` may be missing
    ListOf(schema, length)    a list
    Either(schema, schema)    one of several
"""

import json
import math
import re
import reprlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from maxent.errors import UserError, printable

DEPTH = 64
"""Nesting of lists and mappings."""
TEXT = 100_000
"""Characters of one text."""
WHOLE = 2**128
"""Bound of whole numbers: the positions of random streams have 128 bits."""
ELEMENTS = 4_000_000
"""Values, keys, lists and mappings of a file."""
BYTES = 64 * 2**20
"""Size of a file of plain data or of a table."""


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`."""

    least: int = 0
    most: int = 2**63 - 1


@dataclass(frozen=True)
class Number:
    """A finite number."""


@dataclass(frozen=True)
class ListOf:
    """A list of `schema`, of a fixed length if one is given."""

    schema: Any
    length: int | None = None


@dataclass(frozen=True)
class Either:
    """Data of one of several schemas."""

    schemas: tuple[Any, ...]


@dataclass(frozen=True)
class Entries:
    """A mapping with entries that have to be there and entries that may be."""

    required: Mapping[str, Any]
    optional: Mapping[str, Any]


def parse_json(data: bytes) -> Any:
    """Return the content of a JSON file; raise `UserError` if it is none or beyond the bounds."""
    require_small(data)
    try:
        found = json.loads(data.decode("utf-8"), parse_int=_whole, parse_float=_finite, parse_constant=_no_constant)
    except UserError:
        raise
    except (ValueError, RecursionError) as error:  # also other encodings and endless nesting
        raise UserError(f"it is not a JSON file: {error}.") from error
    require_bounded(found)
    return found


def parse_toml(data: bytes) -> dict[str, Any]:
    """Return the content of a TOML file; raise `UserError` if it is none or beyond the bounds."""
    require_small(data)
    try:
        found = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"it is not a TOML file: {error}.") from error
    require_bounded(found)
    return found


def require_small(data: bytes) -> None:
    """Raise before a parser takes memory: an empty list of two bytes becomes an object of 56."""
    if len(data) > BYTES:
        raise UserError(f"expected at most {BYTES:,} bytes, got {len(data):,}.")
    elements = sum(data.count(mark) for mark in (b",", b"[", b"{", b":", b"="))
    if elements > ELEMENTS:
        raise UserError(f"expected at most {ELEMENTS:,} elements, got {elements:,}.")


def _whole(digits: str) -> int:
    if len(digits) > 40:
        raise UserError(f"expected numbers of at most 128 bits, got one of {len(digits):,} digits.")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise UserError(f"expected finite numbers, got {short(digits)}.")
    return number


def _no_constant(name: str) -> NoReturn:
    raise UserError(f"expected finite numbers, got {name}.")


def require_bounded(data: Any) -> None:
    """Raise unless plain data is within the bounds and consists of mappings, lists, texts and finite numbers alone."""
    for depth, value in _walk(data):
        if depth > DEPTH:
            raise UserError(f"expected at most {DEPTH} levels of nesting, got more.")
        if isinstance(value, str):
            if len(value) > TEXT:
                raise UserError(f"expected texts of at most {TEXT:,} characters, got one of {len(value):,}.")
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise UserError(f"expected finite numbers, got {value}.")
        elif isinstance(value, int):
            if abs(value) >= WHOLE:
                raise UserError("expected numbers of at most 128 bits, got a larger one.")
        elif not (value is None or isinstance(value, dict | list)):
            raise UserError(f"expected texts, numbers, lists and mappings, got a {type(value).__name__}.")


def _walk(data: Any) -> Iterator[tuple[int, Any]]:
    """Yield every key and value with its depth, without recursion."""
    waiting = [(0, data)]
    while waiting:
        depth, value = waiting.pop()
        yield depth, value
        if isinstance(value, dict):
            waiting += [(depth + 1, one) for pair in value.items() for one in pair]
        elif isinstance(value, list):
            waiting += [(depth + 1, one) for one in value]


def require(data: Any, schema: Any, where: str = "") -> None:
    """Raise `UserError` unless data is what a schema describes; `where` is its place for the message."""
    prefix = f"{where}: " if where else ""
    if isinstance(schema, Mapping):
        schema = Entries(schema, {})
    if isinstance(schema, Entries):
        known = {**schema.required, **schema.optional}
        if not isinstance(data, dict) or not schema.required.keys() <= data.keys() <= known.keys():
            names = ", ".join(sorted(schema.required)) or "none"
            got = f"the entries {short(', '.join(sorted(data)))}" if isinstance(data, dict) else short(data)
            raise UserError(f"{prefix}expected the entries {names}, got {got}.")
        for name, value in data.items():
            require(value, known[name], f"{where} {name}".strip())
    elif isinstance(schema, ListOf):
        if not isinstance(data, list) or (schema.length is not None and len(data) != schema.length):
            size = "" if schema.length is None else f" of {schema.length}"
            got = f"one of {len(data)}" if isinstance(data, list) else short(data)
            raise UserError(f"{prefix}expected a list{size}, got {got}.")
        for number, value in enumerate(data):
            require(value, schema.schema, f"{where} {number}".strip())
    elif not _is(data, schema):
        raise UserError(f"{prefix}expected {_words(schema)}, got {short(data)}.")


def _is(data: Any, schema: Any) -> bool:
    """Return whether data is of a schema without entries of its own, or of one of several."""
    if isinstance(schema, Either):
        return any(_holds(data, one) for one in schema.schemas)
    if isinstance(schema, Whole):
        return isinstance(data, int) and not isinstance(data, bool) and schema.least <= data <= schema.most
    if isinstance(schema, Number):
        return isinstance(data, int | float) and not isinstance(data, bool)
    if isinstance(schema, type):
        return isinstance(data, schema)
    return data is None


def _holds(data: Any, schema: Any) -> bool:
    try:
        require(data, schema)
    except UserError:
        return False
    return True


def _words(schema: Any) -> str:
    """Return a schema in words."""
    if isinstance(schema, Whole):
        return f"a whole number from {schema.least} to {schema.most}"
    if isinstance(schema, Number):
        return "a number"
    if isinstance(schema, Either):
        return " or ".join(map(_words, schema.schemas))
    if isinstance(schema, ListOf):
        return "a list"
    if isinstance(schema, Mapping | Entries):
        return "a mapping"
    return {str: "a text", bool: "true or false", dict: "a mapping", list: "a list", None: "null"}[schema]


def like(value: Any) -> Any:
    """Return the schema of data that has the structure of `value`: the same entries, lengths and types.

    Whole numbers are at least 0, or as small as the one in `value`.
    """
    if isinstance(value, Mapping):
        return {name: like(one) for name, one in value.items()}
    if isinstance(value, list):
        return ListOf(like(value[0]) if value else None, len(value))
    if isinstance(value, bool) or value is None:
        return None if value is None else bool
    if isinstance(value, int):
        return Whole(min(value, 0), WHOLE - 1 if value >= 2**64 else 2**64 - 1)
    return Number() if isinstance(value, float) else type(value)


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 3, 60, 60, 45


def short(value: object) -> str:
    """Return the repr of a value for a message, cut and printable."""
    return printable(_SHORT.repr(value))


def is_harmless(argument: Any) -> bool:
    """Return whether an environment's argument consists of numbers, True, False, None and plain words alone.

    A word has neither a slash nor a colon and starts with a letter or digit, so it is no path and no "module:id".
    """
    if isinstance(argument, dict):
        return all(map(is_harmless, (*argument.keys(), *argument.values())))
    if isinstance(argument, list):
        return all(map(is_harmless, argument))
    return not isinstance(argument, str) or argument == "" or re.fullmatch(r"\w[\w .+-]*", argument) is not None
