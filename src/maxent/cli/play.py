"""`maxent eval` and `maxent play`."""

import json
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from maxent.cli.parsing import Modules, Run, find_modules_here, parse
from maxent.errors import UserError

if TYPE_CHECKING:
    from maxent.report.frames import FrameSink

ENDINGS = {"video": ".mp4", "gif": ".gif", "picture": ".png"}
TITLES = {"video": "Video", "gif": "GIF", "picture": "Picture"}

ROWS = 8
"""Most episodes of a filmstrip."""


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
    """Another environment of the same spaces; by default the run's, unless that is one of your own (module:Id)."""
    algo: str | None = None
    """The algorithm of the run, needed where it is one of your own (module:Class): its module is then imported."""
    modules: Modules = ()
    """Modules to import first, such as that of your own layers."""
    json: bool = False
    """Print one line of JSON."""


def evaluate(words: list[str]) -> int:
    """Play evaluation episodes and report the returns."""
    from maxent.agent import EVALUATION_BASE
    from maxent.opening import load_policy
    from maxent.statistics import mean_interval

    chosen = parse("eval", EvalCommand, words)
    _require_playable(chosen.episodes, chosen.seed)
    find_modules_here(chosen.env, chosen.algo, modules=chosen.modules)
    agent = load_policy(chosen.run, chosen.policy, chosen.env, chosen.algo, chosen.modules)
    result = agent.evaluate(chosen.episodes, seed=EVALUATION_BASE if chosen.seed is None else chosen.seed)
    means, rates = result.mean, result.success_rate  # [P]
    if chosen.json:
        members = [
            {"mean": float(mean), **_success(rate), "returns": returns.tolist(), "lengths": lengths.tolist()}
            for mean, rate, returns, lengths in zip(means, rates, result.returns, result.lengths, strict=True)
        ]
        whole = {"mean": float(means.mean()), "std": float(result.returns.std()), **_success(rates.mean())}
        print(json.dumps({**whole, "members": members}))
        return 0
    for member, (mean, rate, returns) in enumerate(zip(means, rates, result.returns, strict=True)):
        success = "" if isnan(rate) else f", success {rate:.1%}".replace("%", " %")
        spread = f"std {returns.std():.2f}, from {returns.min():.2f} to {returns.max():.2f}"
        print(f"member {member}: mean return {mean:.2f} over {chosen.episodes} episodes ({spread}){success}")
    if chosen.episodes > 1:
        off = mean_interval(result.returns.mean(axis=0))
        print(
            f"on these {chosen.episodes} fixed seeds, with the most probable actions; the mean over all seeds lies "
            f"between {off.low:.2f} and {off.high:.2f} (95 % interval)"
        )
    if len(means) > 1:
        interval = mean_interval(means)
        success = "" if isnan(rates.mean()) else f", success {rates.mean():.1%}".replace("%", " %")
        span = f"95 % interval of the mean {interval.low:.2f} to {interval.high:.2f}"
        print(f"all members: {means.mean():.2f}, {span}{success}")
    return 0


def _success(rate: float) -> dict[str, float]:
    """Return the entry of a share of successful episodes; nothing where the environment reports no success."""
    return {} if isnan(rate) else {"success_rate": float(rate)}


@dataclass(frozen=True)
class PlayCommand:
    """Watch a policy: write a video, a GIF or a filmstrip, or open a window."""

    run: Run
    """The run's folder."""
    video: Path | None = None
    """Write an MP4 file; no display is needed."""
    gif: Path | None = None
    """Write a GIF of at most 320 pixels and half a minute, for a README or a slide."""
    picture: Path | None = None
    """Draw a filmstrip, a row of frames for each episode. For maxent/MultiGoal-v0 draw sampled paths over the level
    sets of Q, and count the goals reached."""
    human: bool = False
    """Open a window."""
    episodes: int | None = None
    """Episodes to play; by default 1, or 1,000 for a picture of maxent/MultiGoal-v0."""
    member: int | None = None
    """Which member; by default the best, and for a picture of maxent/MultiGoal-v0 one that is typical."""
    policy: Literal["last", "best"] | None = None
    """The last policy, or the member's best by the run's own evaluations; by default best, and last for a picture of
    maxent/MultiGoal-v0."""
    seed: int | None = None
    """First evaluation seed."""
    env: str | None = None
    """The environment of the run, needed where it is one of your own (module:Id): its module is then imported."""
    algo: str | None = None
    """The algorithm of the run, needed where it is one of your own (module:Class): its module is then imported."""
    modules: Modules = ()
    """Modules to import first, such as that of your own layers."""


