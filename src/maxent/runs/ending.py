"""The file that says how a run ended; there is none while it trains, nor after its process was killed."""

from pathlib import Path
from typing import final

from maxent.errors import UserError
from maxent.runs.files import is_taken, naming, read_json, require_format, write_json
from maxent.runs.observer import Observer, RunHeader
from maxent.untrusted import Whole, require, short

FORMAT = 1
REASONS = ("finished", "stopped", "interrupted", "terminated", "hung_up", "failed")
"""Those of `Observer.on_end`."""


@final
class EndingSink(Observer):
    """Writes the reason for which a run ended, and removes the file when the run continues."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_start(self, header: RunHeader) -> None:
        """Remove the ending of an earlier session."""
        self.path.unlink(missing_ok=True)

    def on_end(self, reason: str) -> None:
        """Write the reason."""
        write_json(self.path, {"format": FORMAT, "reason": reason})


def read_ending(path: Path) -> str | None:
    """Return the reason for which a run ended; None where there is no such file."""
    if not is_taken(path):
        return None
    data = read_json(path)
    require_format(path, data, FORMAT)
    with naming(path):
        require(data, {"format": Whole(), "reason": str})
        if data["reason"] not in REASONS:
            raise UserError(f"reason: expected one of {', '.join(REASONS)}, got {short(data['reason'])}.")
    reason: str = data["reason"]
    return reason
