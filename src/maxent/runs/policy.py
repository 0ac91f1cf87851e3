"""Policy folders: policy.safetensors and policy.json, enough to act and not to continue learning."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from maxent.errors import FileError
from maxent.runs.files import (
    is_taken,
    make_folder,
    naming,
    read_json,
    require_format,
    require_no_folder,
    sha256,
    write_json,
)
from maxent.runs.tensors import read_tensors, write_tensors
from maxent.untrusted import Either, ListOf, Number, Whole, require

FORMAT = 2

SCORES = ListOf(Either((Number(), None)))
SCHEMA = {"format": Whole(), "learner": dict, "step": Whole(), "scores": SCORES, "hash": str}


@dataclass(frozen=True)
class PolicyFile:
    """The content of a policy folder."""

    learner: dict[str, Any]  # plain data from which the learner is built
    tensors: dict[str, Tensor]
    step: int  # environment steps per member
    scores: NDArray[np.float64]  # [P] mean return of each member, NaN where it is unknown


def write_policy(
    path: Path,
    *,
    learner: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    step: int,
    scores: NDArray[np.float64],
) -> None:
    """Write a policy folder; scores that are not finite are saved as unknown.

    policy.json is removed first and written last: where it exists, it belongs to the tensors beside it.
    """
    make_folder(path)
    require_no_folder(path / "policy.json")
    (path / "policy.json").unlink(missing_ok=True)
    digest = write_tensors(path / "policy.safetensors", tensors)
    known = [float(score) if np.isfinite(score) else None for score in scores]
    data = {"format": FORMAT, "learner": learner, "step": step, "scores": known, "hash": digest}
    write_json(path / "policy.json", data)


def read_policy_step(manifest: Path) -> int:
    """Return the step at which the policy of a policy.json was written."""
    return int(_read_manifest(manifest)["step"])


def read_policy(path: Path) -> PolicyFile:
    """Return the content of a policy folder after checking its entries and its hash."""
    data, file = _read_manifest(path / "policy.json"), path / "policy.safetensors"
    if not is_taken(file) or sha256(file) != data["hash"]:
        raise FileError(file, "it is missing or does not match its hash", "it is damaged or was changed")
    scores = np.array([np.nan if score is None else score for score in data["scores"]], dtype=np.float64)
    return PolicyFile(data["learner"], read_tensors(file), data["step"], scores)


def _read_manifest(path: Path) -> dict[str, Any]:
    data = read_json(path)
    require_format(path, data, FORMAT)
    with naming(path):
        require(data, SCHEMA)
    return data
