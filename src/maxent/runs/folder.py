"""The folder of a run: its settings, metrics, checkpoints, policies and picture."""

import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.runs.checkpoint import CheckpointStore
from maxent.training.settings import TrainConfig
from maxent.runs.files import read_json, read_tensors, sha256, write_json, write_tensors
from maxent.engine.learner import Learner
from maxent.runs.sinks import CsvSink, Sink, TensorBoardSink

FORMAT = 1
CONFIG = "config.json"
PACKAGES = ("maxent", "torch", "numpy", "gymnasium", "mujoco", "safetensors")


@final
class RunFolder:
    """A folder that holds one run.

    config.json, metrics.csv, curve.png, tensorboard/, checkpoints/, replay/, best/ and last/.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = CheckpointStore(path)
        self._lock: int | None = None

    def lock(self) -> None:
        """Refuse to write where another process writes; the lock, on the folder itself, goes with who holds it."""
        if sys.platform == "win32":
            return
        import fcntl

        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.unlock()
            raise UserError(f"{self.path} is being written by another process: wait for it, or stop it.") from error

    def unlock(self) -> None:
        """Let others write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """A new folder; refuses one that holds another run, or anything else."""
        if (path / CONFIG).exists():
            raise UserError(
                f"{path} holds another run: continue it with `maxent resume {path}`, or choose another folder."
            )
        if path.exists() and (not path.is_dir() or any(entry.suffix != ".tmp" for entry in path.iterdir())):
            raise UserError(f"{path} is not an empty folder: choose another one for the run.")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{path} cannot be made: {error.strerror}.") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of an earlier run."""
        if not (path / CONFIG).exists():
            raise UserError(f"{path} holds no run: {CONFIG} is missing. `maxent list runs` shows the runs there are.")
        return cls(path)

    def write_config(self, source: EnvSource, learner: Learner, config: TrainConfig, recipe: str | None) -> None:
        """Every setting, the versions and the command."""
        write_json(
            self.path / CONFIG,
            {
                "format": FORMAT,
                "env": {"name": source.name, "source": source.to_json()},
                "train": asdict(config),
                "learner": learner.to_json(),
                "recipe": recipe,
                "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "versions": versions(),
            },
        )

    def update_config(self, config: TrainConfig) -> None:
        """The run goes on with other settings, such as more steps."""
        write_json(self.path / CONFIG, self.read_config() | {"train": asdict(config)})

    def read_config(self) -> dict[str, Any]:
        """What `write_config` wrote."""
        data = read_json(self.path / CONFIG)
        if data.get("format") != FORMAT:
            raise UserError(
                f"{self.path / CONFIG}: format {data.get('format')} is not {FORMAT}, which this version reads."
            )
        return data

    def sinks(self, step: int, members: int, tags: Sequence[str]) -> list[Sink]:
        """Where metrics go; whatever an interrupted run wrote after `step` is taken back."""
        return [
            CsvSink(self.path / "metrics.csv", members, tags, resume_at=step),
            TensorBoardSink(self.path / "tensorboard", members, resume_at=step),
        ]

    def write_policy(
        self, which: str, learner: Learner, policy: Mapping[str, Tensor], step: int, scores: NDArray[np.float64]
    ) -> None:
        """Write the tensors that acting needs into best/ or last/, where `maxent.load` finds them."""
        write_policy(self.path / which, learner, policy, step, scores)

    def draw_curve(self, title: str) -> None:
        """The learning curve as a picture."""
        from maxent.report.curve import draw_curve  # matplotlib takes a moment to import: only when it is needed

        if (self.path / "metrics.csv").exists():
            draw_curve(self.path / "metrics.csv", self.path / "curve.png", title)


def write_policy(
    path: Path, learner: Learner, policy: Mapping[str, Tensor], step: int, scores: NDArray[np.float64]
) -> None:
    """A folder with policy.safetensors and policy.json: enough to act, nothing to go on learning from.

    policy.json goes first and comes last, so that where it is, it belongs to the tensors beside it.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / "policy.json").unlink(missing_ok=True)
    digest = write_tensors(path / "policy.safetensors", learner.named(policy))
    data = {
        "format": FORMAT,
        "learner": learner.to_json(),
        "step": step,
        "scores": [float(score) if np.isfinite(score) else None for score in scores],  # by them the best member is told
        "hash": digest,
    }
    write_json(path / "policy.json", data)


def read_policy(path: Path) -> tuple[Learner, dict[str, Any]]:
    """The learner of a policy folder, with the policy's tensors in its state, and what policy.json says."""
    data = read_json(path / "policy.json")
    if data.get("format") != FORMAT:
        raise UserError(
            f"{path / 'policy.json'}: format {data.get('format')} is not {FORMAT}, which this version reads."
        )
    tensors = path / "policy.safetensors"
    if not tensors.exists() or sha256(tensors) != data["hash"]:
        raise UserError(f"{tensors} is missing or does not match its hash: it is damaged or was changed.")
    learner = Learner.from_json(data["learner"])
    policy = {name: learner.state[name] for name in learner.algorithm.policy_names}
    learner.load_named(read_tensors(tensors), policy)
    return learner, data


def versions() -> dict[str, str]:
    """Versions of everything that a result depends on."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "cpus": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
