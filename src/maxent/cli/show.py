"""`maxent list` and `maxent tabular`."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from maxent.cli.parsing import RUNS, find_modules_here, parse
from maxent.errors import UserError


@dataclass(frozen=True)
class ListCommand:
    """Show what there is."""

    what: Positional[Literal["algos", "envs", "recipes", "runs"]]
    """Algorithms, registered environments, recipes, or the runs below a folder."""
    folder: Positional[Path | None] = None
    """The folder of runs, or one run; by default runs/."""
    algo: str | None = None
    """An algorithm of your own (module:Class) to list with the others: its module is imported."""


def show(words: list[str]) -> int:
    """List algorithms, environments, recipes or runs."""
    chosen = parse("list", ListCommand, words)
    if chosen.folder is not None and chosen.what != "runs":
        raise UserError(f"list {chosen.what}: expected no folder, got {chosen.folder}; `maxent list runs` takes one.")
    if chosen.folder is not None and not chosen.folder.is_dir():
        raise UserError(f"{chosen.folder} is no folder: name the one that holds your runs.")
    if chosen.what == "algos":
        from maxent.algorithms import find, known

        if chosen.algo is not None:
            find_modules_here(chosen.algo)
            find(chosen.algo, import_module=True)
        for algorithm in known().values():
            print(f"{algorithm.identifier():<13} {' and '.join(algorithm.actions):<24} {algorithm.summary}")
    elif chosen.what == "envs":
        from maxent.envs.making import known_ids

        for family, ids in known_ids().items():
            print(f"{family}:\n  " + "\n  ".join(ids))
    elif chosen.what == "recipes":
        from maxent.recipes import all_recipes

        for recipe in all_recipes():
            print(f"{recipe.env:<34} {recipe.algo:<13} {recipe.steps:>10,} steps")
            print(textwrap.fill(recipe.source, 96, initial_indent="    ", subsequent_indent="    "))
    else:
        from maxent.cli.runs import list_runs

        list_runs(RUNS if chosen.folder is None else chosen.folder)
    return 0


@dataclass(frozen=True)
class TabularCommand:
    """Print a worked example with exact values."""

    what: Positional[Literal["graph", "spider"]]
    """graph: dynamic programming, Monte Carlo and TD(0) compared; spider: planning compared with one-step lookahead."""
    out: Path | None = None
    """Folder for a figure; none is drawn by default."""


def tabular(words: list[str]) -> int:
    """Print a worked example, and save its figure if a folder is given."""
    from maxent.tabular.examples import graph, graph_figure, spider, spider_figure

    chosen = parse("tabular", TabularCommand, words)
    report, draw = {
        "graph": (graph.report, graph_figure.draw_graph),
        "spider": (spider.report, spider_figure.draw_spider),
    }[chosen.what]
    print(report())
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        picture = chosen.out / f"{chosen.what}.png"
        draw(picture)
        print(f"Picture: {picture}")
    return 0
