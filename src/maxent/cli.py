"""The command line: `maxent train | resume | eval | play | list | tabular`. The only place that parses arguments."""

import ast
import contextlib
import errno
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from maxent.errors import UserError

USAGE = """\
maxent: maximum-entropy reinforcement learning

  maxent train [ENV] [--algo sac] [--steps N] [--seeds K] …   train; `maxent train --help` lists every setting
  maxent resume RUN                                           go on with a run that was cut off
  maxent eval RUN [--episodes 20] [--json]                    play evaluation episodes and report the returns
  maxent play RUN [--video FILE.mp4 | --human]                watch a policy
  maxent list algos|envs|recipes|runs                         what there is
  maxent tabular graph|spider [--out DIR]                     the worked examples with exact values

`maxent COMMAND --help` says more.
"""

RUNS = Path("runs")

Run = Annotated[Path, Positional, tyro.conf.arg(metavar="RUN")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code: 0 done, 2 a user's mistake, 130 and 143 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if words[0] == "--version":
        from maxent import __version__

        print(f"maxent {__version__}")
        return 0
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # my_module:MyEnv-v0 finds a module in the folder one stands in
    try:
        if words[0] not in COMMANDS:
            raise UserError(f"There is no command {words[0]!r}: use one of {', '.join(COMMANDS)}.")
        return COMMANDS[words[0]](words[1:])
    except UserError as error:
        print(f"maxent: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        print(f"maxent: {error.strerror}: {error.filename or 'the run folder'}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("maxent: interrupted.", file=sys.stderr)
        return 130


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
    from maxent.training.config import TrainConfig

    config_class = algorithms.find(_option("--algo", words, "sac")).config_class
    command = make_dataclass(
        "Train",
        [
            ("run", Annotated[TrainConfig, OmitArgPrefixes], field(default=TrainConfig(**config_class.run_defaults))),
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
        env = _parse("train", command, words).env
    wanted = not {"--no-recipe", "--no_recipe"} & set(words)
    recipe = recipes.find(env, _option("--algo", words, "sac")) if wanted else None
    default = command(env=env)
    if recipe is not None:
        from maxent.agent import split_settings

        tuned, run = split_settings(recipe.algo, recipe.settings | {"steps": recipe.steps})
        default = command(env=env, run=run, settings=tuned)
    chosen = _parse("train", command, words, default)
    if recipe is not None and not chosen.quiet:
        print(f"Recipe for {recipe.algo} on {env} ({recipe.source}):")
    settings = {**_shallow(chosen.run), **_shallow(chosen.settings)}
    if recipe is not None and not chosen.quiet:
        shown = ["steps", *recipe.settings]
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

    chosen = _parse("resume", ResumeCommand, words)
    outcome = resume_run(chosen.run, steps=chosen.steps, verbose=not chosen.quiet)
    return _report(outcome, chosen.run, chosen.quiet)


@dataclass(frozen=True)
class EvalCommand:
    """Play evaluation episodes with the mode of a policy and report the returns."""

    run: Run
    """The run's folder."""
    episodes: int = 20
    """Episodes per member."""
    policy: Literal["last", "best"] = "last"
    """The last policy, or each member's best by the run's own evaluations."""
    seed: int | None = None
    """First evaluation seed; evaluation seeds are never training seeds."""
    env: str | None = None
    """Another environment of the same spaces; by default the run's."""
    json: bool = False
    """Print one line of JSON."""


def evaluate(words: list[str]) -> int:
    """Play evaluation episodes and report the returns."""
    from maxent.agent import EVALUATION_BASE, load_policy
    from maxent.report.statistics import mean_interval

    chosen = _parse("eval", EvalCommand, words)
    _require_playable(chosen.episodes, chosen.seed)
    agent = load_policy(chosen.run, chosen.policy, chosen.env)
    result = agent.evaluate(chosen.episodes, seed=EVALUATION_BASE if chosen.seed is None else chosen.seed)
    means = result.mean  # [P]
    if chosen.json:
        members = [
            {"mean": float(mean), "returns": returns.tolist(), "lengths": lengths.tolist()}
            for mean, returns, lengths in zip(means, result.returns, result.lengths, strict=True)
        ]
        print(json.dumps({"mean": float(means.mean()), "std": float(result.returns.std()), "members": members}))
        return 0
    for member, (mean, returns) in enumerate(zip(means, result.returns, strict=True)):
        spread = f"std {returns.std():.2f}, from {returns.min():.2f} to {returns.max():.2f}"
        print(f"member {member}: mean return {mean:.2f} over {chosen.episodes} episodes ({spread})")
    if len(means) > 1:
        interval = mean_interval(means)
        print(f"all members: {means.mean():.2f}, 95 % interval of the mean {interval.low:.2f} to {interval.high:.2f}")
    return 0


@dataclass(frozen=True)
class PlayCommand:
    """Watch a policy: write a video, or open a window."""

    run: Run
    """The run's folder."""
    video: Path | None = None
    """Write an MP4 file."""
    human: bool = False
    """Open a window."""
    episodes: int = 1
    """Episodes to play."""
    member: int | None = None
    """Which member; by default the best."""
    policy: Literal["last", "best"] = "best"
    """The last policy, or the member's best by the run's own evaluations."""
    seed: int | None = None
    """First evaluation seed."""


def play(words: list[str]) -> int:
    """Watch a policy."""
    from maxent.agent import EVALUATION_BASE, load_policy
    from maxent.playing import play_episodes

    chosen = _parse("play", PlayCommand, words)
    if chosen.human == (chosen.video is not None):
        raise UserError("play: expected either --video FILE.mp4 or --human.")
    if chosen.video is not None and chosen.video.suffix != ".mp4":
        raise UserError(f"--video: expected a name that ends in .mp4, got {chosen.video}.")
    _require_playable(chosen.episodes, chosen.seed)
    agent = load_policy(chosen.run, chosen.policy, None)
    for episode in play_episodes(
        agent,
        episodes=chosen.episodes,
        member=chosen.member,
        base_seed=EVALUATION_BASE if chosen.seed is None else chosen.seed,
        video=chosen.video,
    ):
        print(f"return {episode.ret:.2f} after {episode.length} steps")
    if chosen.video is not None:
        print(f"Video: {chosen.video}")
    return 0


@dataclass(frozen=True)
class ListCommand:
    """Show what there is."""

    what: Positional[Literal["algos", "envs", "recipes", "runs"]]
    """Algorithms, registered environments, recipes, or the runs below runs/."""


def show(words: list[str]) -> int:
    """List algorithms, environments, recipes or runs."""
    chosen = _parse("list", ListCommand, words)
    if chosen.what == "algos":
        from maxent.algorithms import ALGORITHMS

        for name, algorithm in ALGORITHMS.items():
            print(f"{name:<13} {' and '.join(algorithm.actions):<24} {algorithm.summary}")
    elif chosen.what == "envs":
        from maxent.envs.making import known_ids

        for family, ids in known_ids().items():
            print(f"{family}:\n  " + "\n  ".join(ids))
    elif chosen.what == "recipes":
        from maxent.recipes import all_recipes

        for recipe in all_recipes():
            print(f"{recipe.env:<28} {recipe.algo:<6} {recipe.steps:>9,} steps  {recipe.source}")
    else:
        _list_runs(RUNS)
    return 0


def _list_runs(root: Path) -> None:
    from maxent.training.folder import CONFIG, RunFolder

    found = 0
    for path in sorted(root.glob(f"**/{CONFIG}")):
        folder = RunFolder(path.parent)
        try:
            data = folder.read_config()
            env, algorithm, train = data["env"]["name"], data["learner"]["algorithm"], data["train"]
        except (UserError, KeyError):  # somebody else's config.json
            continue
        found += 1
        reached = folder.checkpoints.newest or 0
        print(
            f"{path.parent!s:<48} {algorithm:<6} {env:<24} {train['seeds']} x {reached:,} of {train['steps']:,} steps"
        )
    if not found:
        print(f"No runs below {root}/.")


@dataclass(frozen=True)
class TabularCommand:
    """Print a worked example whose values are exact, and draw it."""

    what: Positional[Literal["graph", "spider"]]
    """The toy graph of dynamic programming, Monte Carlo and TD(0), or the drunken spider."""
    out: Path | None = None
    """Folder for the picture; by default none is drawn."""


def tabular(words: list[str]) -> int:
    """Print a worked example, and draw it."""
    from maxent.tabular import graph, spider

    chosen = _parse("tabular", TabularCommand, words)
    example = graph if chosen.what == "graph" else spider
    print(example.report())
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        picture = chosen.out / f"{chosen.what}.png"
        example.draw(picture)
        print(f"Picture: {picture}")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "resume": resume,
    "eval": evaluate,
    "play": play,
    "list": show,
    "tabular": tabular,
}


def _parse(name: str, command: type[Any], words: list[str], default: Any = None) -> Any:
    """Parse the words of one command; tyro answers an option that does not exist itself, with exit code 2."""
    options = {} if default is None else {"default": default}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(command, args=words, prog=f"maxent {name}", **options)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise UserError(_one_sentence(name, said.getvalue())) from end


def _one_sentence(name: str, box: str) -> str:
    """What tyro says in a box, in one line: the complaint, and the options that are close."""
    lines = [line.strip("│| \t") for line in box.splitlines()]
    words = [line for line in lines if re.search(r"\w", line)]  # not the frame; its title comes first
    complaint = words[1] if len(words) > 1 else "the command was not understood"
    if complaint.endswith(":"):
        complaint += " " + words[2]
    complaint = re.sub(r"^Error parsing (run|settings): ", "", complaint)  # how we group options is our own affair
    near = [
        line.split()[0] for line in words[2:] if re.match(r"--\w", line) and line.split()[0] not in complaint.split()
    ]
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"{complaint.rstrip('.')}{hint} `maxent {name} --help` describes every option."


def _option(name: str, words: list[str], default: str) -> str:
    """The value of an option that has to be known before the others can be parsed."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            return following
        if word.startswith(name + "="):
            return word.removeprefix(name + "=")
    return default


def _require_playable(episodes: int, seed: int | None) -> None:
    if episodes < 1:
        raise UserError(f"episodes: expected at least 1, got {episodes}.")
    if seed is not None and seed < 0:
        raise UserError(f"seed: expected a whole number of at least 0, got {seed}.")


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
    from maxent.training.stopping import Outcome

    if outcome is Outcome.FINISHED:
        if not quiet:
            print(f"Run folder: {folder} (curve.png, metrics.csv, tensorboard/, best/, last/)")
        return 0
    print(f"Interrupted; a checkpoint is written. Go on with: maxent resume {folder}", file=sys.stderr)
    return 128 + int(outcome.value)


if __name__ == "__main__":
    sys.exit(main())
