"""Descriptions of a run: for its user before it starts, and for its folder."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any, Protocol, final

from maxent.engine.device import Compute
from maxent.engine.learner import Learner
from maxent.engine.update import Engine
from maxent.envs.making import EnvSource
from maxent.findings import plural
from maxent.replay import Replay, Sampler
from maxent.runs.folder import RunFolder
from maxent.runs.observer import RunHeader
from maxent.runs.tags import EPISODES
from maxent.training.memory import networks_text, replay_text
from maxent.training.progress import Progress
from maxent.training.schedule import Schedule
from maxent.training.settings import Settings
from maxent.untrusted import Either, ListOf, Whole

LEARNER = {
    "algorithm": str,
    "settings": dict,
    "seeds": ListOf(Whole()),
    "observation": {"leaves": ListOf(dict)},
    "action": dict,
}
"""What `Learner.to_plain` returns; the settings are checked where they become a record."""

CONFIG = {
    "format": Whole(),
    "env": {"name": str, "source": Either((None, {"id": str, "kwargs": dict}))},
    "run": dict,
    "replay": Either((None, dict)),
    "learner": LEARNER,
    "recipe": Either((None, str)),
    "command": str,
    "created": str,
    "versions": dict,
}
"""What config.json holds: `config_of`, and what `RunFolder` adds."""


class Run(Protocol):
    """What a description needs of a run."""

    source: EnvSource
    settings: Settings
    compute: Compute
    learner: Learner
    replay: Replay
    sampler: Sampler
    schedule: Schedule
    progress: Progress
    folder: RunFolder | None

    def engine(self) -> Engine:
        """Return the update."""


@final
class Said:
    """What the user knows about a run: a later call of `learn` repeats no sentence of a kind that was said."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()

    def pass_on(self, texts: Sequence[str], say: Callable[[str], None]) -> None:
        """Say the sentences that are new; whether updates are compiled is news where it changes."""
        for text in texts:
            kind = text.partition("," if text.startswith("updates: ") else ":")[0]
            if kind not in self._kinds:
                say(text)
            self._kinds.add(kind)


def header_of(run: Run) -> RunHeader:
    """Return the facts of a run."""
    return RunHeader(
        algo=run.learner.algorithm.name,
        env=run.source.name,
        members=run.learner.members,
        device=str(run.compute),
        compiled=run.engine().mode.compiled,
        steps=run.settings.run.steps,
        start=run.progress.step,
        folder=None if run.folder is None else str(run.folder.path),
    )


def announcements(run: Run) -> list[str]:
    """Return sentences about memory, evaluation and execution, shown before training starts."""
    mode, steps = run.engine().mode, run.settings.run.steps
    texts = [f"return: mean of the last {EPISODES} training episodes, in which the policy explores"]
    if run.settings.run.eval_every and run.source.can_make:
        count = plural(run.settings.run.eval_episodes, "episode")
        texts.append(
            f"eval: mean of {count} with the most probable actions, on seeds that are the same every time; "
            "±: how far off these few seeds may be (95 %)"
        )
    texts += [replay_text(run, steps), networks_text(run)]
    if run.settings.run.eval_every and not run.source.can_make:
        texts.append("no evaluation: another environment like the one handed in cannot be made")
    if not run.schedule.updates_at(steps):
        texts.append(f"no update will be made: {steps:,} steps are fewer than the first takes")
    texts.append(f"updates: {'compiled' if mode.compiled else 'eager'}, because {mode.reason}")
    if late := run.settings.config.beyond(run.schedule.updates_at(steps)):
        texts.append(late)
    return [*texts, f"layers: {run.engine().layers}", f"threads: {run.engine().threads}"]


def resume_command(run: Run) -> str:
    """Return the command that goes on with a run, with what has to be named because it is the user's own."""
    assert run.folder is not None
    words = ["maxent", "resume", str(run.folder.path)]
    if run.source.to_json() is None:
        words += ["--env", "my_module:make_env"]
    elif ":" in run.source.env_id:
        words += ["--env", run.source.env_id]
    own = run.learner.algorithm.identifier()
    return shlex.join([*words, *(["--algo", own] if ":" in own else [])])


def bytes_to_write(run: Run) -> int:
    """Return an upper bound of the size of a run folder: replay segments, up to one ring too many, and checkpoints.

    Rows on the disk have a file of their own besides.
    """
    rows = min(run.replay.capacity, 2 * run.settings.run.steps)
    replay = Replay.nbytes(run.replay.layout, members=run.learner.members, capacity=rows)
    state = sum(tensor.nbytes for tensor in run.learner.state.values())
    return (2 if run.replay.file is None else 3) * replay + 4 * state


def config_of(run: Run, recipe: str | None) -> dict[str, Any]:
    """Return every setting of a run, for its folder; `recipe` is the source of tuned settings."""
    settings = run.settings.to_plain()
    return {
        "env": {"name": run.source.name, "source": run.source.to_json()},
        "run": settings["run"],
        "replay": settings["replay"],
        "learner": run.learner.to_plain(),
        "recipe": recipe,
    }
