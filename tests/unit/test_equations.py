"""The map of equations: no row of the inventory is missing, and every function and test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from equation_rows import PAGE, ROOT, ROWS, cells, equations, resolve

KINDS = ("slip", "convention", "remark")


def inventory(page: str) -> dict[str, tuple[int, ...]]:
    """Return for each document the numbers of rows, errata and kinds that the page states; "all" has the totals."""
    rows = cells(page.split("\n## Inventory\n")[1])
    return {re.sub(r"\[(\d+)\]\(#\1\)", r"\1", document): tuple(map(int, counts)) for document, _, *counts in rows}


def check_inventory(page: str) -> None:
    """Raise unless every document has the rows and errata that the inventory states, numbered without a gap."""
    said, found = inventory(page), equations(page)
    assert list(found) == ["000", "001", "002", "003", "004"] == list(said)[:-1]
    for document, rows in found.items():
        assert [row.id for row in rows] == [f"{document}-{n}" for n in range(1, len(rows) + 1)]
        errata = [row.erratum for row in rows if row.erratum]
        kinds = [sum(f"*{kind}*" in erratum for erratum in errata) for kind in KINDS]
        assert said[document] == (len(rows), len(errata), *kinds), document
    assert said["all"] == tuple(map(sum, zip(*(said[document] for document in found), strict=True)))
    for document, last in (("003", 12), ("004", 19)):  # the documents that number their equations
        numbers = [int(n) for row in found[document] for n in re.findall(r"^eq\. (\d+)", row.place)]
        assert numbers == list(range(1, last + 1)), document


def test_no_row_is_missing() -> None:
    check_inventory(PAGE)


def test_a_missing_row_is_noticed() -> None:
    for row in ROWS:
        without = re.sub(rf"^\| {row.id} \|.*\n", "", PAGE, flags=re.MULTILINE)
        assert len(without) < len(PAGE)
        with pytest.raises(AssertionError):
            check_inventory(without)


def test_rows_are_complete() -> None:
    for row in ROWS:
        assert row.place, row.id
        assert re.fullmatch(r"\$[^$]+\$", row.formula), row.id
        for opening, closing in ("{}", "()", "[]"):
            assert row.formula.count(opening) == row.formula.count(closing), row.id
        assert row.functions, row.id
        assert row.tests, row.id
        assert row.erratum.count("$") % 2 == 0, row.id
        assert re.fullmatch(r"|\*(slip|convention|remark)\* [^*]+(\*(slip|convention|remark)\* [^*]+)*", row.erratum), (
            row.id
        )


def test_the_functions_exist() -> None:
    for row in ROWS:
        for name in row.functions:
            assert callable(resolve(name)), f"{row.id}: {name}"


def test_the_tests_exist() -> None:
    for row in ROWS:
        for name in row.tests:
            file, _, function = name.partition("::")
            assert re.fullmatch(r"tests/[\w/]+\.py", file), f"{row.id}: {name}"
            assert function in defined_tests(ROOT / file), f"{row.id}: {name}"


def test_what_an_erratum_refers_to_exists() -> None:
    known = {row.id for row in ROWS}
    for row in ROWS:
        assert set(re.findall(r"\b00\d-\d+\b", row.erratum)) <= known, row.id
        for name in re.findall(r"`(maxent[^`]+)`", row.erratum):
            assert callable(resolve(name)), f"{row.id}: {name}"


@cache
def defined_tests(path: Path) -> set[str]:
    """Return the test functions that a file defines, also in classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
