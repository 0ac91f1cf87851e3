"""The HTML document around the sections of a page: style, script and a policy that forbids every request."""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib import resources

from maxent.errors import printable
from maxent.view.colours import DARK, LIGHT, Theme


def document(
    title: str, sections: Sequence[str], *, subtitle: str = "", footer: str = "", requests: str = "", code: str = ""
) -> str:
    """Return a page of these sections, given as HTML; title, subtitle and footer are plain text.

    The page may make no request, not even to its own origin. `requests` lifts that for a live page: a source of the
    Content-Security-Policy such as 'self', for the connections that it may open; `code` follows the script.
    """
    title, subtitle, footer = (escape(printable(text)) for text in (title, subtitle, footer))
    code = script() + code
    policy = content_policy(code, requests)
    below = f"<footer><p>{footer}</p></footer>" if footer else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{style()}</style></head>\n'
        f'<body><header><h1>{title}</h1><p class="sub">{subtitle}</p>'
        '<button type="button" id="theme" hidden>Light or dark</button></header>\n'
        f"<main>{''.join(sections)}</main>{below}\n<script>{code}</script></body></html>\n"
    )


def content_policy(code: str, requests: str = "") -> str:
    """Return the Content-Security-Policy of a page with this script alone."""
    allowed = f" connect-src {requests};" if requests else ""
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {_hash(code)}; img-src data:; media-src data:;"
        f"{allowed} base-uri 'none'; form-action 'none'"
    )


def script() -> str:
    """Return the script of a page: uPlot with its licence, and what draws the figures."""
    licence = _asset("uPlot.LICENSE").strip()
    return f"/*! uPlot\n{licence}\n*/\n{_asset('uPlot.iife.min.js').strip()}\n{_asset('page.js')}"


def style() -> str:
    """Return the style of a page: the colours of both themes, uPlot's rules and our own."""
    light, dark = _variables(LIGHT), _variables(DARK)
    return (
        f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"@media screen{{:root[data-theme=light]{{color-scheme:light;{light}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}}}"
        f"{_series()}{_asset('uPlot.min.css')}{_asset('page.css')}"
    )


def _variables(theme: Theme) -> str:
    names = ("background", "surface", "ink", "muted", "rule", "fault", "warning")
    fixed = "".join(f"--{name}:{getattr(theme, name)};" for name in names)
    series = "".join(f"--series-{number}:{colour};" for number, colour in enumerate(theme.series))
    return f"{fixed}{series}--series-training:{theme.training};"


def _series() -> str:
    """Return the rules that colour lines, bands and dots by their class."""
    names = [*map(str, range(len(LIGHT.series))), "training"]
    return "".join(
        f".line.series-{name}{{stroke:var(--series-{name})}}.band.series-{name}{{fill:var(--series-{name})}}"
        for name in names
    )


def _hash(code: str) -> str:
    """Return the source of a Content-Security-Policy that allows this script alone."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


@lru_cache
def _asset(name: str) -> str:
    return resources.files("maxent.page").joinpath("assets", name).read_text("utf-8")
