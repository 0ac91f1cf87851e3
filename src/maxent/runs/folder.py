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
from maxent.runs.files import (
    is_taken,
    make_folder,
    naming,
    read_json,
    require_folder,
    require_format,
    require_regular,
    temporary_of,
    write_json,
)
from maxent.runs.observer import Observer
from maxent.runs.policy import write_policy
from maxent.runs.sinks import CsvSink, FindingsSink, TensorBoardSink
from maxent.untrusted import require

FORMAT = 2
CONFIG = "config.json"
METRICS = "metrics.csv"
CURVE = "curve.png"
FINDINGS = "findings.json"
FOLDERS = ("tensorboard", "checkpoints", "replay", "best", "last")
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

    config.json, metrics.csv, findings.json, curve.png, tensorboard/, checkpoints/, replay/, best/ and last/. The folder
    itself may be a symbolic link; none of these may be one.
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
        if sys.platform == "win32" or self._lock is not None:
            return
        import fcntl

        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.unlock()
            raise UserError(f"{self.path} is being written by another process: wait for it, or stop it.") from error
        _LOCKED.add(self)

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
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
        if not is_taken(path / CONFIG):
            raise UserError(f"{path} holds no run: {CONFIG} is missing. `maxent list runs` shows the runs there are.")
        for name in (CONFIG, METRICS, FINDINGS):
            if is_taken(path / name):
                require_regular(path / name)
        for name in FOLDERS:
            if is_taken(path / name):
                require_folder(path / name)
        return cls(path)

    def write_config(self, data: Mapping[str, Any]) -> None:
        """Write plain data, such as the settings, with the format, the command, the time and all versions."""
        write_json(
            self.path / CONFIG,
            {
                "format": FORMAT,
                **data,
                "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "versions": versions(),
            },
        )

    def update_config(self, **sections: Any) -> None:
        """Replace sections of the config, such as `train` when a run continues with more steps."""
        write_json(self.path / CONFIG, self.read_config() | sections)

    def read_config(self, schema: Any = dict) -> dict[str, Any]:
        """Return the content of config.json, checked against a schema (`maxent.untrusted`)."""
        path = self.path / CONFIG
        data = read_json(path)
        require_format(path, data, FORMAT)
        with naming(path):
            require(data, schema)
        return data

    def sinks(self, tags: Sequence[str]) -> list[Observer]:
        """Return the observers that write metrics; they remove the rows after the step where the run starts."""
        return [
            CsvSink(self.metrics, tags, resume=True),
            self._events,
            FindingsSink(self.findings),
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
    found = {"python": platform.python_version(), "platform": platform.platform(), "cpus": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
