"""Sections of a page, each a function from results to HTML. All text of files is escaped."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np

from maxent.errors import printable
from maxent.findings import LEVELS, Finding, summary
from maxent.page.charts import Chart, Entry
from maxent.page.svg import chart_svg
from maxent.page.verdict import Verdict, facts_of, signed
from maxent.results.run import RunResults, watches
from maxent.view.readings import number

TABLE_ROWS = 10
"""Most rows of the table under a figure."""
SHOWN = 400
"""Most characters of one setting."""
COMMAND = 10_000
"""Most characters of a command."""
ENTRIES = 500
"""Most settings, versions or findings of a run; a file of a stranger may hold a million."""


def text(value: object, most: int = SHOWN) -> str:
    """Return a text that is safe in HTML: control characters and marks are escaped, long ones are cut."""
    shown = printable(str(value)[: most + 1])
    return escape(shown if len(shown) <= most else shown[: most - 1] + "…")


def section(title: str, body: str, *, key: str) -> str:
    """Return a section with a heading."""
    return f'<section aria-labelledby="{key}-title" id="{key}"><h2 id="{key}-title">{text(title)}</h2>{body}</section>'


def verdict(run: RunResults, found: Verdict, more: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the first thing on the page of a run: its return, how sure it is, and what it took."""
    low, high = found.interval
    sure = "" if low != low else f'<span class="interval">95 % interval {signed(low)} to {signed(high)}</span>'
    ending = found.ending()
    concerns = f'<p class="ending {found.doing}">{ending}</p>' if ending else ""
    if run.findings:
        counts = summary(finding for _, finding in run.findings)
        concerns += f'<p class="concerns"><a href="#findings">The watcher of the run reports {counts}.</a></p>'
    return (
        '<section class="verdict" aria-label="Verdict">'
        f'<p class="value"><strong>{signed(found.mean)}</strong> {sure}</p>'
        f"<p>{text(found.sentence())}</p>{concerns}{facts({**facts_of(run), **more})}</section>"
    )


def facts(entries: Mapping[str, object]) -> str:
    """Return names and values as a list."""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in entries.items())
    return f'<dl class="facts">{rows}</dl>'


def figures(charts: Sequence[Chart], more: str = "") -> str:
    """Return figures with the controls that the script shows, in the order given; `more` are others, as HTML."""
    several = any(entry.block.seeds for chart in charts for entry in chart.entries)
    axes = "".join(
        f'<label><input type="radio" name="axis" value="{axis}"{" checked" if axis == "steps" else ""}> {axis}</label>'
        for axis in ("steps", "minutes", "updates")
    )
    shown = " checked" if all(chart.seeds for chart in charts) else ""
    seeds = f'<label><input type="checkbox" id="seeds"{shown}> each seed</label>' if several else ""
    if any("low" in entry.block.columns and entry.details for chart in charts for entry in chart.entries):
        drawn = " checked" if all(chart.bands for chart in charts) else ""
        seeds += f'<label><input type="checkbox" id="bands"{drawn}> 95 % intervals</label>'
    return (
        '<form class="controls" id="controls" hidden><fieldset><legend>Horizontal axis</legend>'
        f"{axes}</fieldset>{seeds}"
        '<span class="hint">Drag to zoom, double-click to go back. With the keyboard: arrow keys move the cursor, '
        "+ and − zoom, 0 shows all.</span></form>"
        f'<div class="figures">{"".join(map(figure, charts))}{more}</div>'
    )


def figure(chart: Chart) -> str:
    """Return one figure: heading, what it shows, SVG, legend and a table of its values."""
    spec = escape(json.dumps(chart.to_plain(), separators=(",", ":"), ensure_ascii=True))
    keys = "".join(
        f'<li data-entry="{number}">{_swatch(entry)}{text(entry.label)}</li>'
        for number, entry in enumerate(chart.entries)
    )
    scale = " (logarithmic scale)" if chart.log else ""
    notes = f'<p class="note more">{text(" ".join(_notes(chart)))}</p>'
    return (
        f'<figure id="figure-{chart.key}" data-chart="{spec}"><figcaption><h3>{text(chart.title)}</h3>'
        f'<p>{text(chart.about)}</p></figcaption><p class="note y-label">{text(chart.y_label + scale)}</p>'
        f'<div class="plot">{chart_svg(chart)}</div>'
        f'<ul class="legend">{keys}</ul><p class="reading" aria-live="polite"></p>{notes}{_values(chart)}</figure>'
    )


def _notes(chart: Chart) -> list[str]:
    """Return what a figure leaves out, in a sentence for all its lines."""
    notes = []
    thinned = [entry.block for entry in chart.entries if entry.block.rows > len(entry.block.x["steps"])]
    if thinned:
        kept, rows = max(len(block.x["steps"]) for block in thinned), max(block.rows for block in thinned)
        few, many = ("", "") if len(chart.entries) == 1 else ("at most ", "up to ")
        notes.append(f"Drawn from {few}{kept:,} of {many}{rows:,} rows, with the smallest and the largest mean.")
    if chart.cut:
        notes.append("Where a band leaves the figure, its interval is wider than what is shown.")
    return notes


