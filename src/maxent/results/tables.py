"""A comparison as lines of text, and as a CSV file that holds every number of its figure."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from maxent.results.comparison import Comparison
from maxent.results.places import amount
from maxent.results.series import Band, band, common_thresholds, profiles
from maxent.runs.files import write_text
from maxent.statistics import Estimate

HEADER = ("what", "env", "setting", "other", "step", "minutes", "threshold", "seeds", "value", "low", "high")
ALL = "all environments"


def lines(comparison: Comparison) -> list[str]:
    """Return a table: a row for each setting and environment."""
    unit = "steps" if comparison.unit == "steps" else "min"
    score = "return" if comparison.scale is None else "normalised score"
    rows = [["environment", "setting", "seeds", f"IQM of the {score}", "mean", "minutes"]]
    for env, at in comparison.at.items():
        for cell in comparison.cells:
            if cell.env == env:
                seeds = f"{len(cell.scores)}" + (f" ({cell.failed} failed)" if cell.failed else "")
                minutes = "-" if np.isnan(cell.minutes) else number(cell.minutes)
                rows.append(
                    [f"{env} at {amount(at)} {unit}", cell.group, seeds, words(cell.iqm), words(cell.mean), minutes]
                )
    for total in comparison.totals:
        count, title = sum(len(one) for one in total.strata), f"all {len(total.strata)} environments"
        summaries = [words(one, "no interval") for one in (total.iqm, total.mean)]
        rows.append([title, total.group, f"{count}", *summaries, ""])
    if unit == "min" or all(row[-1] in ("-", "") for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for place in range(len(rows) - 1, 1, -1):  # name each environment once
        if rows[place][0] == rows[place - 1][0]:
            table[place] = " " * widths[0] + table[place][widths[0] :]
    return [*table, "In brackets: 95 % intervals, stratified bootstrap over seeds."]


def words(estimate: Estimate, without: str = "one seed") -> str:
    """Return a number with its interval, or with the reason why it has none."""
    if np.isnan(estimate.low):
        return f"{number(float(estimate.value))} ({without})"
    return f"{number(float(estimate.value))} [{number(float(estimate.low))}, {number(float(estimate.high))}]"


def number(value: float) -> str:
    """Return a number with four significant digits."""
    if abs(value) < 1e-9:  # zero but for rounding
        value = 0.0
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-3:
        return f"{value:.3g}"
    digits = 3 if value == 0 else int(np.clip(3 - np.floor(np.log10(abs(value))), 0, 3))
    return f"{value:,.{digits}f}"


def write(comparison: Comparison, path: Path) -> None:
    """Write summaries, pairs, learning curves and profiles into a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(comparison))
    write_text(path, text.getvalue())


def _rows(comparison: Comparison) -> Iterator[dict[str, object]]:
    axis = "minutes" if comparison.unit == "minutes" else "step"
    for cell in comparison.cells:
        common = {"env": cell.env, "setting": cell.group, "seeds": len(cell.scores)}
        timed = {} if np.isnan(cell.minutes) else {"minutes": cell.minutes}
        at = {**timed, axis: comparison.at[cell.env]}
        yield {"what": "iqm", **common, **at, **_ends(cell.iqm)}
        yield {"what": "mean", **common, **at, **_ends(cell.mean)}
        yield {"what": "failed", **common, **at, "value": cell.failed}
        for curve, score in zip(cell.curves, cell.scores, strict=True):
            yield {"what": "score", **common, **at, "other": curve.seed, "value": float(score)}
    for total in comparison.totals:
        common = {"env": ALL, "setting": total.group, "seeds": sum(len(one) for one in total.strata)}
        yield {"what": "iqm", **common, **_ends(total.iqm)}
        yield {"what": "mean", **common, **_ends(total.mean)}
    for pair in comparison.pairs:
        env = pair.envs[0] if len(pair.envs) == 1 else ALL
        common = {"env": env, "setting": pair.better, "other": pair.worse}
        yield {"what": "probability of improvement", **common, **_ends(pair.probability)}
        yield {"what": "p", **common, "value": pair.p}
        yield {"what": "p adjusted", **common, "value": pair.adjusted}
        if pair.difference is not None:
            yield {"what": "difference of iqm", **common, **_ends(pair.difference)}
    for env, own in comparison.curves.items():
        for group, curves in own.items():
            yield from _curve(env, group, "step", band(curves, lowest=comparison.lowest[env]))
            yield from _curve(env, group, "minutes", band(curves, minutes=True, lowest=comparison.lowest[env]))
    for title, groups in profiles(comparison).items():
        thresholds = common_thresholds(groups.values())
        for group, shares in groups.items():
            estimate = shares.at(thresholds)
            for place in range(len(thresholds)):
                row = {"what": "profile", "env": title, "setting": group, "threshold": float(thresholds[place])}
                yield {**row, **_ends(_one(estimate, place))}


def _curve(env: str, group: str, name: str, found: Band | None) -> Iterator[dict[str, object]]:
    if found is None:
        return
    for place in range(len(found.axis)):
        row = {"what": "curve", "env": env, "setting": group, name: float(found.axis[place])}
        yield {**row, **_ends(_one(found.iqm, place))}


def _one(estimate: Estimate, place: int) -> Estimate:
    """Return one entry of an estimate of several."""
    return Estimate(estimate.value[place], estimate.low[place], estimate.high[place])


def _ends(estimate: Estimate) -> dict[str, float]:
    known = {"value": float(estimate.value), "low": float(estimate.low), "high": float(estimate.high)}
    return {name: value for name, value in known.items() if not np.isnan(value)}
