"""The file of single evaluation episodes."""

from pathlib import Path

import numpy as np

from maxent.runs.evaluations import EvaluationSink
from maxent.runs.observer import Evaluation, RunHeader
from maxent.runs.table import read_table


def header(start: int = 0) -> RunHeader:
    return RunHeader("sac", "Line-v0", 2, "cpu", compiled=False, steps=100, start=start)


def evaluation(step: int) -> Evaluation:
    """Member m has the return 10m + e + step in episode e, which takes 5 + e steps."""
    return Evaluation(step, np.array([[0.0, 1.0], [10.0, 11.0]]) + step, np.array([[5, 6], [5, 6]]))


def test_each_episode_of_each_member_has_a_column(tmp_path: Path) -> None:
    sink = EvaluationSink(tmp_path / "evaluations.csv", 2)
    sink.on_start(header())
    sink.on_evaluation(evaluation(100))
    sink.flush()
    sink.on_end("finished")
    columns = read_table(tmp_path / "evaluations.csv")
    assert columns["step"].tolist() == [100.0]
    assert {name: columns[name][0] for name in ("return/0/0", "return/1/0", "return/0/1", "return/1/1")} == {
        "return/0/0": 100.0, "return/1/0": 101.0, "return/0/1": 110.0, "return/1/1": 111.0,
    }  # fmt: skip
    assert columns["return/1"][0] == 106.0  # the mean of 101 and 111
    assert columns["length/1/0"][0] == 6.0


def test_a_run_that_goes_back_drops_what_comes_after(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.csv"
    for start, steps in ((0, (10, 20, 30)), (20, (30, 40))):
        sink = EvaluationSink(path, 2)
        sink.on_start(header(start))
        for step in steps:
            sink.on_evaluation(evaluation(step))
        sink.on_end("finished")
    assert read_table(path)["step"].tolist() == [10.0, 20.0, 30.0, 40.0]
