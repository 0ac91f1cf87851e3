"""Typed records (frozen dataclasses) to plain data and back: settings in files, recipes and on the command line.

One reader serves them all, so a setting is described once, by its dataclass. A field may be a choice between records,
such as `UniformReplay | PrioritizedReplay`: each has a `kind`, and its plain form is the kind alone or a mapping with
"kind" and whatever differs from the defaults.
"""

import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from maxent.errors import UserError
from maxent.modules import imported, qualified_name

Record = TypeVar("Record")


def kind_of(record: type[Any]) -> str:
    """Return the name of a record among others: its `kind`, else its class, with the module where it is not ours."""
    kind = record.__dict__.get("kind")
    if isinstance(kind, str):
        return kind
    return record.__name__ if record.__module__.startswith("maxent.") else qualified_name(record)


def to_plain(value: Any) -> Any:
    """Return plain data for a setting: records as mappings, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: to_plain(getattr(value, field.name)) for field in fields(value) if field.init}
        return {"kind": kind_of(type(value)), **plain}
    if isinstance(value, tuple | list):
        return [to_plain(one) for one in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise UserError(f"a setting has to be plain data or a record of it, got {value!r}.")


def plain_settings(record: Any) -> dict[str, Any]:
    """Return the fields of a record as plain data, without its kind."""
    return {name: value for name, value in to_plain(record).items() if name != "kind"}


def build(record: type[Record], data: Mapping[str, Any], where: str = "") -> Record:
    """Return a record from plain data by name; raise `UserError` for a name it lacks or a value it cannot take."""
    hints = typing.get_type_hints(record)
    known = {field.name for field in fields(record) if field.init}  # type: ignore[arg-type]
    for name in data:
        if name not in known and name != "kind":
            raise unknown(name, known, where or kind_of(record))
    missing = [
        field.name
        for field in fields(record)  # type: ignore[arg-type]
        if field.init and field.default is MISSING and field.default_factory is MISSING and field.name not in data
    ]
    if missing:
        raise UserError(f"{where or kind_of(record)}: expected {', '.join(missing)}, which has no default; got none.")
    values = {name: read(hints[name], value, name) for name, value in data.items() if name in known}
    try:
        made = record(**values)
    except UserError:
        raise
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        check(record, values, where)  # a record that compares before it checks
        if not record.__module__.startswith("maxent."):
            raise
        raise UserError(
            f"{where or kind_of(record)}: expected values that fit together, got others: {error}."
        ) from error
    check(record, values, where)
    return made


def check(record: type[Any], values: Mapping[str, Any], where: str = "") -> None:
    """Raise `UserError` for a value that the annotation of its field does not allow."""
    hints = typing.get_type_hints(record)
    for field in fields(record):
        if field.name in values and not _allows(hints[field.name], values[field.name]):
            name = f"{where} {field.name}".strip()
            raise UserError(f"{name}: expected {_describe(hints[field.name])}, got {_shown(values[field.name])}.")


def _allows(annotation: Any, value: Any) -> bool:
    """Return whether a value is of the type of an annotation; an annotation of another form allows anything."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(_allows(one, value) for one in arguments)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin is typing.Annotated:
        return _allows(arguments[0], value)
    if origin is tuple:
        if not isinstance(value, tuple | list):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_allows(arguments[0], one) for one in value)
        return len(value) == len(arguments) and all(map(_allows, arguments, value))
    if annotation in (int, float):
        kind = Integral if annotation is int else Real
        return isinstance(value, kind) and not isinstance(value, bool)
    if annotation is bool:
        return isinstance(value, bool)
    return isinstance(value, annotation) if isinstance(annotation, type) else True


