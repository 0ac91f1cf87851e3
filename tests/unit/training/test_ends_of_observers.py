"""Runs and observers that fail: every observer that has started is ended."""

import os
import signal

import pytest
from short_runs import at_step, pendulum
from witness import Witness

from maxent.runs.observer import Observer, Record, RunHeader
from maxent.training.observers import Observers
from maxent.training.stop import Outcome


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def test_training_that_raises_ends_every_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("a cable came loose")

    first, second = Witness(), Witness()
    at_step(monkeypatch, 22, fail)
    with pytest.raises(RuntimeError, match="a cable came loose"):
        pendulum(eval_every=0).learn(60, observers=[first, second])
    for witness in (first, second):
        assert witness.events == [("start", 0), ("record", 20), ("end", "failed")]


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
