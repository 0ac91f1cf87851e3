"""Small runs of the command line, and what a command said."""

import json
from pathlib import Path
from typing import Any, NamedTuple

TINY = "tiny_world:Tiny-v0"
SMALL = [
    *("--hidden", "4", "4", "--batch-size", "4", "--learning-starts", "10", "--buffer-size", "500", "--compile", "off"),
    *("--log-every", "20", "--eval-every", "30", "--eval-episodes", "2", "--checkpoint-every", "25"),
]


class Said(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


def config_of(run: Path) -> dict[str, Any]:
    """Return the settings that a run folder holds."""
    return dict(json.loads((run / "config.json").read_text()))
