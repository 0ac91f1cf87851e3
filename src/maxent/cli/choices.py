"""Settings that are a choice between records on the command line: KIND [NAME=VALUE …].

--replay prioritized exponent=0.7        --alpha 0.2        --alpha auto target_entropy=-3
"""

import ast
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, field, fields, is_dataclass, make_dataclass
from types import MappingProxyType
from typing import Annotated, Any, Union, get_args, get_origin

import tyro
from tyro.conf import Suppress
from tyro.constructors import PrimitiveConstructorSpec

from maxent.errors import UserError
from maxent.nn.layers import Layer
from maxent.records import kind_of, read, to_plain

_MADE: dict[tuple[type[Any], tuple[tuple[str, str], ...]], type[Any]] = {}


def for_command_line(record: type[Any], marks: Mapping[str, str] = MappingProxyType({})) -> type[Any]:
    """Return a record with the same fields, whose choices are read from words and whose networks stay out of sight.

    `marks` are shown in the help in place of a field's default.
    """
    key = record, tuple(sorted(marks.items()))
    if key not in _MADE:
        _MADE[key] = _make(record, marks)
    return _MADE[key]


def _make(record: type[Any], marks: Mapping[str, str]) -> type[Any]:
    hints = typing.get_type_hints(record)
    changed: list[tuple[str, Any, Any]] = []
    for one in fields(record):
        hint = hints[one.name]
        if _holds(hint, Layer):  # layers are for Python
            changed.append((one.name, Annotated[hint, Suppress], _same_default(one)))
            continue
        shown = hint
        if _records_of(hint):
            shown = Annotated[shown, _from_words(one.name, hint)]
        if one.name in marks:
            shown = Annotated[shown, tyro.conf.arg(help_behavior_hint=marks[one.name])]
        if shown is not hint:
            changed.append((one.name, shown, _same_default(one)))
    made = make_dataclass(record.__name__, changed, bases=(record,), frozen=True)
    made.__doc__ = record.__doc__
    return made


def _same_default(one: Field[Any]) -> Any:
    if one.default_factory is not MISSING:
        return field(default_factory=one.default_factory)
    return field(default=one.default)


def _from_words(name: str, hint: Any) -> PrimitiveConstructorSpec[Any]:
    """Return how tyro reads a choice from words, and shows one."""
    kinds = [kind_of(record) for record in _records_of(hint)]
    numbers = ["NUMBER"] if float in get_args(hint) else []
    nothing = ["None"] if type(None) in get_args(hint) else []

    option = f"--{name.replace('_', '-')}"

    def parse(words: list[str]) -> Any:
        if not words:
            raise ValueError(f"expected one of {', '.join(kinds)}")
        first, *others = words
        plain: Any = {"kind": first, **pairs(option, others)}
        if nothing and first == "None":
            plain = None
        elif numbers and _is_number(first):
            if others:
                raise UserError(f"{option}: a number has no settings of its own, got {' '.join(others)}.")
            plain = float(first)
        return read(hint, plain, name)

    return PrimitiveConstructorSpec(
        nargs="*",
        metavar=f"{{{'|'.join([*numbers, *nothing, *kinds])}}} [NAME=VALUE …]",
        instance_from_str=parse,
        is_instance=lambda value: True,
        str_from_instance=in_words,
    )


def in_words(value: Any) -> list[str]:
    """Return a setting as on the command line: for a choice its kind and what differs from the defaults."""
    if not is_dataclass(value) or isinstance(value, type):
        return [str(value)]
    plain, usual = to_plain(value), to_plain(type(value)())
    return [plain.pop("kind"), *(f"{name}={one}" for name, one in plain.items() if one != usual[name])]


def pairs(option: str, words: Sequence[str]) -> dict[str, Any]:
    """Return `NAME=VALUE` words as plain data; a value that reads as a Python literal is one, anything else is text."""
    plain: dict[str, Any] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name.isidentifier():
            raise UserError(f"{option}: expected NAME=VALUE, got {word!r}; the environment goes first.")
        try:
            plain[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            plain[name] = value
    return plain


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _records_of(hint: Any) -> list[type[Any]]:
    """Return the records among the alternatives of a type."""
    alternatives = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return [one for one in alternatives if isinstance(one, type) and is_dataclass(one)]


def _holds(hint: Any, wanted: type[Any]) -> bool:
    """Return whether a class appears anywhere in a type."""
    return hint is wanted or any(_holds(one, wanted) for one in get_args(hint))
