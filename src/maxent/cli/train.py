"""`maxent train` and `maxent resume`."""

import ast
import copy
import sys
import time
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, Suppress

from maxent.cli.parsing import RUNS, Run, option, parse
from maxent.errors import UserError


@dataclass(frozen=True)
class TrainCommand:
    """Train agents and write a run folder."""

    env: Positional[str] = "Pendulum-v1"
    """Gymnasium id; "my_module:MyEnv-v0" imports my_module first."""
    algo: str = "sac"
    """Algorithm; `maxent list algos` shows them."""
    run_dir: Path | None = None
    """Folder for the run; by default a new one below runs/."""
    recipe: bool = True
    """Use the tuned settings for this environment, where there are some; what you give here takes precedence."""
    env_arg: tuple[str, ...] = ()
    """Arguments for the environment, such as --env-arg g=9.81 hardcore=True."""
    quiet: bool = False
    """Print errors only."""


def train(words: list[str]) -> int:
    """Train agents and write a run folder."""
    from maxent import algorithms, recipes
    from maxent.agent import AGENTS

    algorithm = algorithms.find(option("--algo", words, "sac"))
    config_class, run_class = algorithm.config_class, _run_class(algorithm, words)
    command = make_dataclass(
        "Train",
        [
            ("run", Annotated[run_class, OmitArgPrefixes], field(default=run_class(**config_class.run_defaults))),
            ("settings", Annotated[config_class, OmitArgPrefixes], field(default=config_class())),
        ],
        bases=(TrainCommand,),
        frozen=True,
    )
    command.__doc__ = TrainCommand.__doc__
    if words and not words[0].startswith("-"):
        env = words[0]
    elif {"-h", "--help"} & set(words):
        env = TrainCommand.env
    else:
        env = parse("train", command, words).env
    wanted = not {"--no-recipe", "--no_recipe"} & set(words)
    recipe = recipes.find(env, option("--algo", words, "sac")) if wanted else None
    default = command(env=env)
    if recipe is not None:
        from maxent.agent import split_settings

        advised = recipe.applicable_settings(option("--alpha", words, "auto"), config_class.for_learned_alpha)
        tuned, run = split_settings(recipe.algo, advised | {"steps": recipe.steps})
        default = command(env=env, run=run_class(**_shallow(run)), settings=tuned)
    chosen = parse("train", command, words, default)
    if recipe is not None and not chosen.quiet:
        print(f"Recipe for {recipe.algo} on {env} ({recipe.source}):")
    settings = {**_shallow(chosen.run), **_shallow(chosen.settings)}
    if recipe is not None and not chosen.quiet:
        shown = ["steps", *advised]
        print("  " + ", ".join(f"{name} {settings[name]}" for name in shown))
    steps = settings.pop("steps")
    agent = AGENTS[chosen.algo](
        chosen.env, env_kwargs=_env_arguments(chosen.env_arg), verbose=not chosen.quiet, **settings
    )
    run_dir = chosen.run_dir or RUNS / f"{_slug(chosen.env)}-{chosen.algo}-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        outcome = agent.train(steps, run_dir, recipe=None if recipe is None else recipe.source)
    finally:
        agent.close()
    return _report(outcome, run_dir, chosen.quiet)


def _run_class(algorithm: Any, words: list[str]) -> type[Any]:
    """The settings of a run; where there is no replay, its settings are refused and stay out of the help."""
    from maxent.training.settings import REPLAY_SETTINGS, TrainConfig, no_replay

    if not algorithm.on_policy:
        return TrainConfig
    given = {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in words if word.startswith("--")}
    for name in REPLAY_SETTINGS:
        if name in given:
            raise no_replay(name, algorithm.name)
    hidden = [
        (setting.name, Annotated[setting.type, Suppress], copy.copy(setting))
        for setting in fields(TrainConfig)
        if setting.name in REPLAY_SETTINGS
    ]
    return make_dataclass("Run", hidden, bases=(TrainConfig,), frozen=True)


@dataclass(frozen=True)
class ResumeCommand:
    """Go on with a run that was cut off, from its latest checkpoint."""

    run: Run
    """The run's folder."""
    steps: int | None = None
    """Train up to this many steps instead of the number the run was started with."""
    quiet: bool = False
    """Print errors only."""


def resume(words: list[str]) -> int:
    """Go on with a run that was cut off."""
    from maxent.agent import resume_run

    chosen = parse("resume", ResumeCommand, words)
    outcome = resume_run(chosen.run, steps=chosen.steps, verbose=not chosen.quiet)
    return _report(outcome, chosen.run, chosen.quiet)


def _env_arguments(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` pairs; a value that reads as a Python literal is one, anything else stays text."""
    arguments: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.isidentifier():
            raise UserError(f"--env-arg: expected name=value, got {pair!r}.")
        try:
            arguments[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            arguments[name] = value
    return arguments


def _shallow(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(config)}


def _slug(env: str) -> str:
    return env.replace("/", "-").replace(":", "-")


def _report(outcome: Any, folder: Path, quiet: bool) -> int:
    """The last words of a run, and its exit code."""
    from maxent.training.stop import Outcome

    if outcome is Outcome.FINISHED:
        if not quiet:
            print(f"Run folder: {folder} (curve.png, metrics.csv, tensorboard/, best/, last/)")
        return 0
    print(f"Interrupted; a checkpoint is written. Go on with: maxent resume {folder}", file=sys.stderr)
    return 128 + int(outcome.value)
