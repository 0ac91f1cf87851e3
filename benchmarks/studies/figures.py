"""The figures and tables of the studies, from their CSV files."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jobs import RESULTS, ROOT, Result, results_of
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from plans import ALGORITHMS, SOLVED

from maxent.statistics import mean_interval, share_interval

PICTURES = ROOT / "docs" / "studies"
PAGE = ROOT / "docs" / "studies.md"
INK, GREY = "#222222", "#6b6b6b"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's colours, which colour-blind people can tell apart."""
MARKERS = "osD^vPX"


def draw(study: str) -> None:
    """Draw the figure of a study and write its table into the page, if there are measurements."""
    if (RESULTS / f"{study}.csv").exists():
        figure, table = DRAWERS[study](results_of(study))
        PICTURES.mkdir(parents=True, exist_ok=True)
        FigureCanvasAgg(figure).print_figure(PICTURES / f"{study}.png", dpi=160)
        insert(study, table)


def insert(study: str, table: str) -> None:
    """Write a table between its marks in the page."""
    text = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {study}: begin -->\n", f"<!-- {study}: end -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}{table}{end}{after}", encoding="utf-8")


def short(env: str) -> str:
    """Return an environment's name without its namespace."""
    return env.rpartition("/")[2]


def last(results: Iterable[Result]) -> list[Result]:
    """Return the last evaluation of each member of each run."""
    newest: dict[tuple[str, str, int, str], Result] = {}
    for one in results:
        newest[one.group, one.env, one.seed, str(one.settings)] = one
    return list(newest.values())


