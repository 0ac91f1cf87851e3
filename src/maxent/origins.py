"""The algorithm and the environments that the files of a run name, and what the caller has to name as well."""

from pathlib import Path
from typing import Any

from maxent import algorithms
from maxent.agent import Env
from maxent.algorithms.base import Algorithm
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.modules import imported
from maxent.runs.folder import RunFolder
from maxent.training.description import CONFIG
from maxent.tuned import complete_id
from maxent.untrusted import is_harmless, short

AlgorithmName = type[Algorithm] | str
"""An algorithm that the caller names, so that its module may be imported."""


def algorithm_of(learner: dict[str, Any], given: AlgorithmName | None) -> type[Algorithm]:
    """Return the algorithm that a file names; its module is imported only where the caller has named it as well."""
    name = str(learner["algorithm"])
    if given is None:
        return algorithms.find(name)
    wanted = given.identifier() if isinstance(given, type) else given
    _, own, attribute = name.partition(":")  # the module of a class of the user's may have another name by now
    if wanted != name and not (own and wanted.partition(":")[2] == attribute):
        raise UserError(f"algorithm: this agent was trained with {name}, got {wanted}.")
    return given if isinstance(given, type) else algorithms.find(given, import_module=True)


def source_of(folder: RunFolder, env: Env | None) -> EnvSource | None:
    """Return the source of the environments of a run: `env`, or the one in its config.

    The id of the run itself, where the caller names it, has the arguments in the config: the caller trusts it.
    """
    config = folder.read_config(CONFIG)
    data = config["env"]["source"]
    if isinstance(env, str):
        env = complete_id(env, config["learner"]["algorithm"])[0]
    if env is not None:
        return EnvSource.from_json(data) if data and env == data["id"] else EnvSource.of(env)
    if not data:
        return None
    module = data["id"].rpartition(":")[0]
    if module and imported(module) is None:
        raise UserError(
            f"{folder.path} was trained on {data['id']}: to make this environment the module {module!r} would be "
            "imported, which can run any code. Where you trust it, name it yourself: "
            f"--env {data['id']}, or env={data['id']!r} in Python."
        )
    if not is_harmless(data["kwargs"]):
        raise UserError(
            f"{folder.path} was trained on {data['id']} with the arguments {short(data['kwargs'])}: a path or the name "
            "of a module can make an environment read any file or run code. Where you trust it, name it yourself: "
            f"--env {data['id']}, or env={data['id']!r} in Python."
        )
    return EnvSource.from_json(data)


def source_beside(policy: Path) -> EnvSource | None:
    """Return the source of the environments of the run that a policy lies in; None unless it may be made unasked."""
    if not (policy.parent / "config.json").exists():
        return None
    try:
        return source_of(RunFolder.open(policy.parent), None)
    except UserError:  # acting needs no environment; one of the user's own has to be named
        return None
