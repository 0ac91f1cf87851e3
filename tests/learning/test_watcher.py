"""The watcher has no finding about healthy runs of recipes, with patience in proportion to the length of these runs."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import maxent
import maxent.algorithms
from maxent.diagnosis.watch import RULES, Flags, Readings, Rule
from maxent.findings import Finding
from maxent.recipes import all_recipes
from maxent.runs.observer import Observer, Record
from maxent.training import watcher
from maxent.training.schedule import Schedule
from maxent.training.settings import Settings

STEPS = {
    "actor-critic/CartPole-v1": 60_000,
    "ddpg/Pendulum-v1": 12_000,
    "dqn/Acrobot-v1": 40_000,
    "dqn/CartPole-v1": 20_000,
    "reinforce/CartPole-v1": 60_000,
    "sac-discrete/CartPole-v1": 20_000,
    "sac-v1/Pendulum-v1": 12_000,
    "sac/MountainCarContinuous-v0": 40_000,
    "sac/MultiGoal-v0": 12_000,
    "sac/Pendulum-v1": 12_000,
    "soft-q/MultiGoal-v0": 12_000,
    "soft-q/Pendulum-v1": 12_000,
    "td3/MultiGoal-v0": 12_000,
    "td3/Pendulum-v1": 12_000,
    "tqc/Pendulum-v1": 12_000,
}
"""Steps by recipe; runs of the other recipes that are long enough to improve are too long for a test."""
READS = {
    "alpha-runs-away": ("slope", "entropy", "target", "alpha", "reward"),
    "alpha-stuck": ("slope", "entropy", "target"),
    "entropy-low": ("entropy", "target"),
    "entropy-high": ("entropy", "target"),
    "actions-saturated": ("saturated",),
    "q-too-high": ("q", "ceiling"),
    "dead-units": ("dead",),
    "no-learning": ("score", "first", "noise"),
    "members-disagree": ("score", "first", "noise"),
}
"""The readings that each rule compares; it cannot hold where one of them is NaN."""
ENTROPY = {"alpha-runs-away", "alpha-stuck", "entropy-low", "entropy-high"}
"""Rules about a learned α."""


def known(rule: Rule, readings: Readings) -> Flags:
    """Return for which members a rule has all its readings."""
    return np.isfinite([getattr(readings, name) for name in READS[rule.name]]).all(0)


def scaled(steps: int, updates: int) -> Iterator[Rule]:
    """Yield the rules with a patience of at most half the run, and for each a twin that holds wherever it is known."""
    longest = max(rule.steps for rule in RULES)
    for rule in RULES:
        patience = {
            "steps": rule.steps * steps // (2 * longest),
            "updates": rule.updates * updates // (2 * longest),
        }
        yield replace(rule, **patience)
        yield replace(
            rule,
            **patience,
            name=f"{rule.name} could fire",
            holds=lambda readings, rule=rule: known(rule, readings),
            finding=lambda _, members, rule=rule: Finding(f"{rule.name} could fire", "note", "", "", "", ""),
        )


class Heard(Observer):
    """Keeps findings, and the tags that had numbers."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.tags: set[str] = set()

    def on_record(self, record: Record) -> None:
        self.tags |= {tag for tag, values in record.values.items() if np.isfinite(values).all()}

    def on_finding(self, finding: Finding, step: int) -> None:
        self.findings.append(finding)


def test_every_rule_and_recipe_is_known() -> None:
    assert list(READS) == [rule.name for rule in RULES]
    assert set(STEPS) <= {recipe.path.removesuffix(".toml") for recipe in all_recipes()}


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_a_recipe_has_no_findings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds. Every rule had time to fire, if the algorithm reports what it reads."""
    (recipe,) = (one for one in all_recipes() if one.path == f"{name}.toml")
    settings = recipe.settings | {"eval_every": 0, "seeds": 2}
    updates = Schedule(Settings.of(maxent.algorithms.find(recipe.algo), settings), settings.get("num_envs", 1))
    monkeypatch.setattr(watcher, "RULES", tuple(scaled(STEPS[name], updates.updates_at(STEPS[name]))))
    heard, agent = Heard(), maxent.Agent(recipe.env, algorithm=recipe.algo, verbose=False, **settings)
    agent.learn(STEPS[name], observers=heard)
    agent.close()
    assert [finding for finding in heard.findings if finding.level != "note"] == []
    expected = {"dead-units", "no-learning", "members-disagree"}
    expected |= {"q-too-high"} if "train/q_mean" in heard.tags else set()
    expected |= {"actions-saturated"} if "watch/saturated" in heard.tags else set()
    expected |= ENTROPY if "train/target_entropy" in heard.tags else set()
    assert {finding.rule.removesuffix(" could fire") for finding in heard.findings} == expected
