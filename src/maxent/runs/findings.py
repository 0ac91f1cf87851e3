"""The file with the findings of the watcher of a run."""

from dataclasses import fields
from pathlib import Path
from typing import Any, final

from maxent.findings import Finding
from maxent.runs.files import is_taken, naming, read_json, require_format, write_json
from maxent.runs.observer import Observer, RunHeader
from maxent.untrusted import ListOf, Whole, require

FORMAT = 1


@final
class FindingsSink(Observer):
    """Writes the findings of the watcher into a JSON file; there is none before the first finding.

    Where a run is resumed, those after the step where training starts are dropped, as rows of metrics are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._findings: list[dict[str, Any]] = []

    def on_start(self, header: RunHeader) -> None:
        """Take over the findings up to the step where training starts."""
        if is_taken(self.path):
            found = read_findings(self.path)
            self._findings = [one for one in found if one["step"] <= header.start]
            if len(self._findings) < len(found):
                self._write()

    def on_finding(self, finding: Finding, step: int) -> None:
        """Add a finding, and write the file anew."""
        self._findings.append({"step": step, **finding.to_plain()})
        self._write()

    def _write(self) -> None:
        write_json(self.path, {"format": FORMAT, "findings": self._findings})


def read_findings(path: Path) -> list[dict[str, Any]]:
    """Return the findings in a file of `FindingsSink`, each with its step, in order."""
    data = read_json(path)
    require_format(path, data, FORMAT)
    with naming(path):
        texts = {field.name: str for field in fields(Finding)}
        require(data, {"format": Whole(), "findings": ListOf({"step": Whole(), **texts})})
    found: list[dict[str, Any]] = data["findings"]
    return found
