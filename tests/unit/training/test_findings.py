"""Findings of a run: where they appear, that they resume exactly, and that watching changes nothing that is learned."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ailing_envs
import pytest
from short_runs import SMALL, assert_equal, contents, killed_at, metrics, pendulum

import maxent
from maxent.cli import main
from maxent.diagnosis.watch import RULES
from maxent.findings import Finding
from maxent.opening import resume_run
from maxent.runs.findings import read_findings
from maxent.runs.observer import Observer, Record
from maxent.training import watcher as module
from maxent.training.watcher import Watcher


class Heard(Observer):
    """Keeps findings."""

    def __init__(self) -> None:
        self.findings: list[tuple[int, Finding]] = []

    def on_finding(self, finding: Finding, step: int) -> None:
        self.findings.append((step, finding))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every rule fire at once after three records."""
    monkeypatch.setattr(module, "RULES", tuple(replace(rule, steps=0, updates=0) for rule in RULES))


def useless(**settings: Any) -> maxent.Agent:
    """Return an agent on an environment without rewards."""
    return maxent.SAC(lambda: ailing_envs.Ailing(reward=0.0, length=4), **SMALL | settings)


@pytest.mark.usefixtures("impatient")
def test_a_finding_reaches_observers_terminal_metrics_and_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = Heard()
    useless(verbose=True).learn(160, run_dir=tmp_path / "run", observers=heard)
    (at,) = (step for step, finding in heard.findings if finding.rule == "no-learning")
    assert at == 120  # episode 20 ends at step 80, and three records follow, at 80, 100 and 120
    assert f"step {at}: warning, no-learning: no learning for long (mean return 0," in capsys.readouterr().out
    rows = {row["step"]: row["watch/findings"] for row in metrics(tmp_path / "run")}
    assert float(rows["60"]) == 0.0
    assert float(rows["120"]) >= 1.0
    written = read_findings(tmp_path / "run" / "findings.json")
    assert [(one.pop("step"), Finding(**one)) for one in written] == heard.findings
    assert main(["doctor", str(tmp_path / "run")]) == 0
    assert f"step {at}\nWARNING no-learning: no learning for long\n" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == read_findings(tmp_path / "run" / "findings.json")


@pytest.mark.usefixtures("impatient")
def test_the_command_line_says_at_the_end_that_there_are_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    env = ["ailing_envs:Ailing-v0", "--env-arg", "reward=0.0", "length=4"]
    small = ["--hidden", "4", "4", "--batch-size", "4", "--learning-starts", "20", "--log-every", "20"]
    assert main(["train", *env, *small, "--eval-every", "0", "--steps", "160", "--run-dir", run]) == 0
    *_, said, _ = capsys.readouterr().out.splitlines()
    count = len(read_findings(tmp_path / "run" / "findings.json"))
    assert said.startswith(f"The watcher has {count} finding")
    assert said.endswith(f": `maxent doctor {run}` prints what to change.")


def test_a_run_without_findings_has_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pendulum().learn(60, run_dir=tmp_path / "run")
    assert not (tmp_path / "run" / "findings.json").exists()
    assert main(["doctor", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'run'}: no faults, no warnings, no notes\n"


@pytest.mark.usefixtures("impatient")
def test_findings_of_a_resumed_run_are_those_of_one_that_was_not_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is killed after a finding that its last checkpoint, of step 90 or 120, does not know or knows."""
    settings: dict[str, Any] = {"checkpoint_every": 30, "replay_ratio": 2.0}  # units are measured after 100 updates
    env = "ailing_envs:Ailing-v0"

    def learn(name: str) -> None:
        agent = maxent.SAC(env, env_kwargs={"reward": 0.0, "length": 4}, **SMALL | settings)
        agent.learn(160, run_dir=tmp_path / name)

    learn("whole")
    whole = read_findings(tmp_path / "whole" / "findings.json")
    assert len(whole) >= 1
    for step in (119, 121, 149):
        name = f"killed-{step}"
        killed_at(monkeypatch, step, lambda name=name: learn(name))  # type: ignore[misc]
        resume_run(tmp_path / name, verbose=False)
        assert read_findings(tmp_path / name / "findings.json") == whole
        assert_equal(contents(tmp_path / name), contents(tmp_path / "whole"))


def test_watching_changes_nothing_that_is_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"seeds": 2, "replay_ratio": 2.0}
    pendulum(**settings).learn(160, run_dir=tmp_path / "watched")
    assert any(row["watch/dead_units"] for row in metrics(tmp_path / "watched"))
    monkeypatch.setattr(Watcher, "look", lambda *_: {})
    pendulum(**settings).learn(160, run_dir=tmp_path / "alone")
    watched, alone = contents(tmp_path / "watched"), contents(tmp_path / "alone")
    assert any(name.startswith("checkpoint/learner/actor") for name in watched)
    for name, data in alone.items():
        if name.startswith("checkpoint/watcher/") or name in ("plain", "metrics"):
            continue
        assert watched[name] == data, name
    assert watched["plain"]["streams"] == alone["plain"]["streams"]


def test_an_observer_hears_of_records_before_findings() -> None:
    order: list[str] = []

    class Order(Observer):
        def on_record(self, record: Record) -> None:
            order.append(f"record {record.step}")
            if record.step == 20:
                finding = Finding("rule", "note", "what", "measured", "why", "change")
                agent._require_trainer().watcher._new.append(finding)

        def on_finding(self, finding: Finding, step: int) -> None:
            order.append(f"finding {step}")

    agent = pendulum()
    agent.learn(40, observers=Order())
    assert order == ["record 20", "finding 20", "record 40"]
