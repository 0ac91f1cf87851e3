"""The watcher measures what it says, waits as long as it says, and changes nothing of a run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ailing_envs
import numpy as np
import pytest
import torch
from short_runs import SMALL, assert_equal, contents, killed_at, metrics, pendulum

import maxent
from maxent.cli import main
from maxent.diagnosis.watch import QUIET, RECORDS, RULES, Readings
from maxent.findings import Finding
from maxent.opening import resume_run
from maxent.runs.findings import read_findings
from maxent.runs.observer import Observer, Record
from maxent.training import watcher as module
from maxent.training.watcher import FIRST_EPISODES, Watcher

TRUNCATE, TERMINATE, GO = "truncate", "terminate", "go"


def watcher_of(**settings: Any) -> tuple[Watcher, maxent.Agent]:
    """Return a watcher of an agent that never learns by itself."""
    agent = maxent.SAC(ailing_envs.Ailing, **SMALL | {"gamma": 0.5, "seeds": 2} | settings)
    trainer = agent._require_trainer()
    trainer.engine()
    trainer.replay.begin(observation(0.0))
    return trainer.watcher, agent


def observation(value: float, lanes: int = 2) -> dict[str, np.ndarray]:
    return {"float": np.full((lanes, 3), value, np.float32)}


def add(agent: maxent.Agent, rewards: list[float], how: str = GO, action: float = 0.0) -> None:
    """Add a step of both members with these rewards."""
    ends = [np.full(2, how == which) for which in (TERMINATE, TRUNCATE)]
    actions = np.full((2, 2), action, np.float32)
    agent._require_trainer().replay.add(
        actions, np.array(rewards, np.float32), *ends, observation(1.0), observation(0.0)
    )


def values_of(**others: list[float]) -> dict[str, Any]:
    return {"rollout/ep_rew_mean": np.full(2, np.nan)} | {
        f"train/{name}": np.array(value) for name, value in others.items()
    }


def readings(watcher: Watcher, monkeypatch: pytest.MonkeyPatch, updates: int = 0, **values: Any) -> Readings:
    """Return what the rules are shown at a record."""
    seen: list[Readings] = []

    def look(shown: Readings) -> np.ndarray:
        seen.append(shown)
        return np.zeros(2, np.bool_)

    with monkeypatch.context() as patch:
        patch.setattr(module, "RULES", (replace(RULES[0], holds=look),))
        watcher.look(0, updates, values_of(**values))
    return seen[0]


def test_the_ceiling_is_what_rewards_explain(monkeypatch: pytest.MonkeyPatch) -> None:
    """γ = ½. Member 0: 1, then 4 and the end: returns 4 and 1 + ½ · 4 = 3. Member 1: −2, −8: −8 and −2 − ½ · 8 = −6.

    ceiling = highest + (highest − lowest), both with 0: 4 + 4 and 0 + 8; α = 1 adds 2 actions · log 2 / (1 − γ).
    """
    watcher, agent = watcher_of()
    add(agent, [1.0, -2.0])
    add(agent, [4.0, -8.0], TERMINATE)
    bonus = 2 * np.log(2.0) / 0.5
    shown = readings(watcher, monkeypatch, ent_coef=[1.0, 0.0])
    np.testing.assert_allclose(shown.ceiling, [8.0 + bonus, 8.0])
    np.testing.assert_allclose(shown.reward, [4.0, 8.0])


def test_an_episode_that_is_cut_off_counts_as_if_it_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewards 3, 3, then the cut: the rows 3, 3 and the final one have the mean 2, worth 2 / (1 − ½) = 4 afterwards.

    Returns 3 + ½ · 4 = 5 and 3 + ½ · 5 = 5.5; ceiling 2 · 5.5. Negative rewards end as if nothing followed:
    −3 and −3 − 1.5 = −4.5; ceiling 0 + 4.5.
    """
    watcher, agent = watcher_of()
    add(agent, [3.0, -3.0])
    add(agent, [3.0, -3.0], TRUNCATE)
    np.testing.assert_allclose(readings(watcher, monkeypatch).ceiling, [11.0, 4.5])


def test_rewards_are_seen_as_the_critics_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher, agent = watcher_of(reward_scale=-10.0)
    add(agent, [4.0, -8.0], TERMINATE)
    shown = readings(watcher, monkeypatch)
    np.testing.assert_allclose(shown.reward, [40.0, 80.0])
    np.testing.assert_allclose(shown.ceiling, [0.0 + 40.0, 80.0 + 80.0])  # −40 to 0, and 0 to 80


def test_rows_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher, agent = watcher_of()
    add(agent, [1.0, 1.0], action=0.995)
    assert readings(watcher, monkeypatch).saturated.tolist() == [1.0, 1.0]
    add(agent, [1.0, 1.0], action=0.5)
    add(agent, [1.0, 1.0], TRUNCATE, action=-1.0)
    assert readings(watcher, monkeypatch).saturated.tolist() == [0.5, 0.5]  # final observations do not count
    assert np.isnan(readings(watcher, monkeypatch).saturated).all()


