"""Observers of a run: every event in order, stopping, functions, and what ends with the run."""

import operator
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_envs import Seeing
from short_runs import SMALL, assert_equal, at_step, contents, metrics, pendulum

import maxent
from maxent.errors import UserError
from maxent.opening import resume_run
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.observer import EpisodeEnd, Evaluation, Observer, Record, RunHeader
from maxent.training.observers import EachRecord, Observers, as_observer
from maxent.training.stop import Outcome


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


class Witness(Observer):
    """Writes down every event, and asks to stop at an event of this kind and step."""

    def __init__(self, stop: tuple[str, int] | None = None) -> None:
        self.stop = stop
        self.events: list[tuple[str, Any]] = []
        self.headers: list[RunHeader] = []
        self.messages: list[str] = []
        self.steps: list[int] = []
        self.records: list[Record] = []
        self.episodes: list[EpisodeEnd] = []
        self.evaluations: list[Evaluation] = []

    def note(self, kind: str, what: Any = None) -> bool | None:
        self.events.append((kind, what))
        return (kind, what) == self.stop or None

    def on_start(self, header: RunHeader) -> None:
        self.headers.append(header)
        self.note("start", header.start)

    def on_step(self, step: int) -> None:
        self.steps.append(step)

    def on_episode(self, episode: EpisodeEnd) -> bool | None:
        self.episodes.append(episode)
        return self.note("episode", episode.step)

    def on_record(self, record: Record) -> bool | None:
        self.records.append(record)
        return self.note("record", record.step)

    def on_evaluation(self, evaluation: Evaluation) -> bool | None:
        self.evaluations.append(evaluation)
        return self.note("evaluation", evaluation.step)

    def on_message(self, text: str) -> None:
        self.messages.append(text)

    def flush(self) -> None:
        self.note("flush")

    def on_checkpoint(self, step: int) -> None:
        self.note("checkpoint", step)

    def on_end(self, reason: str) -> None:
        self.note("end", reason)


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


def evaluation(*means: float) -> Evaluation:
    """Return an evaluation of members with these mean returns, of two episodes each."""
    returns = np.array([[mean - 1.0, mean + 1.0] for mean in means])
    return Evaluation(0, returns, np.ones(returns.shape, np.int64))


def test_stop_at_return_takes_the_mean_of_all_members() -> None:
    stop = maxent.StopAtReturn(10.0)
    assert not stop.on_evaluation(evaluation(19.0, 0.0))
    assert stop.on_evaluation(evaluation(20.0, 0.0))
    assert stop.on_evaluation(evaluation(11.0, 10.0))


@pytest.mark.parametrize(
    ("by", "means", "stops_at"),
    [
        (0.0, [1, 2, 3, 3, 2, 3, 9], 5),  # the third evaluation that is not above 3
        (0.0, [1, 0, 0, 2, 1, 1, 1], 6),  # counted anew after an improvement
        (1.0, [1, 1.5, 2.6, 2.9, 3.0, 3.1, 9], 5),  # 2.6 is more than 1 above 1.5; the next three are not above 3.6
        (0.0, [1, 2, 3, 4, 5, 6, 7], None),
    ],
)
def test_stop_without_improvement(by: float, means: list[float], stops_at: int | None) -> None:
    stop = maxent.StopWithoutImprovement(3, by=by)
    for _ in range(2):  # an observer that is used again starts anew
        stop.on_start(RunHeader("sac", "x", 1, "cpu", False, 10))
        answers = [bool(stop.on_evaluation(evaluation(mean))) for mean in means]
        assert (answers.index(True) if any(answers) else None) == stops_at


def test_shipped_observers_stop_a_run() -> None:
    """Pendulum's returns are below 0, so a threshold of 0 is never reached and one of −10,000 is at once."""
    reached, never = pendulum(), pendulum()
    reached.learn(150, observers=[maxent.StopAtReturn(-10_000.0)])
    never.learn(150, observers=[maxent.StopAtReturn(0.0)])
    assert (reached.num_timesteps, never.num_timesteps) == (50, 150)
    still = pendulum(learning_rate=1e-30)  # a policy that does not change improves on nothing
    still.learn(300, observers=[maxent.StopWithoutImprovement(2)])
    assert still.num_timesteps == 150


