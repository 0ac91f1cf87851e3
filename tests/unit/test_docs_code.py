"""Code and commands in the documentation: blocks run, commands parse, included code equals its file."""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import maxent
from maxent import agent as agent_module
from maxent import algorithms
from maxent.agent import Agent
from maxent.algorithms.base import DEFINED
from maxent.cli import main
from maxent.cli.compare import CompareCommand
from maxent.cli.doctor import DoctorCommand
from maxent.cli.parsing import parse
from maxent.cli.play import EvalCommand, PlayCommand
from maxent.cli.report import ReportCommand
from maxent.cli.show import ListCommand, TabularCommand
from maxent.cli.train import ResumeCommand, TrainCommand
from maxent.cli.watch import WatchCommand
from maxent.training.settings import ReplayConfig, RunConfig, Settings
from maxent.training.stop import Outcome

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
OWN = ROOT / "docs" / "write-your-own-algorithm.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EVERY_DOCUMENT = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
BRIEFLY: dict[str, Any] = {"learning_starts": 4, "batch_size": 4, "eval_episodes": 1, "compile": "off"}


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `import my_sac` find the example; afterwards no own algorithm is known."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    algorithms.built_in()  # imports their modules
    known = dict(DEFINED)
    yield
    sys.modules.pop("my_sac", None)
    DEFINED.clear()
    DEFINED.update(known)


def fenced(path: Path, language: str = "") -> list[str]:
    """Return the code blocks of a page in one language."""
    blocks: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text("utf-8"), re.M | re.S)
    return [code for found, code in blocks if found == language]


def commands(path: Path) -> list[list[str]]:
    """Return the words of every `maxent …` command in the code blocks of a page."""
    lines = [line for language in ("", "sh", "bash") for block in fenced(path, language) for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("maxent ")]


class NoAgent:
    """Takes what the command line hands to an agent, checks the settings, and trains nothing."""

    def __init__(
        self, env: str, *, algorithm: Any, env_kwargs: Any, recipe: bool, verbose: bool, **settings: Any
    ) -> None:
        assert not recipe  # the command line has chosen every setting
        self.settings = Settings.of(algorithm, settings)

    def train(self, steps: int, run_dir: Path, *, recipe: str | None) -> Outcome:
        return Outcome.FINISHED

    def close(self) -> None: ...


COMMANDS: dict[str, type[Any]] = {
    "compare": CompareCommand, "doctor": DoctorCommand,
    "resume": ResumeCommand, "eval": EvalCommand, "play": PlayCommand, "list": ListCommand,
    "tabular": TabularCommand, "report": ReportCommand, "watch": WatchCommand,
}  # fmt: skip


@EVERY_DOCUMENT
def test_every_command_parses(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "Agent", NoAgent)
    monkeypatch.chdir(tmp_path)  # train reserves a folder for its run
    for name, *words in commands(path):
        if name == "train":
            assert main(["train", *words]) == 0, words
        elif "|" in "".join(words):  # `maxent list algos|envs|…`: each of them
            for one in words[0].split("|"):
                parse(name, COMMANDS[name], [one, *words[1:]])
        else:
            parse(name, COMMANDS[name], words)


def test_every_option_in_the_text_exists() -> None:
    """Options of maxent; those of scripts stand on a line, or in a code span, that names the script or a file of it."""
    records = [TrainCommand, RunConfig, ReplayConfig, *COMMANDS.values()]
    records += [algorithm.config_class for algorithm in algorithms.built_in().values()]
    names = {field.name.replace("_", "-") for record in records for field in fields(record)}
    hints = [hint for record in records for hint in get_type_hints(record, include_extras=True).values()]
    marks = [mark for hint in hints for mark in getattr(hint, "__metadata__", ())]
    names |= {str(mark.name) for mark in marks if getattr(mark, "name", None)}  # of `tyro.conf.arg(name="import")`
    known = {"--help", "--version"} | {f"--{prefix}{name}" for name in names for prefix in ("", "no-")}
    for path in DOCUMENTS:
        if path.name == "CHANGELOG.md":  # it names options that are gone
            continue
        text = re.sub(r"`[^`\n]*(?:python|pip|--units)[^`\n]*`", "", path.read_text("utf-8"))
        text = re.sub(r"^.*(?:python |--quick|--rounds|my-sac|my_sac).*$", "", text, flags=re.MULTILINE)
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", text):
            assert option in known, f"{path.name}: {option}"


