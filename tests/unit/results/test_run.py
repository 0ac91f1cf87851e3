"""Reading the results of a run folder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import FINDING, TAGS, made_run

from maxent.errors import UserError
from maxent.results.metrics import Metrics
from maxent.results.run import read_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("results") / "run", findings=True, members=3)


def change_config(path: Path, **sections: Any) -> None:
    data = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(data | sections))


def test_everything_of_a_run_is_read(folder: Path) -> None:
    run = read_run(folder)
    assert (run.name, run.algorithm, run.env, run.env_id) == ("run", "sac", "Pendulum-v1", "Pendulum-v1")
    assert (run.seeds, run.members, run.steps) == ((7, 8, 9), 3, 20_000)
    assert run.settings["batch_size"] == 256 and run.settings["hidden"] == [64, 64] and run.settings["device"] == "cpu"
    assert run.findings == ((5_000, FINDING),)
    assert run.metrics.tags == TAGS
    assert run.metrics.reached == 20_000
    assert run.metrics.seconds == 60.0  # 20 rows of 3 s
    assert run.metrics.updates == 19_000
    assert run.versions["maxent"] == "0.1.0"
    assert "device cpu" in run.machine


def test_evaluations_are_those_of_the_rows_that_have_one(folder: Path) -> None:
    found = read_run(folder).evaluations
    assert found.steps.tolist() == [2_000.0 * k for k in range(1, 11)]
    assert found.seconds.tolist() == [6.0 * k for k in range(1, 11)]
    assert found.means[0].tolist() == [20.0, 30.0, 40.0]  # s/100 + 10k
    assert found.returns.shape == (10, 3, 1) and not found.single


def test_single_episodes_are_read_where_they_are_written(tmp_path: Path) -> None:
    found = read_run(made_run(tmp_path / "run", episodes=True, members=2)).evaluations
    assert found.single and found.returns.shape == (10, 2, 3)
    assert found.returns[0].tolist() == [[19.0, 20.0, 21.0], [29.0, 30.0, 31.0]]  # s/100 + 10k, one less and one more
    assert found.steps.tolist() == [2_000.0 * k for k in range(1, 11)]
    assert found.seconds.tolist() == [6.0 * k for k in range(1, 11)]
    one = read_run(made_run(tmp_path / "one", episodes=True, members=1)).evaluations
    assert one.returns[-1].tolist() == [[199.0, 200.0, 201.0]]


def test_a_tag_is_read_for_each_member(folder: Path) -> None:
    metrics = read_run(folder).metrics
    assert metrics.by_member("train/q_mean")[4].tolist() == [5.0, 6.0, 7.0]
    assert metrics.by_member("time/fps").shape == (20, 1)  # of the run as a whole
    rows, values = metrics.known("rollout/ep_rew_mean")
    assert rows[0] == 1 and values.shape == (19, 3)  # the first row has none
    assert metrics.has("train/entropy") and not metrics.has("watch/findings")


def test_time_and_updates_of_a_row_without_them_are_interpolated() -> None:
    """A record of an evaluation alone has no time: at step 1,500 it is halfway between 60 s and 180 s."""
    steps = np.array([500.0, 1000.0, 1500.0, 2000.0, 2500.0])
    columns = {"time/time_elapsed": np.array([np.nan, 60.0, np.nan, 180.0, np.nan])}
    minutes = Metrics(steps, columns, members=1).axis("minutes")
    assert minutes[:4].tolist() == [0.5, 1.0, 2.0, 3.0]
    assert np.isnan(minutes[4])  # after the last known one nothing is known
    assert np.isnan(Metrics(steps, {}, members=1).axis("updates")).all()
    with pytest.raises(UserError, match="expected 'steps', 'minutes' or 'updates', got 'hours'"):
        Metrics(steps, {}, members=1).axis("hours")


def test_a_run_that_has_written_no_metrics_yet_is_read(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    (folder / "metrics.csv").unlink()
    run = read_run(folder)
    assert run.metrics.reached == 0 and run.metrics.tags == ()
    assert run.evaluations.means.shape == (0, 2)
    assert np.isnan(run.metrics.seconds) and np.isnan(run.metrics.updates)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metrics.csv", "step,a\n2,1\n1,1\n", "expected steps of at least 0 that never decrease"),
        ("metrics.csv", "step,a\nnan,1\n", "expected steps of at least 0 that never decrease"),
        ("metrics.csv", "a\n1\n", "expected the first column 'step'"),
        ("evaluations.csv", "step,return/0\n1,2\n", "expected columns return/E/M of each episode and each of 2"),
        ("evaluations.csv", "step\n1\n", "expected columns return/E/M"),
        ("evaluations.csv", "return/0\n1\n", "expected steps of at least 0"),
        ("config.json", "{}", "format None is not 2"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = made_run(tmp_path / "run")
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        read_run(folder)
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"run": {"steps": -1}}, "run steps: expected a whole number from 1"),
        ({"versions": {"torch": 2}}, "versions torch: expected a text"),
        ({"learner": {"algorithm": "sac", "settings": {}, "seeds": []}}, "expected from 1 to 10,000 seeds, got 0"),
        ({"surprise": 1}, "expected the entries"),
    ],
)
def test_a_config_of_another_form_is_refused(tmp_path: Path, sections: dict[str, Any], message: str) -> None:
    folder = made_run(tmp_path / "run")
    change_config(folder, **sections)
    with pytest.raises(UserError, match=message):
        read_run(folder)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        read_run(tmp_path)


def change_metrics(path: Path, column: str, last: str) -> None:
    """Change a column in the last row of metrics."""
    lines = (path / "metrics.csv").read_text().splitlines()
    cells = lines[-1].split(",")
    cells[lines[0].split(",").index(column)] = last
    (path / "metrics.csv").write_text("\n".join([*lines[:-1], ",".join(cells)]) + "\n")


@pytest.mark.parametrize("value", ["", "nan", "inf", "-1e308"])
def test_an_evaluation_without_finite_returns_stays(tmp_path: Path, value: str) -> None:
    folder = made_run(tmp_path / "run", members=2)
    change_metrics(folder, "eval/mean_reward/1", value)
    found = read_run(folder).evaluations
    assert found.steps[-1] == 20_000.0 and found.means[-1, 0] == 200.0 and np.isnan(found.means[-1, 1])
    change_metrics(folder, "eval/mean_reward/0", value)
    found = read_run(folder).evaluations
    assert found.steps[-1] == 20_000.0 and np.isnan(found.means[-1]).all()
    assert len(found.steps) == 10


def test_single_episodes_without_finite_returns_stay(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", members=2, episodes=True)
    lines = (folder / "evaluations.csv").read_text().splitlines()
    cells = lines[-1].split(",")
    cells[lines[0].split(",").index("return/0/1")] = "nan"
    (folder / "evaluations.csv").write_text("\n".join([*lines[:-1], ",".join(cells)]) + "\n")
    found = read_run(folder).evaluations
    assert found.steps[-1] == 20_000.0 and np.isnan(found.means[-1]).tolist() == [False, True]


@pytest.mark.parametrize("ending", ["finished", "interrupted", "failed"])
def test_a_run_has_the_state_that_its_ending_says(tmp_path: Path, ending: str) -> None:
    assert read_run(made_run(tmp_path / "run", ending=ending)).doing == ending