def test_the_slope_of_alpha_is_per_update(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher, _ = watcher_of()
    assert np.isnan(readings(watcher, monkeypatch, 10, ent_coef=[1.0, 1.0]).slope).all()
    shown = readings(watcher, monkeypatch, 30, ent_coef=[np.e, 1.0])
    np.testing.assert_allclose(shown.slope, [1 / 20, 0.0])


def test_the_first_episodes_are_compared_with_the_best_of_training_and_evaluation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watcher, _ = watcher_of()
    for number in range(FIRST_EPISODES):
        watcher.add_episode(0, 3.0 if number % 2 else 5.0)
    watcher.add_episode(0, 1e9)  # later ones do not count
    watcher.add_episode(1, 7.0)  # too few
    watcher.add_evaluation(np.array([6.0, 2.0]))
    assert np.isnan(readings(watcher, monkeypatch, updates=0).first).all()  # nothing has been learned yet
    shown = readings(watcher, monkeypatch, updates=1)
    np.testing.assert_array_equal(shown.first, [4.0, np.nan])
    np.testing.assert_array_equal(shown.noise, [1.0, np.nan])
    np.testing.assert_array_equal(shown.score, [6.0, 2.0])


@pytest.mark.parametrize("name", ["actor", "critic"])
def test_dead_units_are_counted_in_every_network(name: str) -> None:
    """Six of the eight units of a layer get a bias that no input overcomes."""
    watcher, agent = watcher_of()
    add(agent, [0.0, 0.0])
    assert watcher.look(1, 100, values_of())["watch/dead_units"].max() < 1.0
    learner = agent._learner
    network = learner.algorithm.networks[name]
    views = network.views(learner.state[name])
    bias = views["layer_0.bias"].view(2, -1, 1, 8)  # [P, E, 1, units]
    bias[1, -1, 0, :6] = -1e6
    bias[1, -1, 0, 6:] = 1e6
    measured = watcher.look(2, 200, values_of())["watch/dead_units"]
    assert measured[1] >= 0.75
    bias[1, -1, 0, :] = -1e6
    assert watcher.look(3, 300, values_of())["watch/dead_units"][1] == 1.0


def test_units_are_measured_once_in_a_hundred_updates() -> None:
    watcher, agent = watcher_of()
    add(agent, [0.0, 0.0])
    measured = [("watch/dead_units" in watcher.look(step, step * 40, values_of())) for step in range(1, 7)]
    assert measured == [False, False, True, False, False, True]


def test_a_rule_waits_for_its_patience_and_then_is_quiet() -> None:
    """q-too-high: 5,000 steps and 2,000 updates. Records every 1,000 steps of Q far above rewards of zero."""
    watcher, _ = watcher_of()
    fired = []
    for step in range(1_000, 120_001, 1_000):
        tags = watcher.look(step, step, values_of(q_mean=[0.0, 50.0]))
        fired += [step for finding in watcher.take() if finding.rule == "q-too-high"]
        assert tags["watch/findings"].tolist() == [0.0, float(step >= 6_000)]
    assert fired == [6_000, 6_000 + QUIET, 6_000 + 2 * QUIET]


def test_a_rule_starts_anew_when_it_no_longer_holds() -> None:
    watcher, _ = watcher_of()
    for step in range(1_000, 100_001, 1_000):
        watcher.look(step, step, values_of(q_mean=[50.0 if step % 6_000 else 0.0] * 2))
    assert watcher.take() == []


def test_a_rule_needs_three_records_and_its_updates() -> None:
    watcher, _ = watcher_of()
    for number in range(1, RECORDS + 1):
        watcher.look(number * 10_000, number * 10_000, values_of(q_mean=[50.0] * 2))
        assert len(watcher.take()) == (number == RECORDS)
    watcher, _ = watcher_of()
    for number in range(1, 10):
        watcher.look(number * 10_000, number * 100, values_of(q_mean=[50.0] * 2))
    assert watcher.take() == []


def test_a_restored_watcher_goes_on_as_the_one_it_was() -> None:
    watcher, _ = watcher_of()
    for step in range(1_000, 4_000, 1_000):
        watcher.look(step, step, values_of(q_mean=[50.0, 0.0], ent_coef=[0.5, 0.5]))
    other, _ = watcher_of()
    other.restore(watcher.state())
    for each in (watcher, other):
        for step in range(4_000, 8_000, 1_000):
            each.look(step, step, values_of(q_mean=[50.0, 0.0], ent_coef=[0.5, 0.5]))
    first, second = watcher.state(), other.state()
    assert first.plain == second.plain
    for name, tensor in first.tensors.items():
        torch.testing.assert_close(tensor, second.tensors[name], rtol=0, atol=0, equal_nan=True)
    assert watcher.take() == other.take() != []


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
