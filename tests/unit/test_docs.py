"""The pages on algorithms and replay against the code: names, defaults, metrics, commands; links of every page."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from maxent.agent import Agent
from maxent.algorithms import built_in
from maxent.cli import main
from maxent.records import kind_of
from maxent.replay import HindsightReplay, PrioritizedReplay
from maxent.spaces import ActionLayout, ObservationLayout
from maxent.training.settings import ReplayConfig, RunConfig

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "algorithms"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ALGORITHMS = built_in()
EVERY = pytest.mark.parametrize("name", ALGORITHMS)
EVERY_DOCUMENT = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))

SECTIONS = ("One update", "Deviations", "Settings", "What the metrics say", "Try it", "Sources")


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return the text below a second-level heading."""
    (body,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return str(body)


def rows(text: str) -> list[list[str]]:
    """Return the cells of the body rows of a table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def settings(table: str) -> dict[str, Any]:
    """Return setting → default of a table whose first two columns these are."""
    found = {}
    for name, default, *_ in rows(table):
        assert name[0] == name[-1] == default[0] == default[-1] == "`"
        found[name[1:-1]] = ast.literal_eval(default[1:-1])
    return found


def plain_defaults(record: Any) -> dict[str, Any]:
    """Return field → default of a record; a default that is a record itself, as its kind."""
    values = {field.name: getattr(record(), field.name) for field in fields(record)}
    return {name: kind_of(type(value)) if is_dataclass(value) else value for name, value in values.items()}


def resolve(name: str) -> Any:
    """Return the object of a dotted name below maxent: the longest module it starts with, then attributes."""
    parts = f"maxent.{name}".split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def test_every_algorithm_has_a_page_and_a_row() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(ALGORITHMS)
    overview = rows(page("README").split("\n## ")[0])
    actions = {f"[`{name}`]({name}.md)": ", ".join(algorithm.actions) for name, algorithm in ALGORITHMS.items()}
    assert len(overview) == len(actions)
    assert {row[0]: row[1] for row in overview} == actions


@EVERY
def test_pages_are_built_alike(name: str) -> None:
    assert page(name).startswith(f"# {name}: ")
    headings = re.findall(r"^## (.+)$", page(name), re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)


@EVERY
def test_the_functions_of_the_update_exist(name: str) -> None:
    table = rows(section(page(name), "One update"))
    assert len(table) >= 3
    for step, equation, functions in table:
        named = re.findall(r"`([^`]+)`", functions)
        assert named, f"{step}: {equation} has no function"
        for function in named:
            assert callable(resolve(function)), function


@EVERY
def test_the_settings_are_those_of_the_code(name: str) -> None:
    """The page has what the algorithm adds or changes, README the rest, and between them nothing is left out."""
    config_class = ALGORITHMS[name].config_class
    own = settings(section(page(name), "Settings").split("\n### ")[0])
    shared = settings(section(page("README"), "Settings that algorithms share"))
    run = plain_defaults(RunConfig) | plain_defaults(ReplayConfig) | dict(config_class.run_defaults)
    defaults = plain_defaults(config_class)
    assert {setting: (run | defaults)[setting] for setting in own} == own
    rest = {setting: default for setting, default in defaults.items() if setting not in own}
    assert {setting: shared.get(setting, "not in the table") for setting in rest} == rest
    assert set(config_class.run_defaults) - set(own) <= {"learning_starts"}


@EVERY
def test_the_settings_of_a_learned_alpha_are_those_of_the_code(name: str) -> None:
    alpha = getattr(ALGORITHMS[name].config_class(), "alpha", None)
    parts = section(page(name), "Settings").split("\n### ")[1:]
    if not is_dataclass(alpha):
        assert parts == []
        return
    (part,) = parts
    heading, _, table = part.partition("\n")
    assert heading == f"alpha {kind_of(type(alpha))}"
    assert settings(table) == plain_defaults(type(alpha))


@pytest.mark.parametrize("kind", [PrioritizedReplay, HindsightReplay])
def test_the_settings_of_a_replay_are_those_of_the_code(kind: Any) -> None:
    text = section((ROOT / "docs" / "replay.md").read_text(encoding="utf-8"), kind.kind)
    assert settings("| setting |" + text.split("| setting |")[1]) == plain_defaults(kind)


@EVERY
def test_the_metrics_are_those_of_the_code(name: str) -> None:
    """Every tag that an update or a schedule reports is explained, and no other tag of an update is."""
    kind = ALGORITHMS[name]
    space = gym.spaces.Box(-1.0, 1.0, (1,)) if "continuous" in kind.actions else gym.spaces.Discrete(2)
    algorithm = kind(kind.config_class(), 1, ObservationLayout.vector(3), ActionLayout.from_space(space))
    scheduled = algorithm.scheduled(0)
    explained = set(re.findall(r"`((?:train|rollout)/\w+)`", section(page(name), "What the metrics say")))
    assert explained - {"rollout/ep_rew_mean"} == {*kind.metrics, *scheduled}


def fenced(name: str, language: str) -> Iterator[str]:
    """Return the code blocks of a page in one language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", section(page(name), "Try it"), re.MULTILINE | re.DOTALL)
    assert found
    return iter(found)


@EVERY
def test_the_commands_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As printed, but for a few steps and without an evaluation."""
    monkeypatch.chdir(tmp_path)
    short = ["--steps", "8", "--eval-every", "0", "--run-dir", "run", "--quiet"]
    for block in fenced(name, ""):
        for line in block.splitlines():
            program, *words = shlex.split(line)
            assert (program, words[0]) == ("maxent", "train")
            assert words[words.index("--algo") + 1] == name
            assert main([*words, *short]) == 0


@EVERY
def test_the_snippets_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As printed, but for a few steps."""
    learn, learned = Agent.learn, []

    def briefly(agent: Agent, steps: int) -> Agent:
        learned.append(agent.name)
        return learn(agent, min(steps, 8))

    monkeypatch.setattr(Agent, "learn", briefly)
    for block in fenced(name, "python"):
        scope: dict[str, Any] = {}
        exec(compile(block, f"{name}.md", "exec"), scope)
        scope["agent"].close()
    assert learned == [name]


def anchors(path: Path) -> set[str]:
    """Return the fragments that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EVERY_DOCUMENT
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", link):
            continue
        file, _, fragment = link.partition("#")
        target = path if not file else (path.parent / file).resolve()
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


@EVERY_DOCUMENT
def test_formulas_survive_markdown(path: Path) -> None:
    """Markdown takes a backslash off punctuation, also between dollars, and a bar for the end of a cell."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("|"):
            for formula in re.findall(r"(?<![\w$])\$([^$]+)\$(?![\w$])", line):
                assert not re.search(r"\\[^A-Za-z]|\|", formula), f"line {number}: {formula}"
