"""Tuned settings per environment, as data: one TOML file for each algorithm and environment."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from maxent.errors import FileError, UserError
from maxent.untrusted import Entries, ListOf, Whole, parse_toml, require

SCHEMA = Entries({"env": str, "algo": str, "steps": Whole(1), "settings": dict, "source": str}, {"also": ListOf(str)})
"""The content of a file; settings are checked where they become records."""


@dataclass(frozen=True)
class Recipe:
    """Tuned settings for an environment, and their source.

    `settings` holds options by their names in the configuration of the algorithm and of the run; the command line has
    the same names with dashes. All other options keep their defaults.
    """

    env: str
    algo: str
    steps: int  # environment steps per member
    settings: dict[str, Any]
    source: str
    path: str  # inside this package
    also: tuple[str, ...] = ()  # further ids it applies to, such as older versions of the environment


def find(env_id: str, algo: str) -> Recipe | None:
    """Return the recipe for an environment, or None."""
    for recipe in all_recipes():
        if recipe.algo == algo and env_id in (recipe.env, *recipe.also):
            return recipe
    return None


@lru_cache(maxsize=1)
def all_recipes() -> tuple[Recipe, ...]:
    """Return all recipes of the package, ordered by algorithm and environment."""
    folders = [folder for folder in resources.files(__name__).iterdir() if folder.is_dir()]
    files = [(folder.name, file) for folder in folders for file in folder.iterdir() if file.name.endswith(".toml")]
    recipes = [read_recipe(file.read_bytes(), f"{folder}/{file.name}") for folder, file in files]
    return tuple(sorted(recipes, key=lambda recipe: recipe.path))


def read_recipe(data: bytes, path: str) -> Recipe:
    """Return the recipe in a TOML file; raise `UserError` if it is none."""
    try:
        found = parse_toml(data)
        require(found, SCHEMA)
    except UserError as error:
        raise FileError(path, str(error), "it is no recipe") from error
    source = " ".join(found.pop("source").split())
    return Recipe(path=path, source=source, also=tuple(found.pop("also", ())), **found)
