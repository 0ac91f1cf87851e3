"""The environment that the user passes, and how to make another one like it."""

import difflib
import importlib
import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, final

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

from maxent.envs import mujoco_log
from maxent.envs.wrappers import require_no_statistics
from maxent.errors import UserError

AnyEnv = gym.Env[Any, Any]
AnyVectorEnv = VectorEnv[Any, Any, Any]
EnvFactory = Callable[[], AnyEnv]
EnvLike = str | AnyEnv | AnyVectorEnv | EnvFactory

_INSTALL = {
    "box2d": 'pip install "maxent[box2d]"',
    "dm_control": 'pip install "maxent[dmc]"',
    "shimmy": 'pip install "maxent[dmc]"',
    "mujoco": 'pip install "mujoco<4"',
    "pygame": "pip install pygame",
    "ale": "pip install ale-py",
}
_VERSION = re.compile(r"-v\d+$")


@final
@dataclass(frozen=True, eq=False)
class EnvSource:
    """The source of a run's environments; create one with `EnvSource.of`.

    Args:
        kind: the kind of object that the user passed.
        name: for titles and folder names.
        env_id: the id in Gymnasium's registry, optionally with the module that registers it ("module:id").
        kwargs: the arguments that `gymnasium.make` passes to the environment.
        instance: a single environment of the user.
        vector: a vector environment of the user.
        maker: a function of the user that makes environments.
    """

    kind: Literal["id", "instance", "vector", "factory"]
    name: str
    env_id: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    instance: AnyEnv | None = None
    vector: AnyVectorEnv | None = None
    maker: EnvFactory | None = None

    @classmethod
    def of(cls, env: EnvLike, kwargs: Mapping[str, Any] | None = None) -> "EnvSource":
        """Return the source for an id ("Pendulum-v1", "my_module:MyEnv-v0"), an environment or a factory of one."""
        if isinstance(env, str):
            return cls("id", _file_name(env.rpartition(":")[2]), env_id=env, kwargs=dict(kwargs or {}))
        if kwargs:
            raise UserError(
                f"environment arguments: expected them with an environment id only, got {sorted(kwargs)} with a "
                f"{type(env).__name__}; pass them where you make it."
            )
        if isinstance(env, gym.Env | VectorEnv):
            name = _file_name(env.spec.id) if env.spec is not None else type(env.unwrapped).__name__
            if isinstance(env, VectorEnv):
                return cls("vector", name, vector=env)
            return cls("instance", name, instance=env)
        if callable(env):
            name = getattr(env, "__name__", "")
            return cls("factory", name if name.isidentifier() else "environment", maker=env)
        raise UserError(
            "environment: expected an id such as 'Pendulum-v1', a gymnasium.Env, a gymnasium.vector.VectorEnv or a "
            f"function that makes an environment, got a {type(env).__name__}."
        )

    @property
    def makes_all(self) -> bool:
        """Whether every environment of a run is made from this source: the user passed none."""
        return self.kind in ("id", "factory")

    @property
    def can_make(self) -> bool:
        """Whether `make` can make another environment, for evaluation or for another member."""
        if self.instance is not None:
            return self.instance.spec is not None
        return self.vector is None or self._vector_factory() is not None

    def make(self, render_mode: str | None = None) -> AnyEnv:
        """Make an environment; raise `UserError` if it is unknown, lacks a package, or cannot be made again."""
        if self.kind == "id":
            return _make(self.env_id, self.kwargs, render_mode)
        if self.instance is not None:
            return self._make_like(self.instance, render_mode)
        maker = self.maker or self._vector_factory()
        if maker is None:
            raise UserError(
                f"environment: expected a vector environment without wrappers, got {self.vector}; pass an "
                "id, a factory, or a plain SyncVectorEnv or AsyncVectorEnv."
            )
        return _checked(maker(), render_mode)

    def lend(self) -> AbstractContextManager[AnyEnv | AnyVectorEnv]:
        """Return a context of the user's environment, or else of one that is made and closed afterwards."""
        lent = self.instance if self.vector is None else self.vector
        return closing(self.make()) if lent is None else nullcontext(lent)

    def factory(self) -> EnvFactory:
        """Return a function that makes the environment in another process, after trying it once in this one."""
        env = self.make()
        require_no_statistics(env)
        spec = env.spec
        env.close()
        if self.maker is not None:
            return self.maker
        if self.kind == "id" and named_maker(self.env_id) is not None:
            return partial(_make, self.env_id, self.kwargs, None)
        # The spec, because the ids registered in this process are unknown in another.
        return partial(_make, self.env_id, self.kwargs, None) if spec is None else partial(_make, spec, {}, None)

    def to_json(self) -> dict[str, Any] | None:
        """Return plain data from which `from_json` makes an equal source; None if there are none."""
        if self.kind != "id":
            return None
        try:
            return {"id": self.env_id, "kwargs": json.loads(json.dumps(self.kwargs))}
        except (TypeError, ValueError):
            return None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "EnvSource":
        """Return the source that `to_json` wrote."""
        return cls.of(data["id"], data["kwargs"])

    def _make_like(self, env: AnyEnv, render_mode: str | None) -> AnyEnv:
        if env.spec is None:
            raise UserError(
                f"environment: expected one with a spec, to make another like it, got {env}; "
                "pass an id or a factory such as `lambda: YourEnv()`."
            )
        try:
            return _make(env.spec, {}, render_mode)
        except ValueError as error:  # a wrapper that does not record its arguments
            raise UserError(f"environment: cannot make another {env}: {error} Pass a factory.") from error

    def _vector_factory(self) -> EnvFactory | None:
        """Return the function that makes the first environment of a vector environment; None if it has wrappers."""
        if isinstance(self.vector, SyncVectorEnv | AsyncVectorEnv):
            return self.vector.env_fns[0]
        return None


