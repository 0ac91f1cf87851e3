"""The tests that docs/reliability.md and SECURITY.md name exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/reliability.md", "SECURITY.md")
NODE = re.compile(r"(tests/[\w/]+\.py)((?:::\w+)*)")


def functions(path: Path) -> set[str]:
    """Return the tests of a file, those of a class as Class::test."""
    found = set()
    for one in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(one, ast.ClassDef):
            found |= {f"{one.name}::{inner.name}" for inner in one.body if isinstance(inner, ast.FunctionDef)}
        elif isinstance(one, ast.FunctionDef):
            found.add(one.name)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    nodes = NODE.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len(nodes) > 5
    for file, name in nodes:
        assert (ROOT / file).exists(), file
        if name:
            assert name.removeprefix("::") in functions(ROOT / file), file + name


def test_every_suite_of_faults_is_on_the_page() -> None:
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    suites = {path.name for path in (ROOT / "tests" / "faults").glob("test_*.py")}
    assert {name for name in suites if f"tests/faults/{name}" not in text} == set()
