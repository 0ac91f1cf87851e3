"""The watcher says nothing about healthy runs: recipes on environments that are quick, for some thousand steps."""

import pytest

import maxent
from maxent.findings import Finding
from maxent.recipes import Recipe, all_recipes
from maxent.runs.observer import Observer, Record

ENVS = ("Pendulum-v1", "CartPole-v1", "Acrobot-v1", "maxent/MultiGoal-v0")
LONG = ("reinforce", "actor-critic")  # a minute is enough for the rules with a patience of 50,000 steps


class Heard(Observer):
    """Keeps findings, and the highest of the watcher's counts."""

    def __init__(self) -> None:
        self.findings: list[tuple[int, Finding]] = []
        self.highest = 0.0

    def on_finding(self, finding: Finding, step: int) -> None:
        self.findings.append((step, finding))

    def on_record(self, record: Record) -> None:
        self.highest = max(self.highest, record.mean("watch/findings"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", [recipe for recipe in all_recipes() if recipe.env in ENVS], ids=lambda recipe: recipe.path
)
def test_a_recipe_has_no_findings(recipe: Recipe) -> None:
    heard = Heard()
    settings = recipe.settings | {"eval_every": 0, "verbose": False}
    agent = maxent.Agent(recipe.env, algorithm=recipe.algo, **settings)
    agent.learn(60_000 if recipe.algo in LONG else min(recipe.steps, 12_000), observers=heard)
    agent.close()
    assert heard.findings == []
    assert heard.highest == 0.0
