"""`maxent compare`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from maxent.cli.parsing import parse
from maxent.errors import UserError, printable

SUFFIXES = (".png", ".svg", ".pdf")
Panel = Literal["steps", "minutes", "profile", "intervals", "improvement"]


@dataclass(frozen=True)
class CompareCommand:
    """Compare settings over seeds: table, intervals, figure, and whether a difference is more than noise."""

    runs: Annotated[tuple[str, ...], Positional, tyro.conf.arg(metavar="RUN…")]
    """Run folders, folders of them, evaluations.npz of Stable-Baselines3, TensorBoard event files, or CSV files;
    LABEL=PATH names the algorithm."""
    by: str = "algo"
    """What is compared: algo, env, run, or settings of the runs such as learning_rate, separated by commas."""
    reference: Path | None = None
    """File of curves of others, drawn and compared beside those of the runs on the environments that the runs have."""
    env: str | None = None
    """The environment of files that name none."""
    metric: str | None = None
    """The column or tag of returns, where it has an unusual name."""
    minutes: bool = False
    """Compare after equal minutes instead of equal steps."""
    at: float | None = None
    """Compare at this step, or after these minutes, instead of where the shortest run ends."""
    normalise: str | None = None
    """Scores of 0 for a random policy and 1 for a reference: a CSV file with the columns env, random, reference, or
    "package" for the table of maxent."""
    csv: Path | None = None
    """Write every number of table and figure into a CSV file."""
    figure: Path | None = None
    """Draw a figure for publication: .png, .svg or .pdf."""
    panels: tuple[Panel, ...] = ("steps", "minutes", "profile", "intervals", "improvement")
    """What the figure shows; one alone is as wide as a column of a paper."""


def compare(words: list[str]) -> int:
    """Print the comparison, and write its files."""
    from maxent.results import comparison, tables, verdict
    from maxent.results.readers.sources import Source, read_all
    from maxent.results.references import references_for
    from maxent.results.scores import read_scale

    chosen: CompareCommand = parse("compare", CompareCommand, words)
    if not chosen.runs:
        raise UserError("compare: expected at least one run folder or file of curves, got none.")
    _require_writable(chosen)
    curves, notes = read_all(_source(text, chosen) for text in chosen.runs)
    if chosen.reference is not None:
        others, faults = Source(chosen.reference, metric=chosen.metric).read()
        found, missing = references_for(curves, others, chosen.reference)
        curves, notes = [*curves, *found], [*notes, *faults, *missing]
    scale = None if chosen.normalise is None else read_scale(chosen.normalise)
    by = tuple(name.strip() for name in chosen.by.split(",") if name.strip()) or ("algo",)
    result = comparison.compare(curves, by, minutes=chosen.minutes, at=chosen.at, scale=scale)
    for line in (*tables.lines(result), "", *verdict.sentences(result)):
        print(printable(line))
    for note in (*notes, *result.notes):
        print(printable(f"Note: {note}"))
    if chosen.csv is not None:
        tables.write(result, chosen.csv)
        print(f"Numbers: {printable(str(chosen.csv))}")
    if chosen.figure is not None:
        from maxent.report.comparison import draw_comparison

        draw_comparison(result, chosen.figure, chosen.panels)
        print(f"Figure: {printable(str(chosen.figure))}")
    return 0


def _source(text: str, chosen: CompareCommand) -> Any:
    """Return the source that a word names: PATH, or LABEL=PATH."""
    from maxent.results.readers.sources import Source

    label, separator, path = text.partition("=")
    if separator and label and not Path(text).exists():
        return Source(Path(path), label, chosen.env, chosen.metric)
    return Source(Path(text), None, chosen.env, chosen.metric)


def _require_writable(chosen: CompareCommand) -> None:
    """Raise for names of files that cannot be written, before anything is computed."""
    if chosen.figure is not None and chosen.figure.suffix.lower() not in SUFFIXES:
        raise UserError(f"--figure: expected a name that ends in .png, .svg or .pdf, got {chosen.figure}.")
    if chosen.csv is not None and chosen.csv.suffix.lower() != ".csv":
        raise UserError(f"--csv: expected a name that ends in .csv, got {chosen.csv}.")
    for path in (chosen.figure, chosen.csv):
        if path is not None and not path.absolute().parent.is_dir():
            raise UserError(f"{path}: the folder {path.absolute().parent} does not exist; create it first.")
    if chosen.at is not None and not 0 <= chosen.at < float("inf"):
        raise UserError(f"--at: expected a number of at least 0, got {chosen.at}.")
    if not chosen.panels:
        raise UserError("--panels: expected at least one of steps, minutes, profile, intervals, improvement, got none.")