def short_learning(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let agents learn a few steps with small networks, eagerly; return the list of algorithms that have learned."""
    learn, create, learned = Agent.learn, Agent.__init__, []

    def briefly(agent: Agent, steps: int, **others: Any) -> Agent:
        learned.append(agent.name)
        return learn(agent, min(steps, 12), **others)

    def small(agent: Agent, *args: Any, **settings: Any) -> None:
        create(agent, *args, **(settings | BRIEFLY))

    monkeypatch.setattr(Agent, "learn", briefly)
    monkeypatch.setattr(Agent, "__init__", small)
    return learned


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("README.md", ["sac"]),
        ("docs/python-api.md", ["sac", "sac", "sac-discrete", "sac", "td3", "sac", "sac"]),
        ("docs/report.md", ["sac"]),
        ("docs/write-your-own-algorithm.md", ["my-sac", "my-sac", "my-sac-value"]),
    ],
)
def test_the_blocks_of_a_page_run(
    page: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, in one scope, as printed but for a few steps. Code that a page includes is tested below."""
    monkeypatch.chdir(tmp_path)
    learned = short_learning(monkeypatch)
    scope: dict[str, Any] = {"obs": np.zeros(3, np.float32)}
    for block in fenced(ROOT / page, "python"):
        if block not in included():
            exec(compile(block, page, "exec"), scope)
    assert learned == expected


def included() -> dict[str, str]:
    """Return the blocks of the page on own algorithms that stand below a comment with the name of a part."""
    marked = r"^<!-- from examples/my_sac\.py: (\w+) -->\n```python\n(.*?)^```$"
    return {code: name for name, code in re.findall(marked, OWN.read_text("utf-8"), re.M | re.S)}


def test_included_code_is_that_of_the_example() -> None:
    source = (EXAMPLES / "my_sac.py").read_text("utf-8")
    assert len(source.splitlines()) < 120
    head, *parts = re.split(r"^# part: (\w+)\n", source, flags=re.M)
    expected = {name: code.strip("\n") + "\n" for name, code in zip(parts[::2], parts[1::2], strict=True)}
    expected["imports"] = head.split('"""\n', 1)[1].strip("\n") + "\n"
    assert {name: code for code, name in included().items()} == expected


@pytest.mark.parametrize("name", ["MySAC", "MySACWithValue"])
def test_the_example_trains_resumes_and_is_listed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    algo = ["--algo", f"my_sac:{name}"]
    short = ["--learning-starts", "4", "--batch-size", "4", "--hidden", "8", "--eval-every", "0", "--quiet"]
    run = ["train", "Pendulum-v1", *algo, "--seeds", "2", "--log-every", "10", *short]
    for folder, steps in (("once", "30"), ("twice", "20")):
        assert main([*run, "--steps", steps, "--run-dir", folder]) == 0
    assert main(["resume", "twice", "--steps", "30", "--quiet"]) == 0
    once, twice = (maxent.load(folder, verbose=False) for folder in ("once", "twice"))
    assert once.name == twice.name == {"MySAC": "my-sac", "MySACWithValue": "my-sac-value"}[name]
    for tensor, other in zip(once._learner.state.values(), twice._learner.state.values(), strict=True):
        assert tensor.equal(other)
    header = (tmp_path / "once" / "metrics.csv").read_text("utf-8").splitlines()[0]
    assert "train/q_std" in header
    assert ("train/value_loss" in header) == (name == "MySACWithValue")
    capsys.readouterr()
    assert main(["list", "algos", *algo]) == 0
    assert f"my_sac:{name}" in capsys.readouterr().out


def test_a_file_imports_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short = ["--learning-starts", "4", "--batch-size", "4", "--hidden", "8", "--eval-every", "0", "--quiet"]
    run = ["--algo", "my_sac:MySAC", "--steps", "8", "--run-dir", "run"]
    assert main(["train", "Pendulum-v1", *run, *short]) == 0
    sys.modules.pop("my_sac")
    assert main(["resume", "run", "--steps", "12", "--quiet"]) == 2
    assert "my_sac" not in sys.modules
    assert main(["resume", "run", "--algo", "my_sac:MySAC", "--steps", "12", "--quiet"]) == 0


def test_the_example_is_the_same_eager_and_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from my_sac import MySACWithValue  # type: ignore[import-not-found]

    monkeypatch.chdir(tmp_path)
    states = []
    for compiled in ("off", "on"):
        settings: dict[str, Any] = {"hidden": (8,), "learning_starts": 4, "batch_size": 4, "eval_every": 0}
        agent = Agent("Pendulum-v1", algorithm=MySACWithValue, compile=compiled, verbose=False, **settings)
        agent.learn(8)
        states.append(agent._learner.state)
        agent.close()
    for name, tensor in states[0].items():
        np.testing.assert_allclose(tensor.numpy(), states[1][name].numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
