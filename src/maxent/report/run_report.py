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
from maxent.results.run import RunResults, read_run
from maxent.results.state import find_runs
from maxent.runs.files import is_taken, write_text
from maxent.runs.layout import CONFIG

Pictures = Literal["filmstrip", "video", "none"]

MOST_RUNS = 300
"""Most runs of one page."""


def write_report(
    paths: Sequence[Path], out: Path, *, pictures: Pictures = "filmstrip", by: Sequence[str] = ("run",)
) -> list[str]:
    """Write the page of one run, the comparison of several, or the index of a folder; return sentences about gaps."""
    if len(paths) == 1 and not is_taken(paths[0] / CONFIG):
        page, notes = _index(paths[0])
    else:
        runs = [read_run(folder) for path in paths for folder in _runs_of(path)]
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