def play(words: list[str]) -> int:
    """Watch a policy."""
    from maxent.agent import EVALUATION_BASE
    from maxent.opening import load_policy
    from maxent.report.frames import Filmstrip, Gif, Video
    from maxent.report.goal_paths import is_multigoal
    from maxent.report.playing import play_episodes

    chosen = parse("play", PlayCommand, words)
    files = {name: path for name, path in _files(chosen).items() if path is not None}
    if len(files) + chosen.human != 1:
        raise UserError("play: expected one of --video FILE.mp4, --gif FILE.gif, --picture FILE.png and --human.")
    for name, path in files.items():
        if path.suffix != ENDINGS[name]:
            raise UserError(f"--{name}: expected a name that ends in {ENDINGS[name]}, got {path}.")
    _require_playable(1 if chosen.episodes is None else chosen.episodes, chosen.seed)
    find_modules_here(chosen.env, chosen.algo, modules=chosen.modules)
    agent = load_policy(chosen.run, chosen.policy or "best", chosen.env, chosen.algo, chosen.modules)
    if chosen.picture is not None:
        if is_multigoal(agent):
            return _play_picture(chosen, 1_000 if chosen.episodes is None else chosen.episodes)
        if chosen.episodes is not None and chosen.episodes > ROWS:
            raise UserError(
                f"episodes: expected at most {ROWS} for a picture of this environment, got {chosen.episodes}."
            )
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)

    def sink(fps: int) -> "FrameSink":
        if chosen.video is not None:
            return Video(chosen.video, fps)
        return Gif(chosen.gif, fps) if chosen.gif is not None else Filmstrip(files["picture"])

    for episode in play_episodes(
        agent,
        episodes=chosen.episodes or 1,
        member=chosen.member,
        base_seed=EVALUATION_BASE if chosen.seed is None else chosen.seed,
        sink=None if chosen.human else sink,
    ):
        print(f"return {episode.ret:.2f} after {episode.length} steps")
    for name, path in files.items():
        print(f"{TITLES[name]}: {path}")
    return 0


def _files(chosen: PlayCommand) -> dict[str, Path | None]:
    """Return the files that a command may write, by option."""
    return {"video": chosen.video, "gif": chosen.gif, "picture": chosen.picture}


def _play_picture(chosen: PlayCommand, episodes: int) -> int:
    """Draw the last policy's sampled paths among four goals; the critics are needed, which no policy file holds."""
    from maxent.agent import EVALUATION_BASE
    from maxent.opening import load
    from maxent.report.goal_paths import draw_goal_paths, require_critics, roll_out, typical

    assert chosen.picture is not None
    if chosen.policy == "best":
        raise UserError("--policy: a picture is of the last policy, whose critics it shows; expected last, got best.")
    agent = load(chosen.run, chosen.env, algorithm=chosen.algo, modules=chosen.modules, verbose=False)
    require_critics(agent)
    played = {}
    for member in range(agent.members) if chosen.member is None else [chosen.member]:
        rollouts = roll_out(agent, member, episodes, EVALUATION_BASE if chosen.seed is None else chosen.seed)
        played[member] = rollouts
        east, west, north, south = rollouts.shares
        print(
            f"member {member}: of {episodes:,} sampled paths {east:.1%} reach the goal in the east, {west:.1%} in the "
            f"west, {north:.1%} in the north, {south:.1%} in the south, {1.0 - rollouts.shares.sum():.1%} none"
        )
    member = list(played)[typical([one.shares for one in played.values()])]
    title = f"{agent.name} on maxent/MultiGoal-v0, member {member}"
    draw_goal_paths(agent, member, played[member], title, chosen.picture)
    agent.close()
    which = f" of member {member}, whose rarest goal has the median share" if len(played) > 1 else ""
    print(f"Picture{which}: {chosen.picture}")
    return 0


def _require_playable(episodes: int, seed: int | None) -> None:
    if episodes < 1:
        raise UserError(f"episodes: expected at least 1, got {episodes}.")
    if seed is not None and seed < 0:
        raise UserError(f"seed: expected a whole number of at least 0, got {seed}.")