@pytest.mark.parametrize("observer", [maxent.StopAtReturn(1.0), maxent.StopWithoutImprovement(2)])
def test_observers_of_evaluations_need_some(tmp_path: Path, observer: Observer) -> None:
    alone = maxent.SAC(Seeing(), **SMALL)  # an instance without an id: there is no second one to evaluate on
    for agent in (pendulum(eval_every=0), alone):
        with pytest.raises(
            UserError, match=f"observers: {type(observer).__name__} needs evaluations, and this run has"
        ):
            agent.learn(20, run_dir=tmp_path / "run", observers=[observer])
    assert not (tmp_path / "run").exists()


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: maxent.StopAtReturn("x"), "StopAtReturn: expected a finite number, got 'x'"),  # type: ignore[arg-type]
        (lambda: maxent.StopAtReturn(float("nan")), "StopAtReturn: expected a finite number, got nan"),
        (lambda: maxent.StopWithoutImprovement(0), "expected a whole number of at least 1, got 0"),
        (lambda: maxent.StopWithoutImprovement(-1), "expected a whole number of at least 1, got -1"),
        (lambda: maxent.StopWithoutImprovement(2, by=-1.0), "by: expected a number of at least 0, got -1.0"),
    ],
)
def test_settings_of_observers_are_checked_when_they_are_made(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


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


def test_training_that_raises_ends_every_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("a cable came loose")

    first, second = Witness(), Witness()
    at_step(monkeypatch, 22, fail)
    with pytest.raises(RuntimeError, match="a cable came loose"):
        pendulum(eval_every=0).learn(60, observers=[first, second])
    for witness in (first, second):
        assert witness.events == [("start", 0), ("record", 20), ("end", "failed")]


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


def test_an_observer_that_raises_ends_the_run_and_the_others() -> None:
    def fail(record: Record) -> None:
        raise ZeroDivisionError("in the observer")

    witness = Witness()
    agent = pendulum(eval_every=0)
    with pytest.raises(ZeroDivisionError, match="in the observer"):
        agent.learn(60, observers=[fail, witness])
    assert witness.events[-1] == ("end", "failed")
    assert agent.learn(20).num_timesteps == 40  # the step was complete


def test_an_interrupted_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    witness = Witness()
    with monkeypatch.context() as patch:
        at_step(patch, 22, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert pendulum(eval_every=0).train(60, observers=[witness]) is Outcome.TERMINATED
    assert witness.events[-1] == ("end", "terminated")


def test_all_are_ended_though_one_fails_at_it() -> None:
    class Failing(Observer):
        def on_end(self, reason: str) -> None:
            raise OSError(f"the disk is full at {reason}")

    witness = Witness()
    observers = Observers([Failing(), witness, Failing()])
    observers.on_start(RunHeader("sac", "x", 1, "cpu", False, 10))
    with pytest.raises(OSError, match="the disk is full at finished") as caught:
        observers.on_end("finished")
    assert witness.events == [("start", 0), ("end", "finished")]
    assert caught.value.__notes__ == ["on_end of another observer raised OSError('the disk is full at finished')"]


def test_the_first_error_is_raised_with_those_of_on_end_as_notes() -> None:
    class Failing(Observer):
        def on_record(self, record: Record) -> bool | None:
            raise ZeroDivisionError("in on_record")

        def on_end(self, reason: str) -> None:
            raise OSError(f"in on_end: {reason}")

    with pytest.raises(ZeroDivisionError, match="in on_record") as caught:
        pendulum(eval_every=0).learn(60, observers=[Failing()])
    assert caught.value.__notes__ == ["on_end of an observer then raised OSError('in on_end: failed')"]


def test_only_observers_that_started_are_ended() -> None:
    class Failing(Observer):
        def on_start(self, header: RunHeader) -> None:
            raise OSError("no disk")

    first, second, agent = Witness(), Witness(), pendulum(eval_every=0)
    with pytest.raises(OSError, match="no disk"):
        agent.learn(60, observers=[first, Failing(), second])
    assert first.events == [("start", 0), ("end", "failed")]
    assert second.events == []
