"""`maxent train` and `maxent resume`."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from maxent.cli.parsing import RUNS, Modules, Run, find_modules_here, parse
from maxent.cli.words import named, understood
from maxent.view.printing import say

GROUPS = {"run": "run", "replay": "replay", "config": "algorithm"}
"""The group of options of each record of settings."""
NO_MARKS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Selection:
    """What has to be known before the settings can be: they are the algorithm's."""

    algo: str = "sac"
    """Algorithm; `maxent list algos` shows them. One of your own is module:Class."""
    modules: Modules = ()
    """Modules to import first, such as that of your own layers."""
    recipe: bool = True
    """Use the tuned settings for this environment, where there are some; what you give here takes precedence."""


@dataclass(frozen=True)
class TrainCommand(Selection):
    """Train agents and write a run folder."""

    env: Positional[str] = "Pendulum-v1"
    """Gymnasium id; "my_module:MyEnv-v0" imports my_module first."""
    run_dir: Path | None = None
    """Folder for the run; by default a new one below runs/."""
    env_arg: tuple[str, ...] = ()
    """Arguments for the environment, such as --env-arg g=9.81 hardcore=True."""
    quiet: bool = False
    """Print errors only."""


def train(words: list[str]) -> int:
    """Train agents and write a run folder."""
    from maxent import algorithms
    from maxent.agent import Agent
    from maxent.cli.choices import in_words, pairs
    from maxent.modules import import_modules
    from maxent.runs.folder import reserve_folder
    from maxent.training.settings import Settings, records_of, settings_elsewhere
    from maxent.tuned import Tuned, complete_id, tuned

    selection: Selection = tyro.cli(Selection, args=words, return_unknown_args=True, add_help=False)[0]
    find_modules_here(selection.algo, modules=selection.modules)
    import_modules(selection.modules)
    kind = algorithms.find(selection.algo, import_module=True)
    groups = records_of(kind)
    command, usual = _command(groups), Settings.of(kind, {})
    words = understood(words, command)
    if {"-h", "--help"} & set(words):
        _help(kind, words, recipe=selection.recipe)
    elsewhere = {"--" + name.replace("_", "-"): text for name, text in settings_elsewhere(kind).items()}
    chosen = parse("train", command, words, _default(command, groups, usual), elsewhere)
    find_modules_here(chosen.env)
    parsed = {name: value for group in groups for name, value in _shallow(getattr(chosen, GROUPS[group])).items()}
    given = {name: parsed[name] for name in parsed if name in named(words)}
    env, completed = complete_id(chosen.env, kind.name)
    start = tuned(kind, env, given) if selection.recipe else Tuned(given)
    steps = {} if start.recipe is None else {"steps": start.recipe.steps}
    full = Settings.of(kind, steps | start.settings)
    settings = {name: value for group in groups for name, value in _shallow(getattr(full, group)).items()}
    if not chosen.quiet:
        if completed:
            say(f"{completed}.")
        if start.recipe is not None:
            shown = ", ".join(f"{name} {' '.join(in_words(settings[name]))}" for name in ["steps", *start.taken])
            say(f"Recipe for {start.recipe.algo} on {env} ({start.recipe.source}):\n  {shown}")
            if start.left_out:
                say(f"  left out, because it does not fit what you gave: {', '.join(start.left_out)}")
    count = settings.pop("steps")
    agent = Agent(
        env,
        algorithm=kind,
        env_kwargs=pairs("--env-arg", chosen.env_arg),
        recipe=False,
        verbose=not chosen.quiet,
        **settings,
    )
    name = f"{_slug(env)}-{kind.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    run_dir = chosen.run_dir or reserve_folder(RUNS / name)
    try:
        outcome = agent.train(count, run_dir, recipe=None if start.recipe is None else start.recipe.source)
    finally:
        agent.close()
    return _report(outcome, run_dir, chosen.quiet, env, selection.algo)


def _help(algorithm: Any, words: list[str], *, recipe: bool) -> None:
    """Print the help of `train` with the values of the environment's recipe, each marked as such, and exit."""
    from maxent.cli.choices import in_words
    from maxent.training.settings import Settings, records_of
    from maxent.tuned import Tuned, complete_id, tuned

    env = complete_id(words[0] if not words[0].startswith("-") else TrainCommand.env, algorithm.name)[0]
    start = tuned(algorithm, env, {}) if recipe else Tuned({})
    steps = {} if start.recipe is None else {"steps": start.recipe.steps}
    plain, full = Settings.of(algorithm, {}), Settings.of(algorithm, steps | start.settings)
    groups, marks = records_of(algorithm), dict[str, str]()
    for name in [*steps, *start.settings]:
        group = next(one for one in groups if hasattr(getattr(full, one), name))
        value, other = (" ".join(in_words(getattr(getattr(one, group), name))) for one in (full, plain))
        marks[name] = f"(recipe for {env}: {value}; without it: {other})"
    command = _command(groups, marks)
    parse("train", command, words, _default(command, groups, full, marks, env=env))


