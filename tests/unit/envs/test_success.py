"""`info["is_success"]` of the last step of an episode, for every kind of environment."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tiny_world import Reaching, Tiny, make_tiny

import maxent
from maxent.envs.lanes import Lanes
from maxent.envs.local import note_success
from maxent.envs.making import EnvSource
from maxent.training.evaluation import Evaluator
from maxent.training.metrics import EpisodeWindow

PUSH = np.ones((2, 1), np.float32)
"""x grows by 1.2 in an episode of 12 steps."""


def successes(lanes: Lanes) -> dict[int, bool | None]:
    """Return what the first episode of each lane reported."""
    lanes.reset()
    found: dict[int, bool | None] = {}
    for _ in range(14):
        for episode in lanes.step(PUSH).episodes:
            found.setdefault(episode.lane, episode.success)
    lanes.close()
    return found


@pytest.fixture(scope="module")
def expected() -> dict[int, bool | None]:
    return successes(Lanes.open(EnvSource.of(make_tiny), 1, 2, [3]))


def test_in_this_process_it_is_that_of_the_last_step(expected: dict[int, bool | None]) -> None:
    lanes = Lanes.open(EnvSource.of(make_tiny), 1, 2, [3])
    start = lanes.reset()["float"][:, 0]
    lanes.close()
    assert expected == {lane: bool(start[lane] + 1.2 > 0.0) for lane in range(2)}


def test_worker_processes_report_the_same(expected: dict[int, bool | None]) -> None:
    assert successes(Lanes.open(EnvSource.of(make_tiny), 1, 2, [3], workers=True)) == expected


@pytest.mark.parametrize("mode", AutoresetMode)
def test_vector_environments_report_it(mode: AutoresetMode) -> None:
    env = SyncVectorEnv([Reaching, Reaching], autoreset_mode=mode)
    lanes = Lanes.open(EnvSource.of(env), 1, 2, [3])
    start = lanes.reset()["float"][:, 0]
    found: dict[int, bool | None] = {}
    for _ in range(14):
        for episode in lanes.step(PUSH).episodes:
            found.setdefault(episode.lane, episode.success)
    assert found == {lane: bool(start[lane] + 1.2 > 0.0) for lane in range(2)}
    env.close()


def test_an_environment_without_it_reports_none() -> None:
    assert set(successes(Lanes.open(EnvSource.of(Tiny), 1, 2, [3])).values()) == {None}


@pytest.mark.parametrize("info", [{}, {"is_success": None}, {"is_success": "yes"}, {"is_success": [1, 0]}, None])
def test_what_is_no_flag_counts_for_nothing(info: Any) -> None:
    found: dict[int, bool] = {}
    note_success(found, 0, info)
    assert found == {}


def test_the_window_averages_those_that_are_reported_and_comes_back() -> None:
    window = EpisodeWindow(2)
    for success in (True, False, None, True):
        window.add_episode(0, 1.0, 2, success)
    window.add_episode(1, 1.0, 2)
    again = EpisodeWindow(2)
    again.restore(window.state())
    for one in (window, again):
        np.testing.assert_array_equal(one.summarise()["rollout/success_rate"], [2 / 3, np.nan])


def test_evaluations_count_it() -> None:
    evaluator = Evaluator(EnvSource.of(make_tiny), 1, 4, 0)
    result = evaluator.run(lambda obs: np.full((1, 4, 1), -1.0, np.float32))
    evaluator.close()
    assert set(result.successes.ravel().tolist()) <= {0.0, 1.0}
    np.testing.assert_array_equal(result.success_rate, result.successes.mean(1))
    other = Evaluator(EnvSource.of(Tiny), 1, 2, 0)
    assert np.isnan(other.run(lambda obs: np.zeros((1, 2, 1), np.float32)).success_rate).all()
    other.close()


def test_a_run_logs_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent = maxent.SAC(
        make_tiny, hidden=(4,), buffer_size=200, learning_starts=100, eval_every=40, eval_episodes=2, log_every=40,
        compile="off",
    )  # fmt: skip
    agent.learn(40, run_dir=tmp_path / "run")
    with (tmp_path / "run" / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert 0.0 <= float(row["rollout/success_rate"]) <= 1.0
    assert 0.0 <= float(row["eval/success_rate"]) <= 1.0
    assert "| success " in capsys.readouterr().out
