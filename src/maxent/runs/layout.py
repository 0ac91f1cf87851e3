"""The layout of a run folder: names, checks and settings. Importing it is light, unlike what reads tensors."""

import re
from os import scandir
from pathlib import Path
from typing import Any

from maxent.errors import UserError
from maxent.runs.files import (
    is_folder,
    is_taken,
    naming,
    read_json,
    require_folder,
    require_format,
    require_regular,
)
from maxent.untrusted import require

FORMAT = 2
CONFIG = "config.json"
METRICS = "metrics.csv"
CURVE = "curve.png"
EVALUATIONS = "evaluations.csv"
FINDINGS = "findings.json"
ENDING = "ending.json"
CHECKPOINTS = "checkpoints"
FOLDERS = ("tensorboard", CHECKPOINTS, "replay", "best", "last")

OLD = ".old"
"""Suffix of a checkpoint while another one of the same step takes its place."""

COMPLETE = re.compile(r"[0-9]{12}(\.old)?")


def require_run(path: Path) -> None:
    """Raise `UserError` unless the folder holds a run, no part of which is a symbolic link."""
    if not is_taken(path / CONFIG):
        raise UserError(f"{path} holds no run: {CONFIG} is missing. `maxent list runs` shows the runs there are.")
    for name in (CONFIG, METRICS, EVALUATIONS, FINDINGS, ENDING):
        if is_taken(path / name):
            require_regular(path / name)
    for name in FOLDERS:
        if is_taken(path / name):
            require_folder(path / name)


def read_config(run: Path, schema: Any = dict) -> dict[str, Any]:
    """Return the content of the config.json of a run, checked against a schema (`maxent.untrusted`)."""
    path = run / CONFIG
    data = read_json(path)
    require_format(path, data, FORMAT)
    with naming(path):
        require(data, schema)
    return data


def checkpoint_folders(checkpoints: Path) -> list[Path]:
    """Return the checkpoints from oldest to newest; of two with the same step, the replaced one comes first."""
    if not is_folder(checkpoints):
        return []
    with scandir(checkpoints) as entries:  # their kinds are of the same moment as their names
        names = [one.name for one in entries if one.is_dir(follow_symlinks=False) and COMPLETE.fullmatch(one.name)]
    found = [checkpoints / name for name in names]
    return sorted(found, key=lambda path: (path.name.removesuffix(OLD), not path.name.endswith(OLD)))


def newest_checkpoint(checkpoints: Path) -> int | None:
    """Return the step of the newest checkpoint, damaged or not; None if there is none."""
    folders = checkpoint_folders(checkpoints)
    return int(folders[-1].name.removesuffix(OLD)) if folders else None
