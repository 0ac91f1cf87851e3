"""The words of a command as its parser wants them: whole numbers such as 20k, lists such as 64,64, names of others."""

import re
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Annotated, Any, Union, get_args, get_origin

from tyro.conf import Positional

from maxent.errors import UserError

_NUMBER = re.compile(r"(-?\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?)([kKmM]?)")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_ROUND = re.compile(r"[1-9]\d{0,2}(,000)+")
_LIST = re.compile(r"[\[(]?\d[\d.]*(\s*[,;]\s*|\s+)[\d\[(].*")
_LARGE = ("steps", "buffer_size")
"""Settings whose numbers are so large that commas in them separate thousands."""
_POSITIONAL = get_args(Positional[str])[1]
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


def understood(words: Sequence[str], command: type[Any]) -> list[str]:
    """Return the words with plain numbers and names that the command has; the environment goes first.

    Raise `UserError` for a word that is of another library, a setting that is given by two names, or a list where a
    count is expected.
    """
    from maxent.training.words import ELSEWHERE, SYNONYMS

    hints, positional = dict(_options(command)), _positional(command)
    synonyms = {**SYNONYMS, "env_id": "env"}
    spelled = dict[str, str]()  # as which a setting was given
    first = bool(words) and not words[0].startswith("-")
    said: list[str] = []
    strays: list[str] = []
    for option, values in _grouped(words):
        said_as = name = option.lstrip("-").replace("-", "_")
        if option and name not in hints:
            if synonyms.get(name) in hints:
                if name == "ent_coef":
                    values = [re.sub(r"^auto_(.+)$", r"auto initial=\1", one) for one in values]
                    values = [part for one in values for part in one.split()]
                name = synonyms[name]
                option = "--" + name.replace("_", "-")
            elif name in ELSEWHERE:
                raise UserError(f"{option}: {ELSEWHERE[name]}.")
        if option and spelled.setdefault(name, said_as) != said_as:
            raise UserError(f"{name}: given twice, as {spelled[name]} and as {said_as}; leave one of them out.")
        if option and name in positional:
            if first or strays or not any(values):
                got = f"{(said or strays)[0]} as well" if first or strays else "none"
                raise UserError(f"{option}: expected one {name}, got {got}.")
            strays += values
            continue
        own, others = _of_option(option, values, hints.get(name)) if option else (values, [])
        if first:  # the environment is there: what is left is a mistake that the parser names
            own, others = [*own, *others], []
        said += [option, *own] if option else own
        strays += others
    return [*strays, *said]


def named(words: Sequence[str]) -> set[str]:
    """Return the names of the settings that the words give, such as layer_norm for --no-layer-norm."""
    options = {option.removeprefix("--").replace("-", "_") for option, _ in _grouped(words)}
    return options | {option.removeprefix("no_") for option in options}


def _grouped(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each option with the words after it; those before the first have the option ""."""
    option, values = "", list[str]()
    for word in words:
        if re.match(r"--[A-Za-z]", word):
            if option or values:
                yield option, values
            option, separator, value = word.partition("=")
            values = [value] if separator else []
        else:
            values.append(word)
    if option or values:
        yield option, values


def _of_option(option: str, values: list[str], hint: Any) -> tuple[list[str], list[str]]:
    """Return the words of an option, and those after it that cannot be of it."""
    if option == "--env-arg":
        return [one for one in values if "=" in one], [one for one in values if "=" not in one]
    if hint is None:
        return values, []
    if _alternatives(hint) <= {int, type(None)}:
        return _whole(option, values, optional=hint is not int)
    if get_origin(hint) is tuple and int in get_args(hint):
        return _wholes(option, values)
    if any(is_dataclass(one) for one in _alternatives(hint)):
        return [*values[:1], *(one for one in values[1:] if "=" in one)], [one for one in values[1:] if "=" not in one]
    return values, []


def _whole(option: str, values: list[str], *, optional: bool) -> tuple[list[str], list[str]]:
    """Return the one number of an option; 1e3, 20k and 1.5M are whole numbers as well, 20,000 where it is no list.

    An `optional` number may be None.
    """
    first, others = values[:1], values[1:]
    name, text = option.lstrip("-").replace("-", "_"), " ".join(values)
    if first and name != "seeds" and (_THOUSANDS if name in _LARGE else _ROUND).fullmatch(first[0]):
        first = [first[0].replace(",", "")]
    elif _LIST.fullmatch(text) and (name == "seeds" or re.search(r"\d\s*[,;]", text)):
        if name != "seeds":
            raise UserError(f"{option}: expected one whole number, got the list {text}.")
        start = re.search(r"\d+", text)
        assert start is not None
        count = len(re.findall(r"\d+", text))
        raise UserError(
            f"--seeds: expected how many seeds train side by side, got the list {text}; --seed {start[0]} --seeds "
            f"{count} trains the {count} seeds from {start[0]} on."
        )
    if optional and first == ["None"]:
        return first, others
    return [_number(option, one, values[0]) for one in first], others


def _wholes(option: str, values: list[str]) -> tuple[list[str], list[str]]:
    """Return the numbers of an option that takes several: 64 64, 64,64, [64, 64] and 64x64 are alike."""
    own: list[str] = []
    others: list[str] = []
    for value in values:
        parts = [part for part in re.split(r"[\[\](),\s]+|(?<=\d)[xX](?=\d)", value) if part]
        if all(_NUMBER.fullmatch(part.lstrip("-")) for part in parts):
            own += [_number(option, part) for part in parts]
        else:
            others.append(value)
    if not own:
        got = f", got {' '.join(values)}" if values else ", got none"
        raise UserError(f"{option}: expected whole numbers, such as {option} 64 64{got}.")
    return own, others


def _number(option: str, text: str, given: str = "") -> str:
    """Return a whole number in plain digits; `given` is what the user wrote, if that was another text."""
    got = f"got {given or text or 'none'}"
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise UserError(f"{option}: expected a whole number, such as 20000, 20k or 1e6, {got}.")
    exponent = re.search(r"[eE]([+-]?\d+)$", match[1])
    if exponent and match[2]:
        raise UserError(f"{option}: expected a whole number, {got}: leave out the exponent or the {match[2]}.")
    if len(match[1]) > 40 or (exponent and abs(int(exponent[1])) > 18):
        raise UserError(f"{option}: expected a whole number below 10^18, {got}.")
    value = Decimal(match[1].replace("_", "")) * _FACTORS[match[2].lower()]
    if value != value.to_integral_value():
        raise UserError(f"{option}: expected a whole number, {got}.")
    return str(int(value))


def _options(command: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the options of a command and of the records in it, with their types."""
    hints = typing.get_type_hints(command, include_extras=True)
    for one in fields(command):
        hint = hints[one.name]
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if is_dataclass(bare) and isinstance(bare, type):
            yield from _options(bare)
        else:
            yield one.name, bare
    if any(one.name == "modules" for one in fields(command)):
        yield "import", str


def _positional(command: type[Any]) -> set[str]:
    """Return the names of what a command takes without an option, such as the environment."""
    hints = typing.get_type_hints(command, include_extras=True)
    return {one.name for one in fields(command) if _POSITIONAL in get_args(hints[one.name])[1:]}


def _alternatives(hint: Any) -> set[Any]:
    return set(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else {hint}
