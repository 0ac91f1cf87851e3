"""The recipe that a run starts from, and the full id of an environment that is named without a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from maxent import algorithms, recipes
from maxent.algorithms.base import Algorithm
from maxent.envs.making import EnvLike, EnvSource, versions_of
from maxent.errors import UserError
from maxent.recipes import Recipe
from maxent.training.settings import Settings


@dataclass(frozen=True)
class Tuned:
    """Settings of a run, by name, and the recipe behind them.

    Args:
        settings: what the caller gave, and of the recipe all else.
        recipe: the recipe; None if there is none.
        left_out: settings of the recipe that do not go together with what the caller gave.
    """

    settings: dict[str, Any]
    recipe: Recipe | None = None
    left_out: tuple[str, ...] = ()

    @property
    def taken(self) -> list[str]:
        """The settings that the recipe has, without those left out."""
        return [] if self.recipe is None else [name for name in self.recipe.settings if name not in self.left_out]

    def sentence(self, given: Mapping[str, Any]) -> str:
        """Return which recipe was taken, and what of it; "" without one."""
        if self.recipe is None:
            return ""
        own = [name for name in self.taken if name in given]
        parts = [f"{name}={self.settings[name]}" for name in self.taken if name not in given]
        parts += [f"instead of its {', '.join(own)}: what you gave"] if own else []
        parts += [f"without its {', '.join(self.left_out)}, which does not fit what you gave"] if self.left_out else []
        return f"recipe for {self.recipe.algo} on {self.recipe.env} (recipe=False leaves it): {', '.join(parts)}"


def tuned(algorithm: type[Algorithm], env_id: str, given: Mapping[str, Any]) -> Tuned:
    """Return the settings of a run on an environment: those given, which always win, and the recipe's for all others.

    A setting of the recipe that is refused together with what was given, such as `hidden` beside `network=`, is left
    out.
    """
    recipe = recipes.find(env_id, algorithm.name) if env_id else None
    if recipe is None:
        return Tuned(dict(given))
    settings, left_out = {**recipe.settings, **given}, list[str]()
    try:
        Settings.of(algorithm, settings)
    except UserError:
        Settings.of(algorithm, given)  # where this is the fault of what was given, it is raised here
        settings = dict(given)
        for name, value in recipe.settings.items():
            if name in given:
                continue
            try:
                Settings.of(algorithm, settings | {name: value})
            except UserError:
                left_out.append(name)
            else:
                settings[name] = value
    return Tuned(settings, recipe, tuple(left_out))


def id_of(source: EnvSource) -> str:
    """Return the id of an environment that recipes know: of an id, or of an instance without further wrappers."""
    if source.kind == "id":
        return source.env_id
    spec = None if source.instance is None else source.instance.spec
    return "" if spec is None or spec.additional_wrappers else spec.id


def complete_id(env_id: str, algo: str) -> tuple[str, str]:
    """Return an id with its version and a sentence that says so; the id itself and "" where it needs none.

    The version is the newest one with a recipe for the algorithm, else the newest that is registered.
    """
    if ":" in env_id or env_id in gym.registry:
        return env_id, ""
    known = versions_of(env_id, [name for recipe in recipes.all_recipes() for name in (recipe.env, *recipe.also)])
    if not known:
        return env_id, ""
    with_recipe = [one for one in known if recipes.find(one, algo) is not None]
    chosen = (with_recipe or known)[0]
    why = f"the newest version with a recipe for {algo}" if with_recipe else "the newest version"
    return chosen, f"{env_id} is taken as {chosen}, {why}"


def require_recipe(env: EnvLike, algo: str) -> None:
    """Raise if there is no recipe of an algorithm for an environment, or for the id that it was made from."""
    name = env if isinstance(env, str) else id_of(EnvSource.of(env))
    if recipes.find(complete_id(name, algo)[0], algo) is None:
        raise UserError(f"There is no recipe for {algo} on {name or env}: `maxent list recipes` shows those there are.")


def algorithm_of(own: type[Algorithm] | str, named: type[Algorithm] | str | None, title: str) -> type[Algorithm]:
    """Return the algorithm of a class of agents: its own, or the one that the caller names."""
    chosen = named or own
    if not chosen:
        raise UserError("algorithm: expected a class, or a name such as 'sac' or 'my_module:MySAC'; got none.")
    if isinstance(chosen, str):
        kind = algorithms.find(chosen, import_module=True)
    else:
        kind = algorithms.require_algorithm(chosen, f"algorithm {getattr(chosen, '__qualname__', chosen)}")
    if own and kind is not own:
        raise UserError(
            f"algorithm: maxent.{title} has its own, got {kind.identifier()}; use maxent.Agent(env, algorithm=...)."
        )
    return kind
