"""Parse the rows of docs/equations.md, and resolve the functions that they name."""

import importlib
import re
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")


class Row(NamedTuple):
    """One equation."""

    id: str
    place: str
    formula: str
    functions: list[str]
    tests: list[str]
    erratum: str


def cells(text: str) -> list[list[str]]:
    """Return the body rows of the first table in a text."""
    table = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[1].splitlines()]


def equations(page: str) -> dict[str, list[Row]]:
    """Return the rows of each document."""
    found = {}
    for part in re.split(r"^## ", page, flags=re.MULTILINE):
        if re.match(r"\d{3}\n", part):
            found[part[:3]] = [
                Row(id, place, formula, re.findall(r"`([^`]+)`", functions), re.findall(r"`([^`]+)`", tests), erratum)
                for id, place, formula, functions, tests, erratum in cells(part)
            ]
    return found


ROWS = [row for rows in equations(PAGE).values() for row in rows]


def resolve(name: str) -> Any:
    """Return the object of a dotted name: the longest module it starts with, then attributes."""
    parts = name.split(".")
    assert parts[0] == "maxent"
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)
