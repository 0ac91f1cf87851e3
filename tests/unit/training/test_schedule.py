"""When updates, rows of metrics, evaluations and checkpoints are due: exactly."""

import json
from typing import Any

import pytest

from maxent import algorithms
from maxent.stateful import Saved
from maxent.training.schedule import Schedule
from maxent.training.settings import Settings


def schedule(envs: int = 1, algorithm: str = "sac", **settings: Any) -> Schedule:
    return Schedule(Settings.of(algorithms.find(algorithm), settings), envs)


@pytest.mark.parametrize(
    ("ratio", "step", "due"),
    [
        (1.0, 100, 0),  # learning starts after 100 steps
        (1.0, 99, 0),
        (1.0, 101, 1),
        (0.1, 109, 0),
        (0.1, 110, 1),  # 0.1 · 10 is exactly 1, though 0.1 is a little more than a tenth in binary
        (0.1, 1_000_000_090, 99_999_999),
        (0.1, 1_000_000_100, 100_000_000),
        (0.7, 110, 7),
        (0.29, 200, 29),  # 0.29 · 100 is 28.999… in float64
        (0.3333333333333333, 103, 0),  # sixteen threes are less than a third: 0.9999999999999999
        (0.3333333333333333, 104, 1),  # 1.33
        (1e-05, 100_100, 1),
        (1e-05, 100_099, 0),
        (20.0, 103, 60),
        (2.5, 103, 7),  # 7.5
        (1, 103, 3),
        (0.0, 1_000_000, 0),
    ],
)
def test_updates_due_is_exact(ratio: float, step: int, due: int) -> None:
    assert schedule(learning_starts=100, replay_ratio=ratio).updates_due(step) == due


@pytest.mark.parametrize("envs", [1, 3, 16, 1000])
@pytest.mark.parametrize("ratio", [0.1, 0.29, 1.0, 1.7, 20.0])
def test_many_environments_owe_the_same_updates_in_the_end(ratio: float, envs: int) -> None:
    """A loop that makes what is due after every step of all environments has made ⌊ratio · steps⌋ at each."""
    plan = schedule(envs, learning_starts=500, replay_ratio=ratio)
    numerator = round(ratio * 100)  # ratios here are hundredths: ⌊numerator · (step − 500) / 100⌋ in whole numbers
    paid = 0
    for step in range(envs, 6_000 + 1, envs):
        due = plan.updates_due(step)
        assert due >= paid
        paid = due
        assert paid == max(0, numerator * (step - 500) // 100)
    assert paid > 0


def test_learning_may_start_at_once() -> None:
    assert schedule(learning_starts=0).updates_due(1) == 1
    assert schedule(learning_starts=0, replay_ratio=0).updates_due(10) == 0


@pytest.mark.parametrize(("envs", "rollout"), [(1, 5), (8, 128)])
def test_on_policy_one_update_takes_one_rollout_of_every_environment(envs: int, rollout: int) -> None:
    plan, batch = schedule(envs, "reinforce", rollout_steps=rollout, num_envs=envs), envs * rollout
    assert (plan.rollout, plan.batch_size, plan.n_step, plan.learning_starts) == (rollout, batch, 1, 0)
    due = [plan.updates_due(transitions) for transitions in (0, batch - 1, batch, 2 * batch - 1, 7 * batch)]
    assert due == [0, 0, 1, 1, 7]
    # each environment holds two rollouts, of which every step may be followed by a final row, and the pending row
    assert plan.capacity == envs * (2 * rollout + 2)


def test_with_a_replay_batch_and_capacity_are_the_settings() -> None:
    plan = schedule(4, buffer_size=777, batch_size=33, n_step=5, random_hold=2, learning_starts=9)
    assert (plan.rollout, plan.capacity, plan.batch_size, plan.n_step) == (0, 777, 33, 5)
    assert (plan.random_hold, plan.learning_starts, plan.envs) == (2, 9, 4)


@pytest.mark.parametrize(
    ("before", "after", "due"),
    [(0, 9, False), (9, 10, True), (10, 11, False), (8, 12, True), (8, 33, True), (10, 19, False), (19, 20, True)],
)
def test_crossing_a_multiple_makes_it_due(before: int, after: int, due: bool) -> None:
    """With several environments a step may leap over the multiple."""
    plan = schedule(steps=1_000, log_every=10, eval_every=10, checkpoint_every=10)
    assert plan.log_due(before, after) is due
    assert plan.evaluation_due(before, after) is due
    assert plan.checkpoint_due(before, after) is due


def test_the_last_step_is_logged_and_evaluated_and_its_checkpoint_is_the_runs_last() -> None:
    plan = schedule(steps=15, log_every=10, eval_every=10, checkpoint_every=10)
    assert plan.log_due(14, 15)
    assert plan.evaluation_due(14, 16)
    assert not plan.checkpoint_due(14, 15)  # written when the run ends


def test_zero_turns_evaluations_and_checkpoints_off() -> None:
    plan = schedule(steps=15, eval_every=0, checkpoint_every=0)
    assert not any(plan.evaluation_due(step, step + 1) or plan.checkpoint_due(step, step + 1) for step in range(30))


def test_updates_are_counted_anew_after_a_replay_was_left_behind() -> None:
    """After 130 transitions and 30 updates: the next one after learning_starts further steps; and on through JSON."""
    plan = schedule(learning_starts=100)
    assert plan.state().plain == {"origin": [0, 0]}
    plain = json.loads(json.dumps(plan.counted_from(130, 30)))
    plan.restore(Saved(plain))
    assert [plan.updates_due(transitions) for transitions in (130, 230, 231, 240)] == [30, 30, 31, 40]
    again = schedule(learning_starts=100)
    again.restore(Saved(json.loads(json.dumps(plan.state().plain))))
    assert again.updates_due(240) == 40
    assert plan.updates_at(130) == 30  # counted from the start, whatever was left behind