def _describe(annotation: Any) -> str:
    """Return in words what an annotation allows."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(one) for one in arguments)
    if origin is Literal:
        return " or ".join(repr(one) for one in arguments)
    if origin is typing.Annotated:
        return _describe(arguments[0])
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a tuple, each entry {_describe(arguments[0])}"
        return f"a tuple of {len(arguments)}: {', '.join(map(_describe, arguments))}"
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", types.NoneType: "None"}
    if annotation in words:
        return words[annotation]
    if isinstance(annotation, type) and isinstance(annotation.__dict__.get("kind"), str):
        return repr(kind_of(annotation))
    return getattr(annotation, "__name__", str(annotation))


def read(annotation: Any, value: Any, name: str) -> Any:
    """Return the value of a field from plain data, by the field's annotation; what is typed already stays as it is."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _choose(get_args(annotation), value, name)
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        element = get_args(annotation)[0]
        return tuple(read(element, one, name) for one in value)
    if origin is typing.Annotated:
        return read(get_args(annotation)[0], value, name)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _choose((annotation,), value, name)
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return _as_float(value)
    return value


def _as_float(value: int) -> float | int:
    """Return a whole number as a float; one beyond all floats stays, and the record refuses it."""
    try:
        return float(value)
    except OverflowError:
        return value


def _shown(value: object) -> str:
    """Return the repr of a value, cut after 200 characters."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _choose(alternatives: tuple[Any, ...], value: Any, name: str) -> Any:
    """Return one of several alternatives of a field."""
    records = [one for alternative in alternatives for one in _records(alternative)]
    if value is None or any(isinstance(value, record) for record in records):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else value
    if isinstance(kind, str):
        for record in records:
            if kind_of(record) == kind:
                return build(record, value if isinstance(value, Mapping) else {}, f"{name} {kind}")
        literals = [text for one in alternatives if get_origin(one) is Literal for text in get_args(one)]
        shown = [record for record in records if not record.__dict__.get("internal", False)]
        expected = list(dict.fromkeys([*(repr(kind_of(record)) for record in shown), *map(repr, literals)]))
        if expected and kind not in literals and (isinstance(value, Mapping) or str not in alternatives):
            if ":" in kind:
                raise _elsewhere(kind, name)
            number = " or a number" if float in alternatives or int in alternatives else ""
            raise UserError(f"{name}: expected {' or '.join(expected)}{number}, got {_shown(kind)}.")
        return value
    if isinstance(value, Mapping) and len(records) == 1:
        return build(records[0], value, name)
    if isinstance(value, int) and not isinstance(value, bool) and float in alternatives and int not in alternatives:
        return _as_float(value)
    for alternative in alternatives:
        if get_origin(alternative) is tuple:
            return read(alternative, value, name)
    return value


def _elsewhere(kind: str, name: str) -> UserError:
    """Return what to raise for a class of the user that is not known."""
    module, _, attribute = kind.partition(":")
    if imported(module) is not None:
        return UserError(f"{name}: expected a class {attribute} in the module {module!r}, which has none that fits.")
    return UserError(
        f"{name}: {attribute} is of the module {module!r}, which has not been imported. Where you trust it, name it "
        f"yourself: `--import {module}`, or modules=[{module!r}] in Python."
    )


def _records(alternative: Any) -> list[type[Any]]:
    """Return a record class and all classes derived from it; nothing for other annotations."""
    if not (isinstance(alternative, type) and is_dataclass(alternative)):
        return []
    return [alternative, *(one for child in alternative.__subclasses__() for one in _records(child))]


def choices_of(record: type[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the settings inside the choices of a record: field of the choice, kind, and name."""
    for field, hint in typing.get_type_hints(record).items():
        if get_origin(hint) in (Union, types.UnionType):
            for alternative in get_args(hint):
                if isinstance(alternative, type) and is_dataclass(alternative):
                    yield from ((field, kind_of(alternative), one.name) for one in fields(alternative))


def unknown(name: str, known: set[str], where: str) -> UserError:
    """Return what to raise for a setting that does not exist."""
    near = difflib.get_close_matches(name, known, n=3)
    others = f": it has {', '.join(sorted(known))}." if known else ": it has none."
    hint = f"; did you mean {' or '.join(near)}?" if near else others
    return UserError(f"{where} has no setting {_shown(name)}{hint}")
