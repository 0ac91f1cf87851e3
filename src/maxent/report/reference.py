"""The settings that those of a run are compared with: the defaults of its algorithm, and its recipe."""

from collections.abc import Mapping
from typing import Any

from maxent import algorithms, recipes
from maxent.results.run import RunResults
from maxent.training.settings import Settings


def defaults_of(run: RunResults) -> Mapping[str, Any] | None:
    """Return the default settings of a run's algorithm by name; None for one that has not been imported."""
    kind = algorithms.known().get(run.algorithm)
    if kind is None:
        return None
    plain = Settings.of(kind, {}).to_plain()
    return {**plain["run"], **(plain["replay"] or {}), **plain["settings"]}


def recipe_of(run: RunResults) -> Mapping[str, Any]:
    """Return the settings of the recipe for a run's environment and algorithm; none if there is no such recipe."""
    found = None if run.env_id is None else recipes.find(run.env_id, run.algorithm)
    return {} if found is None or run.recipe is None else {**found.settings, "steps": found.steps}
