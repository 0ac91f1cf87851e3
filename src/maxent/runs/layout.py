"""Names in a run folder, and what they say without reading tensors; importing this module is light."""

import re
from os import scandir
from pathlib import Path

from maxent.runs.files import is_folder

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
