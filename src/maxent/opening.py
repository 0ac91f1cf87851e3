"""Loading agents and policies, and resuming runs. Nothing in a file is executed: it holds tensors and plain data."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import torch

from maxent.agent import SAVED, Agent, Env
from maxent.engine.device import DeviceSetting
from maxent.engine.fitting import made_for
from maxent.engine.learner import Learner
from maxent.engine.memory import require_networks
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.modules import import_modules
from maxent.origins import AlgorithmName, algorithm_of, source_beside, source_of
from maxent.replay.kinds import Storage
from maxent.runs.checkpoint import ATTEMPTS
from maxent.runs.files import naming
from maxent.runs.folder import RunFolder
from maxent.runs.policy import read_policy, read_policy_step
from maxent.runs.swap import current_folder
from maxent.stateful import TensorSpec, require_tensors
from maxent.training.description import CONFIG, LEARNER
from maxent.training.memory import require_memory
from maxent.training.observers import ObserversLike, as_observers, require_evaluations
from maxent.training.restoring import require_plain, require_seeds, require_settings
from maxent.training.settings import Settings
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer
from maxent.tuned import complete_id
from maxent.untrusted import require
from maxent.view.console import Mode, make_console
from maxent.view.picture import draw_run_curve


def load(
    path: str | Path,
    env: Env | None = None,
    *,
    algorithm: AlgorithmName | None = None,
    modules: Iterable[str] = (),
    device: DeviceSetting | None = None,
    threads: int | None = None,
    verbose: bool = True,
) -> Agent:
    """Return the agent in a folder: of a run, of `Agent.save`, or a policy alone (a run's best/ or last/).

    `env` is needed where the folder cannot name its environment (a factory or an instance made it), or names one of a
    module that has not been imported; `algorithm` where its algorithm is of such a module. `modules` are imported
    first: those of your own layers. `device` and `threads` replace those of a run for further training.
    """
    import_modules(modules)
    path = current_folder(Path(path), SAVED)
    if (path / "policy.json").exists():
        return _read_policy(path, env, algorithm)
    folder = RunFolder.open(path)
    mode: Mode = "auto" if verbose else "quiet"
    trainer = _undisturbed(
        folder,
        lambda: open_trainer(folder, env, algorithm, mode, lambda settings: settings.moved(None, device, threads)),
    )
    return Agent.loaded(trainer.learner, trainer.source, trainer)


def _undisturbed(folder: RunFolder, read: Callable[[], Trainer]) -> Trainer:
    """Return what `read` returns; read again where it fails while another process writes checkpoints.

    Replay segments of the checkpoint that is read may be removed before they are read.
    """
    for _ in range(ATTEMPTS):
        before = folder.checkpoints.listing()
        try:
            return read()
        except (UserError, OSError):
            if folder.checkpoints.listing() == before:
                raise
    return read()


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
    folder = RunFolder.open(path)
    source = source_of(folder, env)
    written = path / which / "policy.json"
    if written.exists() and read_policy_step(written) >= (folder.checkpoints.newest or 0):
        return _read_policy(path / which, source, algorithm)
    snapshot = folder.checkpoints.latest()
    if snapshot is None:
        raise UserError(f"{path} has no policy yet: the run was cut off before its first checkpoint.")
    data = folder.read_config(CONFIG)["learner"]
    kind, members = algorithm_of(data, algorithm), len(data["seeds"])
    with naming(path):
        require_plain(snapshot)
        score = TensorSpec(torch.float64, (members,))
        require_tensors(snapshot.tensors, {"scores": score, "best/score": score}, others=True)
        learner = Learner.of_policy(data, kind, snapshot.below("learner/"))
        if which == "best":
            best = Learner.of_policy(data, kind, snapshot.below("best/"))
            evaluated = snapshot.tensors["best/score"].isfinite()  # [P]; a member that never was has no better one
            for name, tensor in learner.state.items():
                tensor[evaluated] = best.state[name][evaluated]
    return Agent.loaded(learner, source, None, snapshot.tensors["scores"].numpy())


def resume_run(
    run: Path,
    *,
    steps: int | None = None,
    replay_storage: Storage | None = None,
    device: DeviceSetting | None = None,
    threads: int | None = None,
    env: Env | None = None,
    algorithm: AlgorithmName | None = None,
    modules: Iterable[str] = (),
    observers: ObserversLike = (),
    verbose: bool = True,
) -> Outcome:
    """Continue a run from its latest checkpoint, to the number of steps it was started with or to `steps`.

    `replay_storage` is where the rows are from now on; None is where they were. It changes no number of the run.
    `device` and `threads` replace those of the run: another device changes its numbers by rounding, and so does another
    number of threads unless own layers compute the networks.
    Observers are no part of a run's files: pass them again. Their own counts start anew, as those of
    `StopWithoutImprovement` do.
    """
    import_modules(modules)
    listening = as_observers(observers)
    folder = RunFolder.open(run)
    folder.lock()  # before anything is read: another process may be writing this run
    try:
        trainer = open_trainer(
            folder,
            env,
            algorithm,
            "auto" if verbose else "quiet",
            lambda settings: settings.moved(replay_storage, device, threads),
            place=folder.path,
        )
    except BaseException:
        folder.unlock()
        raise
    try:
        require_evaluations(listening, evaluates=trainer.reporter.evaluates)
        if steps is not None:
            trainer.extend(steps)
        require_memory(trainer, trainer.settings.run.steps)
        if any(one is not None for one in (steps, replay_storage, device, threads)):
            plain = trainer.settings.to_plain()
            folder.update_config(run=plain["run"], replay=plain["replay"])
        trainer.folder = folder
        outcome = trainer.run(listening)
        draw_run_curve(folder, f"{trainer.learner.algorithm.name} on {trainer.source.name}")
        return outcome
    finally:
        trainer.close()
        folder.unlock()


def _read_policy(path: Path, env: Env | EnvSource | None, algorithm: AlgorithmName | None) -> Agent:
    file = read_policy(path)
    with naming(path / "policy.json"):
        require(file.learner, LEARNER, "learner")
        if len(file.scores) != len(file.learner["seeds"]):
            raise UserError(f"expected {len(file.learner['seeds'])} scores, one a member, got {len(file.scores)}.")
    kind = algorithm_of(file.learner, algorithm)
    with naming(path):
        learner = Learner.of_policy(file.learner, kind, file.tensors)
    if env is None:
        source = source_beside(path)
    elif isinstance(env, EnvSource):
        source = env
    else:
        source = EnvSource.of(complete_id(env, kind.name)[0] if isinstance(env, str) else env)
    return Agent.loaded(learner, source, None, file.scores)


def open_trainer(
    folder: RunFolder,
    env: Env | None,
    algorithm: AlgorithmName | None,
    mode: Mode,
    change: Callable[[Settings], Settings] = lambda settings: settings,
    *,
    place: Path | None = None,
) -> Trainer:
    """Return the trainer of a run folder, at its latest checkpoint.

    `change` returns the settings to go on with, and `place` is the folder on whose disk a replay goes. Everything is
    checked before the trainer takes memory or makes environments.
    """
    data = folder.read_config(CONFIG)
    source = source_of(folder, env)
    if source is None:
        raise UserError(
            f"{folder.path} was trained on {data['env']['name']}, which a function or an object of a program made: "
            "name a function that makes it, --env my_module:make_env, or pass it, maxent.load(path, env=...)."
        )
    console, described = make_console(mode), data["learner"]
    kind = algorithm_of(described, algorithm)
    with naming(folder.path / "config.json"):
        settings = Settings.from_plain(
            {"settings": described["settings"], "run": data["run"], "replay": data["replay"]}, kind
        )
    settings = change(settings)
    with naming(folder.path / "config.json"):
        require_seeds(described["seeds"], settings.run)
        planned = made_for(described, kind)
    snapshot = folder.checkpoints.latest()
    with naming(folder.path):
        if snapshot is None:
            require_networks(planned)
        else:
            require_plain(snapshot)
            vector, run = source.kind == "vector", settings.run
            require_settings(snapshot, planned, None if vector else run.seeds * run.num_envs)
    trainer = Trainer(source, settings, console, place=place)
    known = trainer.learner.to_plain()
    if (known["observation"], known["action"]) != (described["observation"], described["action"]):
        trainer.close()
        raise UserError(
            f"{source.name} has other observations or actions than the run in {folder.path} was trained with."
        )
    if snapshot is None:
        if (folder.path / "last").exists():
            raise UserError(f"{folder.path} has no checkpoint left to go on from: its folder checkpoints/ is empty.")
        console.on_message("no checkpoint yet: the run starts from its beginning")
        return trainer
    if snapshot.skipped:
        console.on_message(
            f"damaged: {' '.join(snapshot.skipped)} The run goes on from the checkpoint before, of step "
            f"{snapshot.plain['parts']['progress'].get('step')}."
        )
    try:
        trainer.restore(folder.checkpoints, snapshot)
    except BaseException:
        trainer.close()
        raise
    fresh = trainer.collector.fresh
    if fresh:
        console.on_message(
            f"{len(fresh)} of {trainer.lanes.count} environments did not come back to where they were: "
            "they go on from a fresh episode, so this run differs from one that was never interrupted."
        )
    return trainer