def known_ids() -> dict[str, list[str]]:
    """Return the ids in Gymnasium's registry by family ("classic_control", "mujoco", ...)."""
    families: dict[str, list[str]] = {}
    for spec in gym.registry.values():
        entry = spec.entry_point
        if getattr(entry, "__name__", "").startswith("_raise_"):  # removed ids, whose makers only raise an error
            continue
        path = entry.split(":")[0].split(".") if isinstance(entry, str) else [getattr(entry, "__module__", "other")]
        family = path[2] if path[:2] == ["gymnasium", "envs"] and len(path) > 2 else path[0]
        families.setdefault(spec.namespace or family, []).append(spec.id)
    return {family: sorted(ids) for family, ids in sorted(families.items())}


def nearest_ids(env_id: str, limit: int = 3) -> list[str]:
    """Return the registered ids nearest to `env_id`: other versions of the same name, or else similar names."""
    versions: dict[str, list[str]] = {}
    for known in sorted((known for ids in known_ids().values() for known in ids), key=_version, reverse=True):
        versions.setdefault(_VERSION.sub("", known).lower(), []).append(known)
    wanted = _VERSION.sub("", env_id.rpartition(":")[2]).lower()
    if wanted in versions:
        return versions[wanted][:limit]
    return [versions[name][0] for name in difflib.get_close_matches(wanted, versions, n=limit)]


def named_maker(env_id: str) -> Callable[..., Any] | None:
    """Return the function or class that "module:name" names; None for an id that the module registers.

    The module is imported: the user has named it.
    """
    module, _, name = env_id.rpartition(":")
    if not module or not name.isidentifier():
        return None
    found = vars(importlib.import_module(module)).get(name)
    registered = name in gym.registry or versions_of(name)
    return found if callable(found) and not registered else None


def _checked(made: object, render_mode: str | None) -> AnyEnv:
    """Return what a function made; raise unless it is an environment with this render mode."""
    if not isinstance(made, gym.Env):
        raise UserError(f"environment: expected the factory to make a gymnasium.Env, got a {type(made).__name__}.")
    if render_mode is not None and made.render_mode != render_mode:
        made.close()
        raise UserError(
            f"environment: expected a factory whose environment has the render mode {render_mode!r}, got "
            f"{made.render_mode!r}; set it in the factory."
        )
    return made


def versions_of(name: str, further: Iterable[str] = ()) -> list[str]:
    """Return the ids with this name and a version, newest first: registered ones, and the `further` ones."""
    known = {known for ids in known_ids().values() for known in ids} | set(further)
    return sorted((one for one in known if _VERSION.search(one) and _VERSION.sub("", one) == name), key=_version)[::-1]


