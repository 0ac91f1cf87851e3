"""A finding: something that is wrong, or may be, and what to change."""

import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

Level = Literal["fault", "warning", "note"]
WIDTH = 110
"""Most characters of a line of text."""
LEVELS: tuple[Level, ...] = ("fault", "warning", "note")


@final
@dataclass(frozen=True)
class Finding:
    """The result of one rule.

    Args:
        rule: the name of the rule.
        level: a fault makes results wrong or a run impossible, a warning may make learning fail, a note is worth
            knowing.
        what: what was found.
        measured: how, and the numbers.
        why: why it matters to SAC.
        change: what to do.
    """

    rule: str
    level: Level
    what: str
    measured: str
    why: str
    change: str

    def to_plain(self) -> dict[str, str]:
        """Return plain data for a file."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the finding as lines of text."""
        parts = {"measured": self.measured, "why": self.why, "change": self.change}
        wrapped = [
            textwrap.wrap(f"  {name:<9} {text}", WIDTH, subsequent_indent=" " * 12, break_long_words=False)
            for name, text in parts.items()
        ]
        return [f"{self.level.upper()} {self.rule}: {self.what}", *(line for lines in wrapped for line in lines)]

    def sentence(self) -> str:
        """Return the finding in one line, without the reason: for messages while a run goes on."""
        return f"{self.level}, {self.rule}: {self.what} ({self.measured}); {self.change}"


def by_level(findings: Iterable[Finding | None]) -> list[Finding]:
    """Return the findings that there are, faults first."""
    found = [finding for finding in findings if finding is not None]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def summary(findings: Iterable[Finding]) -> str:
    """Return how many findings of each level there are, in words."""
    levels = [finding.level for finding in findings]
    counts = [(level, levels.count(level)) for level in LEVELS]
    return ", ".join(f"{count or 'no'} {level}{'' if count == 1 else 's'}" for level, count in counts)


def plural(count: float, noun: str) -> str:
    """Return a number and its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(indices: Iterable[Any], most: int = 6) -> str:
    """Return the first few of many, separated by commas."""
    shown = [str(one) for one in indices]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most:,} more" if len(shown) > most else "")
