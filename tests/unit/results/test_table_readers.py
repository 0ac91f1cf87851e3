"""Readers of CSV files: tables of curves, W&B, Trackio and Stable-Baselines3's logger."""

from pathlib import Path

import pytest
from foreign_files import PROGRESS, TRACKIO_CHART, WANDB_CHART

from maxent.errors import UserError
from maxent.results.readers.sources import Source, read_all


def read(path, **others):
    curves, notes = read_all([Source(Path(path), **others)])
    assert notes == []
    return curves


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_curves(tmp_path):
    text = "algorithm,env,seed,step,return,seconds\nsac,A-v1,0,20,2.5,9\nsac,A-v1,0,10,1.5,4\ntd3,A-v1,1,10,7,3\n"
    sac, td3 = read(written(tmp_path / "curves.csv", text))
    assert (sac.algorithm, sac.env, sac.seed) == ("sac", "A-v1", 0)
    assert (sac.steps.tolist(), sac.returns.tolist(), sac.seconds.tolist()) == ([10, 20], [1.5, 2.5], [4, 9])
    assert (td3.algorithm, td3.seed) == ("td3", 1)


def test_a_table_with_settings_and_failures(tmp_path):
    rows = [f'"a, b",A-v1,0,{step},{value},"{{""alpha"": 0.2}}"' for step, value in ((10, 1), (20, "nan"))]
    text = "\n".join(["group,env,seed,step,return,settings", *rows, ""])
    (curve,) = read(written(tmp_path / "curves.csv", text))
    assert (curve.algorithm, dict(curve.settings), curve.failed) == ("a, b", {"alpha": 0.2}, True)


def test_a_chart_of_wandb(tmp_path):
    sac, td3 = read(written(tmp_path / "wandb_export_2026.csv", WANDB_CHART))
    assert (sac.algorithm, sac.env, sac.seed, sac.measured) == ("sac_continuous_action", "Hopper-v4", 1, "training")
    assert (sac.steps.tolist(), sac.returns.tolist()) == ([1000, 2000], [12.5, 20.5])
    assert (td3.algorithm, td3.seed, td3.steps.tolist()) == ("td3", 2, [2000, 3000])


def test_a_chart_of_wandb_with_two_metrics_needs_a_choice(tmp_path):
    path = written(tmp_path / "a.csv", '"Step","x - loss","x - gain"\n"1","2","3"\n')
    with pytest.raises(UserError, match="--metric NAME chooses one"):
        read(path)
    assert read(path, metric="gain")[0].returns.tolist() == [3.0]


def test_a_chart_over_time_is_refused(tmp_path):
    path = written(tmp_path / "a.csv", '"Relative Time (Process)","x - eval/mean_reward"\n"1","2"\n')
    with pytest.raises(UserError, match="expected steps in the first column"):
        read(path)


def test_a_chart_of_trackio(tmp_path):
    first, second = read(written(tmp_path / "eval_mean_reward.csv", TRACKIO_CHART), env="Pendulum-v1")
    assert [(curve.algorithm, curve.env, curve.seed) for curve in (first, second)] == [
        ("sac", "Pendulum-v1", 1),
        ("sac", "Pendulum-v1", 2),
    ]
    assert second.returns.tolist() == [-400.5, -250.5]
    assert second.seconds.tolist() == [0.0, 120.0]


def test_a_history_of_wandb(tmp_path):
    """Single episodes are averaged as in an event file: here two in each of 50 pieces."""
    rows = [f"{k},{k / 10},{1e9 + k},{10 * k},{k}" for k in range(1, 101)]
    text = "\n".join(["_step,_runtime,_timestamp,global_step,charts/episodic_return", *rows, ""])
    (curve,) = read(written(tmp_path / "Hopper-v4__ppo__2__1700000000.csv", text))
    assert (curve.algorithm, curve.env, curve.seed, curve.measured) == ("ppo", "Hopper-v4", 2, "training")
    assert curve.steps.tolist() == [20.0 * k for k in range(1, 51)]
    assert curve.returns.tolist() == [2 * k - 0.5 for k in range(1, 51)]
    assert curve.seconds == pytest.approx([0.2 * k for k in range(1, 51)])


def test_progress_of_stable_baselines3(tmp_path):
    (tmp_path / "sac_Pendulum-v1_seed4").mkdir()
    (curve,) = read(written(tmp_path / "sac_Pendulum-v1_seed4" / "progress.csv", PROGRESS))
    assert (curve.algorithm, curve.env, curve.seed) == ("sac", "Pendulum-v1", 4)
    assert (curve.steps.tolist(), curve.returns.tolist()) == ([1000, 2000], [-900.5, -700.5])
    assert curve.seconds.tolist() == [3.0, 6.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header and rows"),
        ("step,return\n", "expected a header and rows"),
        ("a,b\n1,2\n", "expected a column of steps and one of returns"),
        ("step,return\n1,x\n", "row 2: expected a number, got 'x'"),
        ("step,return\n1\n", "row 2: expected 2 cells as in the header, got 1"),
        ("step,return\n,\n", "expected rows with a step and a return"),
        ("step,return\n-5,1\n", "expected evaluations with their steps"),
        ("seed,step,return\n-1,1,1\n", "seed: expected a whole number"),
        ("step,return,settings\n1,1,{\n", "not a JSON file"),
        ("step,return\n1," + "9" * 200_000 + "\n", "not a CSV file"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(written(tmp_path / "curves.csv", text))