def _swatch(entry: Entry) -> str:
    """Return the key of a line."""
    dashes = f' stroke-dasharray="{" ".join(map(str, entry.dash))}"' if entry.dash else ""
    return (
        f'<svg class="swatch" width="26" height="10" aria-hidden="true">'
        f'<path class="line mean series-{entry.colour}"{dashes} d="M1,5h24"/></svg>'
    )


def _values(chart: Chart) -> str:
    """Return a table of a few values of each line, for readers who do not see the figure."""
    rows = ""
    for entry in chart.entries:
        block = entry.block
        count = len(block.x["steps"])
        for row in np.unique(np.linspace(0, count - 1, min(count, TABLE_ROWS)).astype(int)):
            cells = [f"{block.x['steps'][row]:,.0f}", number(float(block.columns["mean"][row]))]
            if "low" in block.columns:
                cells.append(" to ".join(number(float(block.columns[end][row])) for end in ("low", "high")))
            else:
                cells.append("")
            rows += (
                f"<tr><th scope=row>{text(entry.label)}</th>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
            )
    head = "".join(f"<th scope=col>{name}</th>" for name in ("line", "step", "value", "95 % interval"))
    return f"<details><summary>Values</summary>{table(head, rows, chart.title)}</details>"


def table(head: str, rows: str, title: str) -> str:
    """Return a table that scrolls by itself where the page is narrow."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(title)}, table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def findings(run: RunResults) -> str:
    """Return the findings of the watcher of a run, or whether there was one."""
    if not watches(run):
        return "<p>No watcher has written findings or metrics: the run was too short, or had none.</p>"
    return (
        "".join(_card(step, one) for step, one in islice(run.findings, ENTRIES))
        or "<p>The watcher of the run found nothing.</p>"
    )


def _card(step: int, one: Finding) -> str:
    kind = one.level if one.level in LEVELS else "note"
    rows = {"step": f"{step:,}", "rule": one.rule, "measured": one.measured, "why": one.why, "change": one.change}
    return f'<article class="finding {kind}"><h3>{kind}: {text(one.what)}</h3>{facts(rows)}</article>'


def settings(chosen: Mapping[str, Any], usual: Mapping[str, Any] | None, recipe: Mapping[str, Any]) -> str:
    """Return the settings that differ from the defaults or the recipe, and all others below.

    `usual` are the defaults, None where they are unknown; `recipe` the tuned settings of the environment.
    """
    defaults = {} if usual is None else usual
    other = {name for name in recipe if name in chosen and not same(chosen[name], recipe[name])}
    unlike = [name for name in chosen if name in defaults and (name in other or not same(chosen[name], defaults[name]))]
    own = [name for name in unlike if name not in recipe or name in other]
    rows = "".join(
        row(name, chosen[name], defaults[name], recipe.get(name, ""), "this run" if name in own else "recipe")
        for name in unlike[:ENTRIES]
    )
    head = "".join(f"<th scope=col>{name}</th>" for name in ("setting", "this run", "default", "recipe", "set by"))
    if usual is None:
        first = "<p>The defaults of this algorithm are unknown here, so all settings are listed.</p>"
    elif unlike:
        first = table(head, rows, "Settings that differ from the defaults or the recipe")
    else:
        first = "<p>All settings are the defaults.</p>"
    every = "".join(row(name, chosen[name]) for name in sorted(chosen)[:ENTRIES])
    head = "<th scope=col>setting</th><th scope=col>value</th>"
    opened = " open" if usual is None else ""
    return f"{first}<details{opened}><summary>All settings</summary>{table(head, every, 'All settings')}</details>"


def same(one: object, other: object) -> bool:
    """Return whether two settings are equal as far as both have them: an older run lacks entries that came later."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def row(name: object, *values: object) -> str:
    """Return a row of a table, headed by its name."""
    cells = "".join(f"<td>{text(_shown(value))}</td>" for value in values)
    return f"<tr><th scope=row>{text(name)}</th>{cells}</tr>"


def _shown(value: object) -> str:
    """Return a setting as text: plain data as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def provenance(run: RunResults) -> str:
    """Return the command, and the versions of everything that the result depends on."""
    recipe = "none" if run.recipe is None else run.recipe
    return (
        '<pre class="scroll" tabindex="0" role="region" aria-label="Command">'
        f"<code>{text(run.command, COMMAND)}</code></pre>"
        + facts({"started": run.created, "recipe": recipe, **dict(islice(run.versions.items(), ENTRIES))})
    )
