"""The colours of figures: curves in PNG files, figures for publications and pages share them.

Series keep apart for normal, protanopic, deuteranopic and tritanopic sight, and by their lightness alone in greyscale
prints; each has a contrast of at least 3 to the background, as WCAG 2.2 asks of graphics (success criterion 1.4.11),
and text of at least 4.5. A test computes all of it. Series beyond the colours repeat them with another dash pattern.
"""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Theme:
    """The colours of figures on one background.

    Args:
        background: behind everything.
        surface: behind tables and cards.
        ink: text and titles.
        muted: secondary text, labels of axes.
        rule: grid lines and borders, which carry no information.
        series: lines, in the order in which they are used; the first is that of a single run.
        training: returns of training episodes beside those of evaluations.
        fault: a finding that makes results wrong.
        warning: a finding that may make learning fail.
    """

    background: str
    surface: str
    ink: str
    muted: str
    rule: str
    series: tuple[str, ...]
    training: str
    fault: str
    warning: str


LIGHT = Theme(
    background="#ffffff",
    surface="#f6f7f9",
    ink="#222222",
    muted="#5f6368",
    rule="#e3e5e8",
    series=("#1f5fa8", "#d97b06", "#2d0b45", "#08873f", "#8c1c3c", "#d045e9"),
    training="#b9772f",
    fault="#a3142f",
    warning="#8a5200",
)
DARK = Theme(
    background="#14171c",
    surface="#1d2129",
    ink="#e8eaed",
    muted="#a7adb7",
    rule="#343a45",
    series=("#6fb1f5", "#ffcc47", "#f2e9ff", "#5c9476", "#d8304f", "#df7bb6"),
    training="#c98f52",
    fault="#ff8a9b",
    warning="#f4b75e",
)

DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 3), (9, 3, 2, 3))
"""Dash patterns, in line widths: of the first series of each colour, of the second, and so on."""

BAND = 0.16
"""Opacity of the band of an interval in the colour of its line."""


def series_style(index: int, theme: Theme = LIGHT) -> tuple[str, tuple[int, ...]]:
    """Return the colour and the dash pattern of a series by its place in the order."""
    count = len(theme.series)
    return theme.series[index % count], DASHES[index // count % len(DASHES)]
