"""Policy folders: policy.safetensors and policy.json, enough to act and not to continue learning."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from maxent.errors import UserError
from maxent.runs.files import is_taken, make_folder, read_json, sha256, write_json
from maxent.runs.tensors import read_tensors, write_tensors

FORMAT = 2


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
    (path / "policy.json").unlink(missing_ok=True)
    digest = write_tensors(path / "policy.safetensors", tensors)
    known = [float(score) if np.isfinite(score) else None for score in scores]
    data = {"format": FORMAT, "learner": learner, "step": step, "scores": known, "hash": digest}
    write_json(path / "policy.json", data)


def read_policy(path: Path) -> PolicyFile:
    """Return the content of a policy folder after checking its hash."""
    data = read_json(path / "policy.json")
    if data.get("format") != FORMAT:
        raise UserError(
            f"{path / 'policy.json'}: format {data.get('format')} is not {FORMAT}, which this version reads."
        )
    match data:
        case {"learner": dict(learner), "step": int(step), "scores": list(listed), "hash": str(digest)}:
            pass
        case _:
            raise UserError(f"{path / 'policy.json'}: expected the entries learner, step, scores and hash, got others.")
    if any(not isinstance(score, int | float | None) for score in listed):
        raise UserError(f"{path / 'policy.json'}: expected numbers or null as scores, got others.")
    file = path / "policy.safetensors"
    if not is_taken(file) or sha256(file) != digest:
        raise UserError(f"{file} is missing or does not match its hash: it is damaged or was changed.")
    scores = np.array([np.nan if score is None else score for score in listed], dtype=np.float64)
    return PolicyFile(learner, read_tensors(file), step, scores)
