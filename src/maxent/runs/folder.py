"""The folder of a run: its settings, metrics, checkpoints and policies."""

import itertools
import os
import platform
import shlex
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from maxent.errors import UserError
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.ending import EndingSink
from maxent.runs.evaluations import EvaluationSink
from maxent.runs.files import (
    make_folder,
    temporary_of,
    write_json,
)
from maxent.runs.findings import FindingsSink
from maxent.runs.layout import CONFIG, CURVE, ENDING, EVALUATIONS, FINDINGS, FORMAT, METRICS, read_config, require_run
from maxent.runs.lock import release_lock, take_lock
from maxent.runs.observer import Observer
from maxent.runs.policy import write_policy
from maxent.runs.sinks import CsvSink, TensorBoardSink

PACKAGES = ("maxent", "torch", "numpy", "gymnasium", "mujoco", "safetensors")


_LOCKED: "weakref.WeakSet[RunFolder]" = weakref.WeakSet()


def _forget_locks() -> None:
    """Close the locks that a forked process has from its parent: a run is free again when its own process ends."""
    for folder in list(_LOCKED):
        folder.unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


@final
class RunFolder:
    """A folder that holds one run.

    config.json, metrics.csv, evaluations.csv, findings.json, ending.json, curve.png, tensorboard/, checkpoints/,
    replay/, best/ and last/. The folder itself may be a symbolic link; none of these may be one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = CheckpointStore(path)
        self._lock: int | None = None
        self._events = TensorBoardSink(path / "tensorboard", resume=True)  # one file for all calls of `learn`

    @property
    def metrics(self) -> Path:
        """The file with the rows of metrics."""
        return self.path / METRICS

    @property
    def evaluations(self) -> Path:
        """The file with the returns of single evaluation episodes; none in a run without evaluations."""
        return self.path / EVALUATIONS

    @property
    def findings(self) -> Path:
        """The file with the findings of the watcher; there is none as long as it found nothing."""
        return self.path / FINDINGS

    @property
    def curve(self) -> Path:
        """The picture of the learning curve."""
        return self.path / CURVE

    def lock(self) -> None:
        """Raise if another process writes this run; the lock ends with `unlock` or with the process.

        A folder that is locked already stays so.
        """
        if self._lock is not None:
            return
        self._lock = take_lock(self.path)
        if self._lock is None:
            raise UserError(f"{self.path} is being written by another process: wait for it, or stop it.")
        _LOCKED.add(self)

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            release_lock(self._lock)
            self._lock = None
            _LOCKED.discard(self)

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """Create a new folder and lock it; raise if it holds another run or anything else, or is being written."""
        require_empty(path)
        try:
            if not path.exists():
                make_folder(path)
        except OSError as error:
            raise UserError(f"{path} cannot be created: {error.strerror}.") from error
        folder = cls(path)
        folder.lock()
        try:
            require_empty(path)  # another process may have come between
        except UserError:
            folder.unlock()
            raise
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of an earlier run; raise if a part of it is a symbolic link."""
        require_run(path)
        return cls(path)

    def write_config(self, data: Mapping[str, Any]) -> None:
        """Write plain data, such as the settings, with the format, the command, the time and all versions."""
        write_json(
            self.path / CONFIG,
            {
                "format": FORMAT,
                **data,
                "command": shlex.join([program(Path(sys.argv[0])), *sys.argv[1:]]),
                "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "versions": versions(),
            },
        )

    def update_config(self, **sections: Any) -> None:
        """Replace sections of the config, such as `train` when a run continues with more steps."""
        write_json(self.path / CONFIG, self.read_config() | sections)

    def read_config(self, schema: Any = dict) -> dict[str, Any]:
        """Return the content of config.json, checked against a schema (`maxent.untrusted`)."""
        return read_config(self.path, schema)

    def sinks(self, tags: Sequence[str], episodes: int = 0) -> list[Observer]:
        """Return the observers that write metrics; they remove the rows after the step where the run starts.

        `episodes` is how many an evaluation has for each member, 0 where there are no evaluations.
        """
        return [
            CsvSink(self.metrics, tags, resume=True),
            *([EvaluationSink(self.evaluations, episodes)] if episodes else []),
            self._events,
            FindingsSink(self.findings),
            EndingSink(self.path / ENDING),
        ]

    def write_policy(
        self,
        which: str,
        *,
        learner: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        step: int,
        scores: NDArray[np.float64],
    ) -> None:
        """Write a policy into best/ or last/."""
        write_policy(self.path / which, learner=learner, tensors=tensors, step=step, scores=scores)


def program(path: Path) -> str:
    """Return the name of the program of a command: `python -m maxent` is `maxent`."""
    return path.parent.name if path.name == "__main__.py" else path.name


def same_folder(one: Path, other: Path) -> bool:
    """Return whether two paths name the same folder."""
    return one.resolve() == other.resolve()


def require_empty(path: Path) -> None:
    """Raise if a path is something else than an empty folder, or nothing."""
    if (path / CONFIG).exists():
        raise UserError(f"{path} holds another run: continue it with `maxent resume {path}`, or choose another folder.")
    if path.exists() and (not path.is_dir() or not all(map(temporary_of, path.iterdir()))):
        raise UserError(f"{path} is not an empty folder: choose another one for the run.")


def reserve_folder(path: Path) -> Path:
    """Create a new empty folder of this name, or of the next free one: name, name-2, name-3, …"""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        candidate = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            candidate.mkdir()
        except FileExistsError:
            continue
        return candidate
    raise AssertionError


def versions() -> dict[str, str]:
    """Return the versions of everything that a result depends on."""
    found = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": str(os.cpu_count()),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
