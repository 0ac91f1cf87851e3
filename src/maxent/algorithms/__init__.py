"""One file per algorithm, and the ways to find one."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from maxent.algorithms.base import DEFINED, Algorithm
from maxent.algorithms.settings import AlgorithmConfig, LearnedAlpha
from maxent.errors import UserError
from maxent.modules import import_modules, imported


@cache
def built_in() -> dict[str, type[Algorithm]]:
    """Return the algorithms of this package by name, found by looking at its files."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return {name: kind for name, kind in sorted(DEFINED.items()) if kind.__module__.startswith(f"{__name__}.")}


def __getattr__(name: str) -> Any:
    """Return the class or the settings of an algorithm of this package, such as SoftActorCritic or SACConfig."""
    if not name.startswith("_"):
        for kind in built_in().values():
            for one in (kind, kind.config_class):
                if one.__name__ == name:
                    return one
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def find(name: str, *, import_module: bool = False) -> type[Algorithm]:
    """Return the algorithm of this name: one of this package, or "module:Class".

    A module that has not been imported yet is imported only with `import_module`: where the user has named it, never
    because a file does.
    """
    if name in built_in():
        return built_in()[name]
    module, _, attribute = name.partition(":")
    if not attribute:
        lower = {known.lower(): known for known in built_in()}
        if name.lower() in lower:
            return built_in()[lower[name.lower()]]
        raise UserError(
            f"Unknown algorithm {name!r}: choose one of {', '.join(built_in())}, or name your own as module:Class."
        )
    if imported(module) is None and not import_module:
        raise UserError(
            f"The algorithm {name} is not part of maxent. To let its module be imported, name it yourself: "
            f"`--algo {name}`, or `import {module}` in Python."
        )
    import_modules([module], where=name)
    return require_algorithm(getattr(imported(module), attribute, None), name)


def require_algorithm(kind: object, name: str) -> type[Algorithm]:
    """Return `kind`; raise `UserError` if it is no class of an algorithm with a name of its own."""
    if not (isinstance(kind, type) and issubclass(kind, Algorithm) and kind.identifier() in DEFINED):
        raise UserError(
            f"{name}: expected a class derived from maxent.algorithms.Algorithm with a `name` of its own, got {kind!r}."
        )
    return kind


def known() -> dict[str, type[Algorithm]]:
    """Return the algorithms of this package and those of modules that have been imported, by their name in files."""
    return built_in() | {name: kind for name, kind in sorted(DEFINED.items()) if name not in built_in()}


def taking(actions: str) -> list[str]:
    """Return the names of the algorithms for this kind of action space."""
    return [name for name, algorithm in built_in().items() if actions in algorithm.actions]


__all__ = ["Algorithm", "AlgorithmConfig", "LearnedAlpha", "built_in", "find", "known", "require_algorithm", "taking"]
