"""Observers of a run: every event in order, stopping, functions, and resumed runs."""

import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_runs import assert_equal, contents, metrics, pendulum
from witness import Witness

import maxent
from maxent.errors import UserError
from maxent.opening import resume_run
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.observer import Evaluation, Observer, Record
from maxent.training.observers import EachRecord, as_observer
from maxent.training.stop import Outcome


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def test_every_event_is_seen_in_order(tmp_path: Path) -> None:
    """Episodes of 25 steps, rows every 20, evaluations every 50, checkpoints every 30; and all at the last step."""
    witness, run = Witness(), tmp_path / "run"
    pendulum(seeds=2).learn(70, run_dir=run, observers=[witness])
    assert witness.events == [
        ("start", 0),
        ("flush", None), ("checkpoint", 0),
        ("record", 20),
        ("episode", 25), ("episode", 25),
        ("flush", None), ("checkpoint", 30),
        ("record", 40),
        ("episode", 50), ("episode", 50), ("evaluation", 50), ("record", 50),
        ("record", 60), ("flush", None), ("checkpoint", 60),
        ("evaluation", 70), ("record", 70),
        ("flush", None), ("checkpoint", 70),
        ("end", "finished"),
    ]  # fmt: skip
    assert witness.steps == list(range(1, 71))
    (header,) = witness.headers
    assert (header.algo, header.env, header.members, header.steps) == ("sac", "Pendulum-v1", 2, 70)
    assert header.folder == str(run)
    assert any("eager" in text for text in witness.messages)


def test_events_hold_what_happened(tmp_path: Path) -> None:
    witness = Witness()
    pendulum(seeds=2, num_envs=2).learn(100, run_dir=tmp_path / "run", observers=[witness])
    # two environments of each member end their episodes of 25 steps at 50 and 100
    ends = [(one.step, one.member, one.env, one.length) for one in witness.episodes]
    assert ends == [(step, member, env, 25) for step in (50, 100) for member in (0, 1) for env in (0, 1)]
    first, second = witness.evaluations
    assert (first.returns.shape, first.lengths.tolist()) == ((2, 1), [[25], [25]])
    rows = {record.step: record for record in witness.records}
    for evaluation in (first, second):
        np.testing.assert_array_equal(rows[evaluation.step].values["eval/mean_reward"], evaluation.mean)
    for member in (0, 1):
        expected = np.mean([one.ret for one in witness.episodes if one.member == member])
        np.testing.assert_allclose(rows[100].values["rollout/ep_rew_mean"][member], expected)
    assert [str(record.step) for record in witness.records] == [row["step"] for row in metrics(tmp_path / "run")]


def test_without_a_folder_there_are_no_checkpoints() -> None:
    witness = Witness()
    pendulum(eval_every=0).learn(40, observers=[witness])
    assert witness.events == [("start", 0), ("record", 20), ("episode", 25), ("record", 40), ("end", "finished")]
    assert witness.headers[0].folder is None


def test_the_second_call_of_learn_starts_where_the_first_ended() -> None:
    witness, agent = Witness(), pendulum(eval_every=0)
    agent.learn(20)
    agent.learn(20, observers=[witness])
    assert witness.events[0] == ("start", 20)
    assert witness.steps == list(range(21, 41))


def test_an_observer_changes_nothing(tmp_path: Path) -> None:
    for name, observers in (("with", [Witness(), lambda record: None]), ("without", [])):
        pendulum().learn(60, run_dir=tmp_path / name, observers=observers)  # type: ignore[arg-type]
    assert_equal(contents(tmp_path / "with"), contents(tmp_path / "without"))


@pytest.mark.parametrize(
    ("event", "reported"),
    [
        (("episode", 25), ["episode", "evaluation", "record"]),
        (("record", 40), ["record", "evaluation", "record"]),
        (("evaluation", 50), ["episode", "evaluation", "record"]),
        (("record", 50), ["episode", "evaluation", "record", "record"]),  # the metrics come after the evaluation
    ],
)
def test_an_observer_stops_the_run_in_order(tmp_path: Path, event: tuple[str, int], reported: list[str]) -> None:
    """With a record, an evaluation, a checkpoint and its policies, each once; and the run can go on."""
    witness, last, run = Witness(stop=event), Witness(), tmp_path / "run"
    assert pendulum().train(100, run, observers=[witness, last]) is Outcome.FINISHED
    step = event[1]
    assert witness.events[-3:] == [("flush", None), ("checkpoint", step), ("end", "stopped")]
    assert [kind for kind, when in witness.events[:-2] if when == step] == reported
    assert [one.step for one in witness.evaluations].count(step) == 1
    at_stop = [record.values for record in witness.records if record.step == step]
    for tag in ("train/critic_loss", "train/n_updates", "eval/mean_reward"):
        assert sum(tag in values for values in at_stop) == 1
    assert witness.messages[-1] == f"stopped by an observer at step {step}"
    assert last.events == witness.events  # those behind it are not left out
    assert witness.steps == list(range(1, step + 1))
    assert CheckpointStore(run).newest == step
    for which in ("best", "last"):
        assert (run / which / "policy.safetensors").exists()
    assert maxent.load(run / "last").members == 1
    assert resume_run(run, verbose=False) is Outcome.FINISHED
    assert maxent.load(run, verbose=False).num_timesteps == 100


