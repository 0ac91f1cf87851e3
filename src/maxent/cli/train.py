"""`maxent train` and `maxent resume`."""

import sys
import time
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from maxent.cli.parsing import RUNS, Modules, Run, find_modules_here, parse

GROUPS = {"run": "run", "replay": "replay", "config": "algorithm"}
"""The group of options of each record of settings."""


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
    from maxent import algorithms, recipes
    from maxent.agent import Agent
    from maxent.cli.choices import in_words, pairs
    from maxent.modules import import_modules
    from maxent.runs.folder import reserve_folder
    from maxent.training.settings import Settings, records_of, settings_elsewhere

    selection: Selection = tyro.cli(Selection, args=words, return_unknown_args=True, add_help=False)[0]
    find_modules_here(selection.algo, modules=selection.modules)
    import_modules(selection.modules)
    kind = algorithms.find(selection.algo, import_module=True)
    groups = records_of(kind)
    command = _command(groups)
    usual = Settings.of(kind, {})
    default = _default(command, groups, usual)
    # the environment decides the recipe, whose settings are then the defaults; `--help` shows those of the first one
    wants_help = bool({"-h", "--help"} & set(words))
    elsewhere = {"--" + name.replace("_", "-"): text for name, text in settings_elsewhere(kind).items()}
    env = TrainCommand.env
    if not wants_help:
        env = parse("train", command, words, default, elsewhere).env
    elif words and not words[0].startswith("-"):
        env = words[0]
    recipe = recipes.find(env, kind.name) if selection.recipe else None
    if recipe is not None:
        usual = Settings.of(kind, recipe.settings | {"steps": recipe.steps})
        default = _default(command, groups, usual, env=env)
    chosen = parse("train", command, words, default, elsewhere)
    find_modules_here(chosen.env)
    settings = {name: value for group in groups for name, value in _shallow(getattr(chosen, GROUPS[group])).items()}
    if recipe is not None and not chosen.quiet:
        shown = ", ".join(f"{name} {' '.join(in_words(settings[name]))}" for name in ["steps", *recipe.settings])
        print(f"Recipe for {recipe.algo} on {env} ({recipe.source}):\n  {shown}")
    steps = settings.pop("steps")
    agent = Agent(
        chosen.env, algorithm=kind, env_kwargs=pairs("--env-arg", chosen.env_arg), verbose=not chosen.quiet, **settings
    )
    name = f"{_slug(chosen.env)}-{kind.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    run_dir = chosen.run_dir or reserve_folder(RUNS / name)
    try:
        outcome = agent.train(steps, run_dir, recipe=None if recipe is None else recipe.source)
    finally:
        agent.close()
    return _report(outcome, run_dir, chosen.quiet)


def _command(groups: dict[str, type[Any]]) -> type[Any]:
    """Return the command of an algorithm: its own settings and those of the run, without prefixes."""
    from maxent.cli.choices import for_command_line

    members = [
        (GROUPS[name], Annotated[for_command_line(record), OmitArgPrefixes], field()) for name, record in groups.items()
    ]
    command = make_dataclass("Train", members, bases=(TrainCommand,), frozen=True, kw_only=True)
    command.__doc__ = TrainCommand.__doc__
    return command


def _default(command: type[Any], groups: dict[str, type[Any]], usual: Any, **others: Any) -> Any:
    """Return the command with the settings that count where none is given."""
    from maxent.cli.choices import for_command_line

    given = {
        GROUPS[name]: for_command_line(record)(**_shallow(getattr(usual, name))) for name, record in groups.items()
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
        env=chosen.env,
        algorithm=chosen.algo,
        modules=chosen.modules,
        verbose=not chosen.quiet,
    )
    return _report(outcome, chosen.run, chosen.quiet)


def _shallow(config: Any) -> dict[str, Any]:
    return {one.name: getattr(config, one.name) for one in fields(config)}


def _slug(env: str) -> str:
    return env.replace("/", "-").replace(":", "-")


def _report(outcome: Any, folder: Path, quiet: bool) -> int:
    """Print the last words of a run, and return its exit code."""
    from maxent.findings import plural
    from maxent.runs.findings import read_findings
    from maxent.runs.folder import RunFolder
    from maxent.training.stop import Outcome

    if outcome is Outcome.FINISHED:
        if not quiet:
            if (found := RunFolder(folder).findings).exists():
                count = plural(len(read_findings(found)), "finding")
                print(f"The watcher has {count}: `maxent doctor {folder}` prints what to change.")
            print(f"Run folder: {folder} (curve.png, metrics.csv, tensorboard/, best/, last/)")
        return 0
    print(f"Interrupted; a checkpoint is written. Go on with: maxent resume {folder}", file=sys.stderr)
    return 128 + int(outcome.value)
