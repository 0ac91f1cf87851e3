"""`maxent report`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from maxent.cli.parsing import Modules, find_modules_here, parse
from maxent.errors import UserError, printable


@dataclass(frozen=True)
class ReportCommand:
    """Write a page about a run, a comparison of several, or an index of a folder: one HTML file that needs no other."""

    runs: Annotated[tuple[Path, ...], Positional, tyro.conf.arg(metavar="RUN…")]
    """Run folders, or a folder of them."""
    out: Path = Path("report.html")
    """The file to write; an earlier one is replaced."""
    by: str | None = None
    """What is compared of several runs: run (the default), algo, env, or settings such as learning_rate, separated by
    commas."""
    video: bool = False
    """Put a video of the best policy into the page of a run, instead of a filmstrip; the file may be above 1 MB."""
    pictures: bool = True
    """Put a filmstrip of the best policy into the page of a run, where the environment renders."""
    modules: Modules = ()
    """Modules to import first, such as those of your own algorithm, layers or environment."""


def report(words: list[str]) -> int:
    """Write a page."""
    chosen = parse("report", ReportCommand, words)
    if not chosen.runs:
        raise UserError("report: expected at least one run folder, or a folder of runs, got none.")
    if chosen.out.suffix not in (".html", ".htm"):
        raise UserError(f"--out: expected a name that ends in .html, got {chosen.out}.")
    if not chosen.out.absolute().parent.is_dir():
        raise UserError(f"--out: the folder {chosen.out.absolute().parent} does not exist; create it first.")
    from maxent.modules import import_modules
    from maxent.report.run_report import Pictures, write_report

    find_modules_here(modules=chosen.modules)
    import_modules(chosen.modules)
    pictures: Pictures = "video" if chosen.video else "filmstrip" if chosen.pictures else "none"
    by = None if chosen.by is None else tuple(name.strip() for name in chosen.by.split(",") if name.strip())
    for note in write_report(chosen.runs, chosen.out, pictures=pictures, by=by):
        print(printable(note))
    print(f"Report: {printable(str(chosen.out))} ({chosen.out.stat().st_size / 1e3:,.0f} kB)")
    return 0