@pytest.mark.parametrize(("kind", "step"), [("episode", 25), ("evaluation", 50)])
def test_a_stopped_run_is_one_that_reached_its_last_step(tmp_path: Path, kind: str, step: int) -> None:
    pendulum().learn(step, run_dir=tmp_path / "whole")
    pendulum().learn(100, run_dir=tmp_path / "run", observers=[Witness(stop=(kind, step))])
    assert_equal(contents(tmp_path / "run"), contents(tmp_path / "whole"))


def test_a_stop_at_the_last_step_is_none(tmp_path: Path) -> None:
    witness = Witness(stop=("record", 40))
    pendulum(eval_every=0).learn(40, observers=[witness])
    assert witness.events[-2:] == [("record", 40), ("end", "finished")]


def test_a_stopped_run_goes_on_as_if_it_never_stopped(tmp_path: Path) -> None:
    """Where it stops at a record, and there are no evaluations: otherwise there is one more of them."""
    pendulum(eval_every=0).learn(100, run_dir=tmp_path / "whole")
    pendulum(eval_every=0).learn(100, run_dir=tmp_path / "run", observers=[Witness(stop=("record", 40))])
    resume_run(tmp_path / "run", verbose=False)
    assert_equal(contents(tmp_path / "run"), contents(tmp_path / "whole"))


@pytest.mark.parametrize("answer", [True, 1, np.bool_(True), "enough"])
def test_a_function_gets_each_record_and_stops_by_a_true_value(answer: object) -> None:
    seen: list[int] = []

    def watch(record: Record) -> object:
        seen.append(record.step)
        return answer if record.step >= 40 else None

    agent = pendulum(eval_every=0)
    assert agent.train(100, observers=[watch]) is Outcome.FINISHED
    assert seen == [20, 40]
    assert agent.num_timesteps == 40


@pytest.mark.parametrize("answer", [None, False, 0, np.bool_(False)])
def test_a_function_without_a_true_value_stops_nothing(answer: object) -> None:
    agent = pendulum(eval_every=0).learn(60, observers=[lambda record: answer])
    assert agent.num_timesteps == 60


@pytest.mark.parametrize("wrong", [3, "StopAtReturn", None, maxent.StopAtReturn, Observer, [Observer()]])
def test_what_cannot_observe_is_refused_before_training(wrong: Any) -> None:
    agent = pendulum()
    with pytest.raises(UserError, match=r"observers: expected instances of maxent\.Observer or functions .* got "):
        agent.learn(20, observers=[wrong])
    assert agent.num_timesteps == 0


def test_an_array_of_several_members_is_refused_with_what_to_do() -> None:
    def reached(record: Record) -> object:
        return record.values["train/n_updates"] > -1.0

    class Own(Observer):
        def on_evaluation(self, evaluation: Evaluation) -> bool | None:
            return evaluation.mean > -1e9  # type: ignore[return-value]

    for observer, name in ((reached, "reached"), (Own(), "Own")):
        expected = rf"expected true or false from {name}, got an array of shape \(2,\); .* record\.mean\(tag\)"
        with pytest.raises(UserError, match=expected):
            pendulum(seeds=2).learn(60, observers=[observer])
    assert pendulum(eval_every=0).learn(60, observers=[reached]).num_timesteps == 20  # one member has one value


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: iter([one]), lambda one: {one}])
def test_observers_are_one_or_any_iterable(wrap: Any) -> None:
    witness = Witness()
    pendulum(eval_every=0).learn(20, observers=wrap(witness))
    assert witness.events == [("start", 0), ("record", 20), ("end", "finished")]


def test_functions_and_observers_become_observers() -> None:
    observer, function = Witness(), operator.attrgetter("step")
    assert as_observer(observer) is observer
    wrapped = as_observer(function)
    assert isinstance(wrapped, EachRecord)
    assert wrapped.on_record(Record(7, {})) is True
    assert wrapped.on_record(Record(0, {})) is False


def test_a_resumed_run_takes_observers_whose_counts_start_anew(tmp_path: Path) -> None:
    """Two evaluations without improvement before, and again two after the first one of the resumed run."""
    run = tmp_path / "run"
    still, witness = maxent.StopWithoutImprovement(2, by=1e9), Witness()
    pendulum().learn(500, run_dir=run, observers=[still])
    assert resume_run(run, observers=[still, witness], verbose=False) is Outcome.FINISHED
    assert [one.step for one in witness.evaluations] == [200, 250, 300]
    assert witness.headers[0].start == 150
    assert witness.events[-1] == ("end", "stopped")


def test_a_resumed_run_refuses_observers_that_would_see_nothing(tmp_path: Path) -> None:
    pendulum(eval_every=0).learn(20, run_dir=tmp_path / "run")
    with pytest.raises(UserError, match="observers: StopAtReturn needs evaluations"):
        resume_run(tmp_path / "run", steps=40, observers=maxent.StopAtReturn(0.0), verbose=False)
    with pytest.raises(UserError, match="observers: expected instances"):
        resume_run(tmp_path / "run", steps=40, observers=3, verbose=False)  # type: ignore[arg-type]
