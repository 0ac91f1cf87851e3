"""The config.json of a run, as far as results show it."""

from pathlib import Path
from typing import Any

from maxent.errors import UserError
from maxent.runs.files import naming
from maxent.runs.layout import CONFIG, read_config, require_run
from maxent.untrusted import Either, Entries, ListOf, Whole, require

MOST_MEMBERS = 10_000

LEARNER = Entries({"algorithm": str, "settings": dict, "seeds": ListOf(Whole())}, {"observation": dict, "action": dict})
SCHEMA = Entries(
    {
        "format": Whole(),
        "env": Entries({"name": str, "source": Either((None, {"id": str, "kwargs": dict}))}, {}),
        "run": dict,
        "replay": Either((None, dict)),
        "learner": LEARNER,
        "recipe": Either((None, str)),
        "command": str,
        "created": str,
        "versions": dict,
    },
    {},
)
"""The part of config.json that results show; settings are shown as they are and not interpreted."""


def read_run_config(path: Path) -> dict[str, Any]:
    """Return the config.json of a run folder; raise `UserError` unless the page of the run can be made from it."""
    require_run(path)
    data = read_config(path, SCHEMA)
    run, seeds = data["run"], data["learner"]["seeds"]
    with naming(path / CONFIG):
        require(run.get("steps"), Whole(1), "run steps")
        require(run.get("log_every", 1), Whole(1), "run log_every")
        if not 1 <= len(seeds) <= MOST_MEMBERS:
            raise UserError(f"expected from 1 to {MOST_MEMBERS:,} seeds, got {len(seeds):,}.")
        require(data["versions"], dict.fromkeys(data["versions"], str), "versions")
    return data
