"""Reports of runs as HTML files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from maxent.errors import UserError
from maxent.opening import load_policy
from maxent.page.comparison_page import comparison_page
from maxent.page.index_page import index_page
from maxent.page.run_page import run_page
from maxent.report.pictures import filmstrip, video
from maxent.report.reference import defaults_of, recipe_of
from maxent.results.grouping import require_known
from maxent.results.run import RunResults, read_run
from maxent.results.state import find_runs
from maxent.runs.files import is_taken, write_text
from maxent.runs.layout import CONFIG

Pictures = Literal["filmstrip", "video", "none"]

MOST_RUNS = 300
"""Most runs of one page."""


def write_report(
    paths: Sequence[Path], out: Path, *, pictures: Pictures = "filmstrip", by: Sequence[str] | None = None
) -> list[str]:
    """Write the page of one run, the comparison of several, or the index of a folder; return sentences about gaps.

    `by` is what is compared of several runs, by default run.
    """
    if len(paths) == 1 and not is_taken(paths[0] / CONFIG):
        if by is not None and _runs_of(paths[0]):
            raise UserError(f"--by: the index of a folder compares no runs; name them, such as {paths[0]}/*.")
        page, notes = _index(paths[0])
    else:
        folders = [folder for path in paths for folder in _runs_of(path)]
        _require_different(folders)
        runs = [read_run(folder) for folder in folders]
        if by is not None and len(runs) == 1:
            raise UserError(f"--by: expected several runs to compare, got one, {folders[0]}.")
        by = by or ("run",)
        require_known(by, [run.settings for run in runs])
        if len(runs) == 1:
            page, notes = _run(runs[0], pictures)
        else:
            page, notes = comparison_page(runs, by), []
    write_text(out, page)
    return notes


def _runs_of(path: Path) -> list[Path]:
    """Return a run folder, or those below a folder; raise `UserError` if there are none."""
    if is_taken(path / CONFIG):
        return [path]
    if not path.is_dir():
        raise UserError(
            f"{path}: expected a run folder or a folder of runs, got neither; `maxent list runs` shows them."
        )
    found = list(find_runs(path))
    if not found:
        raise UserError(f"{path} holds no run: expected folders with a {CONFIG}; `maxent list runs` shows them.")
    if len(found) > MOST_RUNS:
        raise UserError(
            f"{path}: expected at most {MOST_RUNS} runs for one page, got {len(found):,}; name some of them."
        )
    return found


def _require_different(folders: Sequence[Path]) -> None:
    """Raise `UserError` if two paths are of the same run."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        other = seen.setdefault(folder.resolve(), folder)
        if other is not folder:
            both = f"{folder} twice" if str(other) == str(folder) else f"{other} and {folder}, which are the same"
            raise UserError(f"report: expected different runs, got {both}; name each run once.")


def _index(path: Path) -> tuple[str, list[str]]:
    """Return the index of a folder; a run that cannot be read is named on the page."""
    runs: list[RunResults] = []
    problems: dict[str, str] = {}
    for folder in _runs_of(path):
        try:
            runs.append(read_run(folder))
        except UserError as error:
            problems[str(folder)] = str(error)
        except OSError as error:
            problems[str(folder)] = f"{error.strerror}."
    name = path.name or path.resolve().name
    return index_page(name, runs, problems), [f"{folder}: {problem}" for folder, problem in problems.items()]


def _run(run: RunResults, pictures: Pictures) -> tuple[str, list[str]]:
    """Return the page of one run, and a sentence where it lacks pictures."""
    notes: list[str] = []
    shown = ""
    if pictures != "none":
        try:
            agent = load_policy(run.folder, "best")
            shown = video(agent) if pictures == "video" else filmstrip(agent)
        except UserError as error:
            notes.append(f"No pictures of the policy: {error}")
    return run_page(run, usual=defaults_of(run), recipe=recipe_of(run), pictures=shown), notes
