"""The observers that stop a run by its evaluations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_envs import Seeing
from short_runs import SMALL, pendulum

import maxent
from maxent.errors import UserError
from maxent.runs.observer import Evaluation, Observer, RunHeader


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


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
