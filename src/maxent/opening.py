"""Loading agents and policies, and resuming runs. Nothing in a file is executed: it holds tensors and plain data."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from maxent import algorithms
from maxent.agent import SAVED, Agent, Env, draw_run_curve
from maxent.algorithms.base import Algorithm
from maxent.engine.learner import Learner
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.modules import import_modules, imported
from maxent.runs.files import read_json
from maxent.runs.folder import RunFolder
from maxent.runs.policy import read_policy
from maxent.runs.swap import current_folder
from maxent.stateful import Saved, part_of
from maxent.training.observers import ObserversLike, as_observers, require_evaluations
from maxent.training.settings import Settings
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer
from maxent.view.console import Mode, make_console

AlgorithmName = type[Algorithm] | str
"""An algorithm that the caller names, so that its module may be imported."""


def load(
    path: str | Path,
    env: Env | None = None,
    *,
    algorithm: AlgorithmName | None = None,
    modules: Iterable[str] = (),
    verbose: bool = True,
) -> Agent:
    """Return the agent in a folder: of a run, of `Agent.save`, or a policy alone (a run's best/ or last/).

    `env` is needed where the folder cannot name its environment (a factory or an instance made it), or names one of a
    module that has not been imported; `algorithm` where its algorithm is of such a module. `modules` are imported
    first: those of your own layers.
    """
    import_modules(modules)
    path = current_folder(Path(path), SAVED)
    if (path / "policy.json").exists():
        return _read_policy(path, None if env is None else EnvSource.of(env), algorithm)
    trainer = open_trainer(RunFolder.open(path), env, algorithm, "auto" if verbose else "quiet")
    return Agent.loaded(trainer.learner, trainer.source, trainer)


def load_policy(
    run: str | Path,
    which: Literal["last", "best"],
    env: str | None = None,
    algorithm: AlgorithmName | None = None,
    modules: Iterable[str] = (),
) -> Agent:
    """Return the last or best policy of a run as an agent that acts: nothing of the replay is read.

    Of a run that is under way or was cut off, that of its latest checkpoint.
    """
    import_modules(modules)
    path = Path(run)
    if (path / "policy.json").exists():
        return load(path, env, algorithm=algorithm)
    try:
        return _load_policy(path, which, env, algorithm)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged or from another version of maxent: {error!r}.") from error


def _load_policy(path: Path, which: Literal["last", "best"], env: str | None, algorithm: AlgorithmName | None) -> Agent:
    folder = RunFolder.open(path)
    source = _source_of(folder, env)
    written = path / which / "policy.json"
    if written.exists() and read_json(written)["step"] >= (folder.checkpoints.newest or 0):
        return _read_policy(path / which, source, algorithm)
    snapshot = folder.checkpoints.latest()
    if snapshot is None:
        raise UserError(f"{path} has no policy yet: the run was cut off before its first checkpoint.")
    data = folder.read_config()["learner"]
    learner = Learner.from_plain(data, _algorithm(data, algorithm))
    saved = Saved(snapshot.plain["parts"], snapshot.tensors)
    policy = {name: learner.state[name] for name in learner.algorithm.policy_tensors}
    learner.load_named(part_of(saved, "learner").tensors, policy)
    if which == "best":
        kept = part_of(saved, "best").tensors
        evaluated = kept["score"].isfinite()  # [P]; a member that never was has no better one
        best = learner.policy()
        learner.load_named(kept, best)
        for name, tensor in policy.items():
            tensor[evaluated] = best[name][evaluated]
    return Agent.loaded(learner, source, None, snapshot.tensors["scores"].numpy())


def resume_run(
    run: Path,
    *,
    steps: int | None = None,
    env: Env | None = None,
    algorithm: AlgorithmName | None = None,
    modules: Iterable[str] = (),
    observers: ObserversLike = (),
    verbose: bool = True,
) -> Outcome:
    """Continue a run from its latest checkpoint, to the number of steps it was started with or to `steps`.

    Observers are no part of a run's files: pass them again. Their own counts start anew, as those of
    `StopWithoutImprovement` do.
    """
    import_modules(modules)
    listening = as_observers(observers)
    folder = RunFolder.open(run)
    folder.lock()  # before anything is read: another process may be writing this run
    try:
        trainer = open_trainer(folder, env, algorithm, "auto" if verbose else "quiet")
    except BaseException:
        folder.unlock()
        raise
    try:
        require_evaluations(listening, evaluates=trainer.evaluates)
        if steps is not None:
            trainer.extend(steps)
            folder.update_config(run=trainer.settings.to_plain()["run"])
        trainer.folder = folder
        outcome = trainer.run(listening)
        draw_run_curve(folder, f"{trainer.learner.algorithm.name} on {trainer.source.name}")
        return outcome
    finally:
        trainer.close()
        folder.unlock()


def _read_policy(path: Path, source: EnvSource | None, algorithm: AlgorithmName | None) -> Agent:
    file = read_policy(path)
    learner = Learner.from_plain(file.learner, _algorithm(file.learner, algorithm))
    policy = {name: learner.state[name] for name in learner.algorithm.policy_tensors}
    learner.load_named(file.tensors, policy)
    return Agent.loaded(learner, source, None, file.scores)


def _algorithm(learner: dict[str, Any], given: AlgorithmName | None) -> type[Algorithm]:
    """Return the algorithm that a file names; its module is imported only where the caller has named it as well."""
    name = str(learner["algorithm"])
    if given is None:
        return algorithms.find(name)
    wanted = given.identifier() if isinstance(given, type) else given
    _, own, attribute = name.partition(":")  # the module of a class of the user's may have another name by now
    if wanted != name and not (own and wanted.partition(":")[2] == attribute):
        raise UserError(f"algorithm: this agent was trained with {name}, got {wanted}.")
    return given if isinstance(given, type) else algorithms.find(given, import_module=True)


def _source_of(folder: RunFolder, env: Env | None) -> EnvSource | None:
    """Return the source of the environments of a run: `env`, or the one in its config."""
    if env is not None:
        return EnvSource.of(env)
    data = folder.read_config()["env"]["source"]
    if not data:
        return None
    module = str(data["id"]).rpartition(":")[0]
    if module and imported(module) is None:
        raise UserError(
            f"{folder.path} was trained on {data['id']}: to make this environment the module {module!r} would be "
            "imported, which can run any code. Where you trust it, name it yourself: "
            f"--env {data['id']}, or env={data['id']!r} in Python."
        )
    return EnvSource.from_json(data)


def open_trainer(folder: RunFolder, env: Env | None, algorithm: AlgorithmName | None, mode: Mode) -> Trainer:
    """Return the trainer of a run folder, at its latest checkpoint."""
    try:
        return _open_trainer(folder, env, algorithm, mode)
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder.path} is damaged or from another version of maxent: {error!r}.") from error


def _open_trainer(folder: RunFolder, env: Env | None, algorithm: AlgorithmName | None, mode: Mode) -> Trainer:
    data = folder.read_config()
    source = _source_of(folder, env)
    if source is None:
        raise UserError(
            f"{folder.path} was trained on {data['env']['name']}, which only its own program can make: "
            "load it there with maxent.load(path, env=...)."
        )
    console, described = make_console(mode), data["learner"]
    kind = _algorithm(described, algorithm)
    settings = Settings.from_plain(
        {"settings": described["settings"], "run": data["run"], "replay": data["replay"]}, kind
    )
    trainer = Trainer(source, settings, console)
    known = trainer.learner.to_plain()
    if (known["observation"], known["action"]) != (described["observation"], described["action"]):
        trainer.close()
        raise UserError(
            f"{source.name} has other observations or actions than the run in {folder.path} was trained with."
        )
    snapshot = folder.checkpoints.latest()
    if snapshot is None:
        if (folder.path / "last").exists():
            raise UserError(f"{folder.path} has no checkpoint left to go on from: its folder checkpoints/ is empty.")
        console.on_message("no checkpoint yet: the run starts from its beginning")
        return trainer
    trainer.restore(folder.checkpoints, snapshot)
    fresh = trainer.collector.fresh
    if fresh:
        console.on_message(
            f"{len(fresh)} of {trainer.lanes.count} environments did not come back to where they were: "
            "they go on from a fresh episode, so this run differs from one that was never interrupted."
        )
    return trainer
