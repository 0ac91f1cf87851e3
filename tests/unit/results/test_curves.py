"""Curves of single seeds, their bands, references and the scale of scores."""

import numpy as np
import pytest

from maxent.errors import UserError
from maxent.results.curves import make_curve
from maxent.results.references import references_for
from maxent.results.scores import read_scale
from maxent.results.series import band

STEPS = [100.0, 200.0, 300.0]


def curve(algorithm, seed, returns, env="A-v1", steps=STEPS, **others):
    return make_curve(algorithm, env, seed, steps[: len(returns)], returns, **others)


def group(algorithm, ends, **others):
    """Seeds that end with these returns."""
    return [curve(algorithm, seed, [0.0, 1.0, end], **others) for seed, end in enumerate(ends)]


def test_points_are_sorted_and_the_last_of_a_step_counts():
    found = make_curve("a", "e", 0, [20, 10, 20], [1.0, 2.0, 3.0], [5.0, 1.0, 6.0])
    assert (found.steps.tolist(), found.returns.tolist(), found.seconds.tolist()) == ([10, 20], [2.0, 3.0], [1.0, 6.0])


def test_times_that_go_back_are_not_known():
    assert make_curve("a", "e", 0, [10, 20], [1.0, 2.0], [5.0, 1.0]).seconds is None
    assert make_curve("a", "e", 0, [10, 20], [1.0, 2.0], [5.0, np.nan]).seconds is None


def test_nothing_is_extrapolated():
    found = curve("a", 0, [0.0, 10.0, 30.0])
    assert found.values([100, 150, 250, 300]).tolist() == [0.0, 5.0, 20.0, 30.0]
    assert np.isnan(found.values([99, 301])).all()


def test_a_failure_is_none_before_it_happens():
    found = curve("a", 0, [0.0, 10.0, float("inf")])
    assert found.failed
    assert found.values([100, 200]).tolist() == [0.0, 10.0]
    assert np.isnan(found.values([201, 300])).all()


def test_a_band_is_where_all_seeds_were_measured():
    first, second = curve("a", 0, [0.0, 2.0, 4.0]), curve("a", 1, [4.0, 6.0], steps=[150.0, 300.0])
    found = band([first, second])
    assert found is not None
    assert found.axis.tolist() == [150.0, 200.0, 300.0]
    # At 150: 1 and 4; at 200: 2 and 4 + 2/3; at 300: 4 and 6.
    assert found.iqm.value == pytest.approx([2.5, (2 + 14 / 3) / 2, 5.0])
    assert (found.iqm.low <= found.iqm.value).all()
    assert band([first, second], minutes=True) is None


def test_the_table_of_the_package():
    scale = read_scale("package")
    assert set(scale.ends) == {"Ant-v4", "HalfCheetah-v4", "Hopper-v4", "Humanoid-v4", "Walker2d-v4"}
    assert all(low < high for low, high in scale.ends.values())


def test_references_of_another_version_are_noted():
    others = [*group("sac", [1.0], env="A-v0"), *group("sac", [1.0], env="B-v1")]
    found, notes = references_for(group("good", [11.0, 12.0]), others, "file.csv")
    assert [(one.algorithm, one.env, one.reference) for one in found] == [("sac (reference)", "A-v1", True)]
    assert notes == ["A-v1: the references are of A-v0, another version or name of the task."]
    found, notes = references_for(group("good", [11.0, 12.0]), others[1:], "file.csv")
    assert (found, notes) == ([], ["file.csv has no curves of A-v1, only of B-v1."])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("env,low\nA,1\n", "expected the columns env, random, reference"),
        ("env,random,reference\nA,1,x\n", "expected numbers"),
        ("env,random,reference\nA,1,1\n", "two finite scores that differ"),
    ],
)
def test_a_wrong_table_of_scores_is_refused(tmp_path, text, message):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_scale(str(tmp_path / "scores.csv"))