def _make(what: str | EnvSpec, kwargs: Mapping[str, Any], render_mode: str | None) -> AnyEnv:
    """Call `gymnasium.make` and raise `UserError` for mistakes that the user can correct."""
    rendering = {} if render_mode is None else {"render_mode": render_mode}
    env_id = what if isinstance(what, str) else what.id
    spec, maker = gym.registry.get(env_id), None
    try:
        if "mujoco" in sys.modules or (spec is not None and "mujoco" in str(spec.entry_point)):
            mujoco_log.redirect_warnings()
        if env_id.startswith("dm_control/") and spec is None:
            gym.register_envs(importlib.import_module("shimmy"))  # its import registers them
        maker = None if spec is not None else named_maker(env_id)
        if maker is not None:
            takes = rendering and "render_mode" in inspect.signature(maker).parameters
            return _checked(maker(**{**kwargs, **(rendering if takes else {})}), render_mode)
        return gym.make(what, **{**kwargs, **rendering})
    except gym.error.DependencyNotInstalled as error:
        raise UserError(f"{env_id} needs a package that is missing: {_install(str(error)) or error}") from error
    except ModuleNotFoundError as error:
        name = error.name or str(error).split("'")[1]
        if ":" in env_id and env_id.startswith(name):
            raise UserError(
                f"{env_id}: expected a module {name!r} that registers or makes the environment, got none of that name; "
                "start from its folder, or install it."
            ) from error
        command = _install(name) or f"pip install {name}"
        raise UserError(f"{env_id} needs the package {name!r}, which is missing: {command}") from error
    except ImportError as error:
        raise UserError(f"{env_id} cannot be imported: {error}{renderer_hint()}") from error
    except (RuntimeError, AttributeError, OSError) as error:  # MuJoCo's, for a renderer that is not there
        if not (hint := renderer_hint()) or "mujoco" not in f"{spec and spec.entry_point} {error}".lower():
            raise
        raise UserError(f"{env_id} cannot be made: {error}{hint}") from error
    except gym.error.Error as error:
        raise UserError(_unknown(env_id, error)) from error
    except TypeError as error:
        if render_mode is not None and "render_mode" in str(error):
            raise UserError(f"{env_id} cannot be shown: it has no render mode {render_mode!r}.") from error
        if not kwargs and maker is None:
            raise
        raise UserError(f"{env_id}: expected arguments of the environment, got {sorted(kwargs)}: {error}") from error


def renderer_hint() -> str:
    """Return what to do about MuJoCo's renderer, where the user has chosen one; else ""."""
    chosen = os.environ.get("MUJOCO_GL")
    if not chosen:
        return ""
    return (
        f". MUJOCO_GL is {chosen!r}: egl and osmesa draw without a screen, glfw with one; training needs none of them"
    )


def _unknown(env_id: str, error: gym.error.Error) -> str:
    """Return the error message for an id that Gymnasium refuses."""
    namespace = env_id.rpartition(":")[2].partition("/")[0] if "/" in env_id else ""
    if namespace and namespace not in known_ids():
        command = _install(namespace) or "install the package that registers it"
        return f"environment: expected a registered id, got {env_id!r}, and nothing registers {namespace!r}: {command}"
    module, _, name = env_id.rpartition(":")
    if module and name.isidentifier():  # no id, whose names end in a version: gymnasium.make has imported the module
        there = [one for one, value in vars(sys.modules[module]).items() if callable(value)]
        near = difflib.get_close_matches(name, there, n=3) or nearest_ids(env_id)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        return f"{env_id}: expected a function {name!r} in the module {module!r}, which has none of that name{hint}"
    if nearest := nearest_ids(env_id):
        return f"environment: expected a registered id, got {env_id!r}; did you mean {', '.join(nearest)}?"
    return f"environment: expected a registered id (see `maxent list envs`), got {env_id!r}: {error}"


def _install(text: str) -> str:
    """Return the command that installs the package named in the text; "" if unknown."""
    return next((command for word, command in _INSTALL.items() if word in text.lower()), "")


def _version(env_id: str) -> int:
    match = _VERSION.search(env_id)
    return int(match.group()[2:]) if match else -1


def _file_name(env_id: str) -> str:
    """Return an id as part of a path: dm_control/cheetah-run-v0 → dm_control-cheetah-run-v0."""
    return re.sub(r"[^\w.+-]+", "-", env_id)