def _command(groups: dict[str, type[Any]], marks: Mapping[str, str] = NO_MARKS) -> type[Any]:
    """Return the command of an algorithm: its own settings and those of the run, without prefixes.

    `marks` are shown in the help in place of a setting's default.
    """
    from maxent.cli.choices import for_command_line

    members = [
        (GROUPS[name], Annotated[for_command_line(record, marks), OmitArgPrefixes], field())
        for name, record in groups.items()
    ]
    command = make_dataclass("Train", members, bases=(TrainCommand,), frozen=True, kw_only=True)
    command.__doc__ = TrainCommand.__doc__
    return command


def _default(
    command: type[Any], groups: dict[str, type[Any]], usual: Any, marks: Mapping[str, str] = NO_MARKS, **others: Any
) -> Any:
    """Return the command with the settings that count where none is given."""
    from maxent.cli.choices import for_command_line

    given = {
        GROUPS[name]: for_command_line(record, marks)(**_shallow(getattr(usual, name)))
        for name, record in groups.items()
    }
    return command(**given, **others)


@dataclass(frozen=True)
class ResumeCommand:
    """Continue a run that was cut off, from its latest checkpoint."""

    run: Run
    """The run's folder."""
    steps: int | None = None
    """Train up to this many steps instead of the number the run was started with."""
    replay_storage: Literal["auto", "ram", "disk", "device"] | None = None
    """Keep the rows of the replay there from now on; None is where they were."""
    device: Literal["auto", "cpu", "cuda"] | None = None
    """Compute updates there from now on, such as on a machine without the run's GPU; numbers differ by rounding."""
    threads: int | None = None
    """Most threads of an update from now on; None for as many as the run was started with."""
    env: str | None = None
    """The environment of the run, needed where it is one of your own (module:Id): its module is then imported."""
    algo: str | None = None
    """The algorithm of the run, needed where it is one of your own (module:Class): its module is then imported."""
    modules: Modules = ()
    """Modules to import first, such as that of your own layers."""
    quiet: bool = False
    """Print errors only."""


def resume(words: list[str]) -> int:
    """Continue a run that was cut off."""
    from maxent.opening import resume_run

    chosen = parse("resume", ResumeCommand, words)
    find_modules_here(chosen.env, chosen.algo, modules=chosen.modules)
    outcome = resume_run(
        chosen.run,
        steps=chosen.steps,
        replay_storage=chosen.replay_storage,
        device=chosen.device,
        threads=chosen.threads,
        env=chosen.env,
        algorithm=chosen.algo,
        modules=chosen.modules,
        verbose=not chosen.quiet,
    )
    return _report(outcome, chosen.run, chosen.quiet, chosen.env, chosen.algo)


def _shallow(config: Any) -> dict[str, Any]:
    return {one.name: getattr(config, one.name) for one in fields(config)}


def _slug(env: str) -> str:
    return env.replace("/", "-").replace(":", "-")


def _report(outcome: Any, folder: Path, quiet: bool, env: str | None, algo: str | None) -> int:
    """Print the last words of a run, and return its exit code."""
    from maxent.findings import plural
    from maxent.runs.findings import read_findings
    from maxent.runs.folder import RunFolder
    from maxent.training.stop import Outcome

    if outcome is Outcome.FINISHED:
        if not quiet:
            if (found := RunFolder(folder).findings).exists():
                count = plural(len(read_findings(found)), "finding")
                say(f"The watcher has {count}: `maxent doctor {folder}` prints what to change.")
            say(f"Run folder: {folder} (curve.png, metrics.csv, tensorboard/, best/, last/)")
        return 0
    own = [
        word for option, name in (("--env", env), ("--algo", algo)) if name and ":" in name for word in (option, name)
    ]
    command = shlex.join(["maxent", "resume", str(folder), *own])
    print(f"Interrupted; a checkpoint is written. Go on with: {command}", file=sys.stderr)
    return 128 + int(outcome.value)
