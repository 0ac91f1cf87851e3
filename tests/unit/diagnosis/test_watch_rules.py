"""Each rule of the watcher on numbers that make it hold, and on those of a healthy run."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from maxent.diagnosis.watch import RULES, Readings, Rule
from maxent.findings import Finding, by_level, listed, plural, summary

RULE: dict[str, Rule] = {rule.name: rule for rule in RULES}


def of(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


HEALTHY = Readings(
    entropy=of(-1.1, -0.9), target=of(-1.0, -1.0), alpha=of(0.2, 0.1), slope=of(1e-5, -1e-4), reward=of(16.0, 16.0),
    q=of(-80.0, -70.0), ceiling=of(800.0, 800.0), score=of(-160.0, -200.0), first=of(-1100.0, -1300.0),
    noise=of(200.0, 300.0), saturated=of(0.1, 0.4), dead=of(0.3, 0.2),
)  # fmt: skip
"""A run on Pendulum after some thousand steps."""


def changed(**values: float) -> Readings:
    """Return healthy readings in which member 1 has other values."""
    arrays: dict[str, Any] = {name: of(getattr(HEALTHY, name)[0], value) for name, value in values.items()}
    return replace(HEALTHY, **arrays)


AILING = {
    "alpha-runs-away": changed(alpha=600.0, slope=1e-4, entropy=-1.2),  # 30 · 16 = 480
    "alpha-stuck": changed(entropy=0.5, slope=0.0),
    "entropy-low": changed(entropy=-1.6),
    "entropy-high": changed(entropy=-0.4),
    "actions-saturated": changed(saturated=0.96),
    "q-too-high": changed(q=801.0),
    "dead-units": changed(dead=0.95),
    "no-learning": changed(score=-1300.0),
    "members-disagree": changed(score=-1000.0),  # gains of 1,040 and 200 over the mean of −1,200
}


def test_every_rule_is_here() -> None:
    assert set(AILING) == set(RULE)


@pytest.mark.parametrize("name", RULE)
def test_a_rule_holds_for_the_member_that_ails(name: str) -> None:
    assert RULE[name].holds(AILING[name]).tolist() == [False, True]


@pytest.mark.parametrize("name", RULE)
def test_a_rule_is_silent_on_healthy_numbers(name: str) -> None:
    assert not RULE[name].holds(HEALTHY).any()


@pytest.mark.parametrize("name", RULE)
def test_a_rule_is_silent_on_numbers_that_a_run_lacks(name: str) -> None:
    unknown = {field: of(np.nan, np.nan) for field in vars(HEALTHY)}
    assert not RULE[name].holds(Readings(**unknown)).any()


@pytest.mark.parametrize("name", RULE)
def test_a_finding_names_the_member_and_has_all_parts(name: str) -> None:
    found = RULE[name].finding(AILING[name], np.array([False, True]))
    assert found.rule == name
    assert "of member 1" in found.measured
    assert all(found.to_plain().values())
    assert "\n" not in found.sentence()


def test_a_single_member_needs_no_number() -> None:
    alone = {field: getattr(AILING["q-too-high"], field)[1:] for field in vars(HEALTHY)}
    found = RULE["q-too-high"].finding(Readings(**alone), np.array([True]))
    assert found.measured == "mean Q 801, explained by rewards and entropy so far: 800 at most"
    assert not RULE["members-disagree"].holds(Readings(**alone)).any()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("alpha-runs-away", {"alpha": 600.0, "slope": 1e-4, "entropy": -0.9}),  # α will fall again
        ("alpha-runs-away", {"alpha": 600.0, "slope": -1e-4, "entropy": -1.2}),
        ("alpha-runs-away", {"alpha": 400.0, "slope": 1e-4, "entropy": -1.2}),
        ("alpha-stuck", {"entropy": 0.5, "slope": -3e-4}),  # α falls as fast as Adam lets it
        ("entropy-low", {"entropy": -1.4}),
        ("no-learning", {"score": -1100.0}),  # two thirds of a standard deviation above the first episodes
        ("members-disagree", {"score": -900.0}),  # a gain of 300, more than a quarter of 1,040
    ],
)
def test_a_rule_is_silent_next_to_its_threshold(name: str, values: dict[str, float]) -> None:
    assert not RULE[name].holds(changed(**values)).any()


def test_members_may_differ_as_long_as_none_has_clearly_learned() -> None:
    """The best gain, 650 over the mean −1,200, is below three standard deviations of 250."""
    assert not RULE["members-disagree"].holds(replace(HEALTHY, score=of(-550.0, -1200.0))).any()


def finding(level: Any) -> Finding:
    return Finding("rule", level, "what", "measured", "why", "change")


def test_findings_are_sorted_and_counted() -> None:
    found = by_level([finding("note"), None, finding("fault"), finding("warning"), finding("fault")])
    assert [one.level for one in found] == ["fault", "fault", "warning", "note"]
    assert summary(found) == "2 faults, 1 warning, 1 note"
    assert summary([]) == "no faults, no warnings, no notes"


def test_findings_as_text() -> None:
    long = replace(finding("fault"), why="word " * 40)
    lines = long.lines()
    assert lines[:2] == ["FAULT rule: what", "  measured  measured"]
    assert max(map(len, lines)) <= 110
    assert lines[3].startswith(" " * 12 + "word")
    assert long.sentence() == "fault, rule: what (measured); change"


def test_numbers_in_words() -> None:
    assert (plural(1, "step"), plural(2_000, "step")) == ("1 step", "2,000 steps")
    assert listed(range(3)) == "0, 1, 2"
    assert listed(range(9)) == "0, 1, 2, 3, 4, 5 and 3 more"
