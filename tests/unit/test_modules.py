"""Names of a user's modules, and importing them."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from maxent.errors import UserError
from maxent.modules import import_modules, imported, main_name, qualified_name


class Mine:
    pass


def script(monkeypatch: pytest.MonkeyPatch, **attributes: object) -> ModuleType:
    """Put another main module in place."""
    module = ModuleType("__main__")
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def test_the_running_script_has_the_name_under_which_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    main = script(monkeypatch, __file__="/somewhere/walk.py", __spec__=None)
    assert main_name() == "walk"
    assert imported("walk") is main
    monkeypatch.setattr(Mine, "__module__", "__main__")
    assert qualified_name(Mine) == "walk:Mine"
    script(monkeypatch, __file__="/somewhere/tools/walk.py", __spec__=pytest.__spec__)  # python -m
    assert main_name() == "pytest"
    script(monkeypatch, __spec__=None)  # python -c
    assert main_name() == "__main__"
    assert qualified_name(Mine) == "__main__:Mine"


def test_other_classes_are_named_by_their_module() -> None:
    assert qualified_name(Mine) == f"{__name__}:Mine"
    assert imported("no_such_module") is None


def test_modules_are_imported_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_of_a_test.py").write_text("value = 3")
    monkeypatch.syspath_prepend(tmp_path)
    import_modules(["module_of_a_test"])
    assert sys.modules.pop("module_of_a_test").value == 3


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("script", r"^modules: expected a list of names of modules, got 'script'; write \['script'\]"),
        (
            ["no_such_module"],
            "^modules: the module 'no_such_module' cannot be imported: ModuleNotFoundError: No module named",
        ),
        ([""], "^modules: the module '' cannot be imported"),
    ],
)
def test_what_cannot_be_imported_is_a_sentence(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        import_modules(names)
