"""Modules of the user: how files name the classes in them, and how they are imported."""

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from maxent.errors import UserError


def main_name() -> str:
    """Return the name under which other programs import the script that is running, else "__main__"."""
    main = sys.modules["__main__"]
    if main.__spec__ is not None:
        return main.__spec__.name
    file = getattr(main, "__file__", None)
    return "__main__" if file is None else Path(file).stem


def qualified_name(kind: type[Any]) -> str:
    """Return "module:Class", the name of a user's class in files; the running script counts as the module it is."""
    module = main_name() if kind.__module__ == "__main__" else kind.__module__
    return f"{module}:{kind.__qualname__}"


def imported(name: str) -> ModuleType | None:
    """Return a module that has been imported, or the running script by its name; else None."""
    return sys.modules.get(name) or (sys.modules["__main__"] if name == main_name() else None)


def import_modules(names: Iterable[str], where: str = "modules") -> None:
    """Import modules that the user has named; raise `UserError` for one that cannot be imported."""
    if isinstance(names, str):
        raise UserError(f"modules: expected a list of names of modules, got {names!r}; write [{names!r}].")
    for name in names:
        if imported(name) is not None:
            continue
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever the user's code raises
            what = f"{type(error).__name__}: {error}"
            raise UserError(f"{where}: the module {name!r} cannot be imported: {what}.") from error