def sensitivity(results: Sequence[Result]) -> tuple[Figure, str]:
    """Draw the share of random settings with which an algorithm solves each task."""
    ends = balanced(last(results))
    figure, panels = panels_of([*map(short, SOLVED), "all three"], height=3.0)
    lines = ["| algorithm | " + " | ".join(map(short, SOLVED)) + " | all three | settings |", "|---|" + "---|" * 5]
    groups = [group for group in ALGORITHMS if any(one.group == group for one in ends)]
    for place, group in enumerate(groups):
        cells = []
        for panel, envs in zip(panels, [*([env] for env in SOLVED), list(SOLVED)], strict=True):
            own = [one for one in ends if one.group == group and one.env in envs]
            if not own:
                cells.append("–")
                continue
            solved = np.mean([one.value >= SOLVED[one.env] for one in own])  # NaN, a diverged run, is not
            settings = len({one.seed // 10 for one in own})
            low_high = share_interval(float(solved), settings)
            low, high = float(low_high.low), float(low_high.high)
            panel.plot([low, high], [place, place], color=COLOURS[0], lw=2.5, alpha=0.45, solid_capstyle="butt")
            panel.plot([solved], [place], "o", color=COLOURS[0], markersize=6)
            cells.append(f"{solved:.0%} ({low:.0%} to {high:.0%})")
        count = len({one.seed // 10 for one in ends if one.group == group})
        lines.append(f"| {group} | " + " | ".join(cells) + f" | {count} |")
    for panel in panels:
        panel.set_xlim(-0.03, 1.03)
        panel.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        panel.set_ylim(len(groups) - 0.5, -0.5)
        panel.set_yticks(range(len(groups)), groups if panel is panels[0] else [])
    return figure, "\n".join(lines) + "\n"


def balanced(ends: Sequence[Result]) -> list[Result]:
    """Leave out a setting whose runs are not all there, in a study that was cut short."""
    pairs = {(one.group, one.env) for one in ends if one.group != "soft-q"}
    made: dict[int, set[tuple[str, str]]] = {}
    for one in ends:
        made.setdefault(one.seed // 10, set()).add((one.group, one.env))
    return [one for one in ends if made[one.seed // 10] >= pairs]


def curves(results: Sequence[Result]) -> tuple[Figure, str]:
    """Draw the mean return over the steps of each group, with its interval over seeds."""
    envs = list(dict.fromkeys(one.env for one in results))
    groups = list(dict.fromkeys(one.group for one in results))
    figure, panels = panels_of(list(map(short, envs)), height=3.4)
    for panel, env in zip(panels, envs, strict=True):
        for place, group in enumerate(groups):
            own = [one for one in results if one.env == env and one.group == group]
            if not own or any(np.isnan(one.value) for one in own):
                continue
            steps = sorted({one.step for one in own})
            values = [[one.value for one in own if one.step == step] for step in steps]
            means, band = np.mean(values, 1), mean_interval(np.transpose(values))
            panel.fill_between(steps, band.low, band.high, color=COLOURS[place], alpha=0.18, lw=0)
            style = {"marker": MARKERS[place], "markersize": 4, "lw": 1.8, "color": COLOURS[place]}
            panel.plot(steps, means, label=group, **style)
        panel.set_xlabel("environment steps", color=GREY)
    panels[0].set_ylabel("evaluation return", color=GREY)
    panels[0].legend(frameon=False, fontsize=9)
    return figure, table_of(last(results))


def endings(results: Sequence[Result]) -> tuple[Figure, str]:
    """Draw the last evaluations of each group: every seed, and the mean with its interval."""
    ends = last(results)
    envs = list(dict.fromkeys(one.env for one in ends))
    groups = list(dict.fromkeys(one.group for one in ends))
    figure, panels = panels_of(list(map(short, envs)), height=3.2)
    for panel, env in zip(panels, envs, strict=True):
        for place, group in enumerate(groups):
            values = [value for value in values_of(ends, group, env) if np.isfinite(value)]
            if not values:
                continue
            band = mean_interval(values)
            ends_of_band = [float(band.low), float(band.high)]
            panel.plot(ends_of_band, [place, place], color=COLOURS[0], lw=2.5, alpha=0.45, solid_capstyle="butt")
            panel.plot(values, [place] * len(values), "|", color=GREY, markersize=9)
            panel.plot([np.mean(values)], [place], "o", color=COLOURS[0], markersize=6)
        panel.set_ylim(len(groups) - 0.5, -0.5)
        panel.set_yticks(range(len(groups)), groups if panel is panels[0] else [])
        panel.set_xlabel("evaluation return", color=GREY)
    return figure, table_of(ends)


def table_of(ends: Sequence[Result]) -> str:
    """Return the mean of the last evaluations with its interval, for each group and task."""
    envs = list(dict.fromkeys(one.env for one in ends))
    lines = ["| | " + " | ".join(map(short, envs)) + " | seeds |", "|---|" + "---|" * (len(envs) + 1)]
    for group in dict.fromkeys(one.group for one in ends):
        of_group = [values_of(ends, group, env) for env in envs]
        lines.append(f"| {group} | " + " | ".join(map(mean_of, of_group)) + f" | {max(map(len, of_group))} |")
    return "\n".join(lines) + "\n"


def values_of(ends: Sequence[Result], group: str, env: str) -> list[float]:
    """Return the last evaluations of a group on a task, NaN for those that diverged."""
    return [one.value for one in ends if one.env == env and one.group == group]


def mean_of(values: Sequence[float]) -> str:
    """Return the mean with its interval, and how many runs diverged, which are not part of the mean."""
    finite = [value for value in values if np.isfinite(value)]
    parts = []
    if finite:
        band = mean_interval(finite)
        interval = f" ({float(band.low):.0f} to {float(band.high):.0f})" if len(finite) > 1 else ""
        parts.append(f"{np.mean(finite):.0f}{interval}")
    if len(finite) < len(values):
        parts.append(f"{len(values) - len(finite)} of {len(values)} diverged")
    return ", ".join(parts) if parts else "–"


def panels_of(titles: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel for each title."""
    figure = Figure(figsize=(3.0 * len(titles) + 1.2, height), facecolor="white", layout="constrained")
    panels = [figure.add_subplot(1, len(titles), place + 1) for place in range(len(titles))]
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, fontsize=11, color=INK, loc="left")
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="x", color="#e6e6e6", lw=0.8)
        panel.set_axisbelow(True)
        panel.tick_params(colors=GREY, labelsize=9)
    return figure, panels


DRAWERS: dict[str, Callable[[Sequence[Result]], tuple[Figure, str]]] = {
    "sensitivity": sensitivity, "efficiency": curves, "temperature": endings, "delays": endings,
    "soft-q": endings, "soft-returns": endings,
}  # fmt: skip
