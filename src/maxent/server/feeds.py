"""What live pages show: a state in words and sections as HTML, read anew at intervals and shared by all who look."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, final

from maxent.errors import UserError, printable
from maxent.results.run import RunResults, read_run
from maxent.results.state import read_state, read_states
from maxent.runs.files import is_folder, is_regular
from maxent.runs.layout import CONFIG, EVALUATIONS, FINDINGS, METRICS
from maxent.server import pages

INTERVAL = 1.0
"""Shortest time between two readings, in seconds."""

COST = 0.05
"""Largest share of a core that reading one page takes: a long run is read less often."""

KEPT = 32
"""Most runs whose sections are in memory."""


Reference = Callable[[RunResults], tuple[Mapping[str, Any] | None, Mapping[str, Any]]]
"""Returns the default settings of a run's algorithm, None if they are unknown, and those of its recipe."""


def no_reference(run: RunResults) -> tuple[None, Mapping[str, Any]]:
    """Return that neither defaults nor a recipe are known."""
    return None, {}


class Snapshot(NamedTuple):
    """A page at one moment: its state in words, its sections as HTML, and a digest of these."""

    state: str
    sections: str
    digest: str


@final
class Feed:
    """Snapshots of one page, made by `read` where the last one is too old."""

    def __init__(self, read: Callable[[], tuple[str, str]]) -> None:
        self._read, self._lock = read, threading.Lock()
        self._last: Snapshot | None = None
        self._due = 0.0

    def snapshot(self) -> Snapshot:
        """Return the page as it is now, or was a moment ago."""
        with self._lock:
            began = time.monotonic()
            if self._last is None or began >= self._due:
                state, sections = self._read()
                cost = (time.monotonic() - began) / COST if self._last is not None else 0.0  # the first one imports
                self._last = Snapshot(state, sections, hashlib.sha256(sections.encode()).hexdigest()[:16])
                self._due = began + max(INTERVAL, cost)
            return self._last


@final
class RunReader:
    """Reads a run: its state each time, everything else only where a file has changed."""

    def __init__(self, folder: Path, reference: Reference) -> None:
        self._folder, self._reference = folder, reference
        self._stamp: object = None
        self._sections = ""

    def __call__(self) -> tuple[str, str]:
        """Return state and sections; of a run that cannot be read, why."""
        try:
            state = read_state(self._folder)
            words = pages.state_words(state, time.time())
            files = [_stamp(self._folder / name) for name in (CONFIG, METRICS, EVALUATIONS, FINDINGS)]
            stamp = (state.doing, *files)
            if stamp != self._stamp:
                run = read_run(self._folder)
                usual, recipe = self._reference(run)
                self._sections = "".join(pages.sections_of(run, usual, recipe))
                self._stamp = stamp
        except UserError as error:
            return f"cannot be read: {error}", self._sections
        except OSError as error:
            return f"cannot be read: {error.strerror}", self._sections
        return words, self._sections


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@final
class Feeds:
    """The feeds of a folder: of the list, and of each run below it."""

    def __init__(self, root: Path, reference: Reference = no_reference) -> None:
        self.root = root
        self.list = Feed(self._read_list)
        self._reference = reference
        self._runs: OrderedDict[str, Feed] = OrderedDict()
        self._lock = threading.Lock()

    def _read_list(self) -> tuple[str, str]:
        states = read_states(self.root)
        return pages.count_words(states), pages.runs_section(states, self.root, time.time())

    def title(self, name: str) -> str:
        """Return the title of the page of a run."""
        return printable(name or self.root.resolve().name)

    def run(self, name: str) -> Feed | None:
        """Return the feed of the run with this name below the folder; None if there is no such run."""
        folder = find_run(self.root, name)
        if folder is None:
            return None
        with self._lock:
            feed = self._runs.pop(name, None) or Feed(RunReader(folder, self._reference))
            self._runs[name] = feed
            while len(self._runs) > KEPT:
                self._runs.popitem(last=False)
            return feed


def find_run(root: Path, name: str) -> Path | None:
    """Return the folder of a run by its path below a folder, whose parts are real folders: no links, no `..`."""
    folder = root
    try:
        for part in name.split("/") if name else ():
            folder = folder / part
            if part in ("", ".", "..") or "\\" in part or not is_folder(folder):
                return None
        return folder if is_regular(folder / CONFIG) else None
    except (OSError, ValueError):  # a name that is too long, or none
        return None
