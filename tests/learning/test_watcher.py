"""The watcher has no finding about healthy runs of recipes, with patience in proportion to the length of these runs."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import maxent
from maxent.diagnosis.watch import RULES, Flags, Readings, Rule
from maxent.findings import Finding
from maxent.recipes import Recipe, all_recipes
from maxent.runs.observer import Observer
from maxent.training import watcher

STEPS = {
    "actor-critic/CartPole-v1": 60_000,
    "ddpg/Pendulum-v1": 12_000,
    "dqn/Acrobot-v1": 40_000,
    "dqn/CartPole-v1": 20_000,
    "reinforce/CartPole-v1": 60_000,
    "sac-discrete/Acrobot-v1": 40_000,
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
"""Lengths of the runs: in half of that, each of these recipes improves on its first 20 episodes."""
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
    """Keeps findings."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def on_finding(self, finding: Finding, step: int) -> None:
        self.findings.append(finding)


def run(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], list[Finding]]:
    """Train two seeds of a recipe; return the rules that could have fired, and the findings."""
    steps = STEPS[recipe.path.removesuffix(".toml")]
    settings = recipe.settings | {"eval_every": 0, "verbose": False, "seeds": 2}
    plan = maxent.Agent(recipe.env, algorithm=recipe.algo, **settings)
    updates = plan._require_trainer().schedule.updates_at(steps)
    plan.close()
    monkeypatch.setattr(watcher, "RULES", tuple(scaled(steps, updates)))
    heard, agent = Heard(), maxent.Agent(recipe.env, algorithm=recipe.algo, **settings)
    agent.learn(steps, observers=heard)
    agent.close()
    could = {finding.rule.removesuffix(" could fire") for finding in heard.findings if finding.level == "note"}
    return could, [finding for finding in heard.findings if finding.level != "note"]


def test_every_rule_is_here() -> None:
    assert list(READS) == [rule.name for rule in RULES]
    assert set(STEPS) <= {recipe.path.removesuffix(".toml") for recipe in all_recipes()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [recipe for recipe in all_recipes() if recipe.path.removesuffix(".toml") in STEPS],
    ids=lambda recipe: recipe.path,
)
def test_a_recipe_has_no_findings(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule has time to fire whose readings the algorithm has: those of α and entropy need both."""
    could, findings = run(recipe, monkeypatch)
    print(recipe.path, sorted(could))
    assert findings == []
    expected = {"dead-units", "no-learning", "members-disagree"}
    metrics = maxent.algorithms.find(recipe.algo).metrics
    expected |= {"q-too-high"} if "train/q_mean" in metrics else set()
    expected |= {"alpha-stuck"} if "train/target_entropy" in metrics else set()
    assert could >= expected
