"""The HTML of live pages, from the sections that reports have."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from maxent.errors import printable
from maxent.page import parts
from maxent.page.document import content_policy, document, script
from maxent.page.run_page import run_sections
from maxent.page.verdict import signed
from maxent.results.run import RunResults
from maxent.results.state import RunState, Unreadable
from maxent.view.readings import age, clock, duration, number, short_count

HEAD = ("run", "state", "time", "steps", "return", "steps/s", "algorithm", "environment")


def run_url(folder: Path, root: Path) -> str:
    """Return the address of the page of a run."""
    return f"/run/{name_of(folder, root)}"


def name_of(folder: Path, root: Path) -> str:
    """Return the path of a run below the folder, quoted for an address; empty for the folder itself."""
    inside = folder.relative_to(root).as_posix()
    return "" if inside == "." else quote(inside, errors="surrogateescape")


def live_page(title: str, stream: str, *, state: str, sections: str, digest: str, back: bool) -> str:
    """Return a page whose sections follow a stream of the server."""
    link = '<a href="/">All runs</a> · ' if back else ""
    status = (
        f'<p class="status">{link}<span id="state">{escape(state)}</span> · '
        '<span id="connection" role="status">connecting</span></p>'
    )
    place = f'<div id="live" data-stream="{escape(stream)}" data-last="{digest}">{sections}</div>'
    return document(title, [status, place], requests="'self'", code=live_script())


@lru_cache
def policy() -> str:
    """Return the Content-Security-Policy of live pages, with what only a header may say."""
    return content_policy(script() + live_script(), "'self'") + "; frame-ancestors 'none'"


@lru_cache
def live_script() -> str:
    """Return the script that follows the stream."""
    return resources.files("maxent.server").joinpath("live.js").read_text("utf-8")


def sections_of(run: RunResults, usual: Mapping[str, Any] | None, recipe: Mapping[str, Any]) -> list[str]:
    """Return the sections of the page of a run, with the defaults of its algorithm and the settings of its recipe."""
    return [section for section in run_sections(run, usual=usual, recipe=recipe) if section]


def as_json(text: str) -> str:
    """Return a text as one line of JSON, for the data of an event."""
    return json.dumps(text)


def state_words(state: RunState, now: float) -> str:
    """Return what a run is and does in words."""
    what = printable(f"{state.algorithm} on {state.env}: {state.doing}, step {state.step:,} of {state.steps:,}")
    silent, left = state.silent(now), state.left(now)
    if state.doing != "training":
        return f"{what}, last written {age(silent, now)}"
    if state.stalled(now):
        return f"{what}, nothing written for {duration(silent)}"
    speed = "" if state.speed is None else f", {number(state.speed, 0)} steps/s"
    return what + speed + ("" if left is None else f", {clock(left)} left")


def count_words(states: Sequence[RunState | Unreadable]) -> str:
    """Return how many runs there are in each state."""
    counts = Counter(state.doing if isinstance(state, RunState) else "unreadable" for state in states)
    kinds = ("training", "finished", "interrupted", "failed", "unreadable")
    found = ", ".join(f"{counts[kind]} {kind}" for kind in kinds if counts[kind])
    return f"{len(states):,} runs: {found}" if len(states) != 1 else f"1 run: {found}"


def runs_section(states: Sequence[RunState | Unreadable], root: Path, now: float) -> str:
    """Return the list of runs: those that train first, then the latest."""
    readable = [state for state in states if isinstance(state, RunState)]
    readable.sort(key=lambda state: (state.doing != "training", -state.wrote, str(state.folder)))
    head = "".join(f"<th scope=col>{name}</th>" for name in HEAD)
    rows = "".join(_row(state, root, now) for state in readable)
    broken = "".join(f"<li>{parts.text(one.problem)}</li>" for one in states if isinstance(one, Unreadable))
    body = (
        parts.table(head, rows, "Runs")
        if readable
        else "<p>No runs yet: this page shows them as soon as one starts.</p>"
    )
    if broken:
        body += f"<h3>Folders that cannot be read</h3><ul>{broken}</ul>"
    return parts.section("Runs", body, key="runs")


def _row(state: RunState, root: Path, now: float) -> str:
    inside = state.folder.relative_to(root).as_posix()
    name = state.folder.resolve().name if inside == "." else inside
    link = f'<a href="{escape(run_url(state.folder, root))}">{parts.text(name)}</a>'
    score = "" if state.score is None else f"{signed(state.score.value)} {state.score.of}"
    cells = (
        f'<span class="state {state.doing}">{state.doing}</span>',
        _time(state, now),
        f"{state.members} × {_steps(state)}",
        score,
        "" if state.speed is None else number(state.speed, 0),
        parts.text(state.algorithm),
        parts.text(state.env),
    )
    labelled = zip(HEAD[1:], cells, strict=True)  # narrow pages show rows as cards, with these labels
    row = "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in labelled)
    return f"<tr><th scope=row>{link}</th>{row}</tr>"


def _steps(state: RunState) -> str:
    """Return the steps of a run, with a bar while it trains."""
    planned = short_count(state.steps)
    if state.step >= state.steps:
        return planned
    text = f"{short_count(state.step)} of {planned}"
    if state.doing != "training":
        return text
    return f'{text} <progress max="{state.steps}" value="{state.step}" aria-label="Progress">{text}</progress>'


def _time(state: RunState, now: float) -> str:
    """Return the time left of a run that trains, or else how long ago it wrote last."""
    if state.stalled(now):
        return f"{duration(state.silent(now))} silent"
    if state.doing == "training":
        left = state.left(now)
        return "starting" if left is None else f"{duration(left)} left"
    return age(state.silent(now), now)
