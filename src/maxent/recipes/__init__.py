"""Tuned settings per environment, as data: one TOML file for each algorithm and environment."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any


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
    recipes = [_parse(file.read_text(encoding="utf-8"), f"{folder}/{file.name}") for folder, file in files]
    return tuple(sorted(recipes, key=lambda recipe: recipe.path))


def _parse(text: str, path: str) -> Recipe:
    """Return the recipe in a TOML file."""
    data = tomllib.loads(text)
    source = " ".join(data.pop("source").split())
    return Recipe(path=path, source=source, also=tuple(data.pop("also", ())), **data)
