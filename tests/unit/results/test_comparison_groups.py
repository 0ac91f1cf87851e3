"""What comparisons tell apart, scale and refuse."""

import csv

import numpy as np
import pytest
from made_curves import BAD, GOOD, STEPS, cell_of, curve, group

from maxent.errors import UserError
from maxent.results import tables, verdict
from maxent.results.comparison import compare
from maxent.results.curves import make_curve
from maxent.results.scores import Scale


def test_unequal_numbers_of_seeds():
    comparison = compare([*GOOD[:2], *BAD])
    (pair,) = comparison.pairs
    assert pair.seeds == ((2, 5),)
    assert pair.p == pytest.approx(2 / 21)  # of C(7, 2) divisions


def test_the_same_seed_twice_is_refused_and_names_what_differs():
    first = curve("sac", 0, [1.0], settings={"lr": 0.1, "log_every": 5}, source="runs/a")
    second = curve("sac", 0, [2.0], settings={"lr": 0.2, "log_every": 6}, source="runs/b")
    message = r"sac on A-v1 has seed 0 twice, in runs/a and runs/b; they differ in lr: use --by lr\."
    with pytest.raises(UserError, match=message):
        compare([first, second])
    assert compare([first, second], by=["lr"]).groups == ["lr 0.1", "lr 0.2"]
    assert compare([first, second], by=["algo", "run"]).groups == ["sac, a", "sac, b"]
    with pytest.raises(UserError, match="use --by run, or leave one out"):
        compare([first, curve("sac", 0, [2.0], source="runs/b")])


def test_settings_inside_a_choice():
    kinds = [{"alpha": {"kind": "auto", "initial": 1.0}}, {"alpha": 0.2}]
    curves = [curve("sac", seed, [1.0], settings=one) for seed, one in enumerate(kinds)]
    assert compare(curves, by=["alpha"]).groups == ["alpha auto initial=1.0", "alpha 0.2"]
    assert compare(curves, by=["alpha.initial"]).groups == ["alpha.initial 1", "alpha.initial not set"]
    with pytest.raises(UserError, match=r"--by: expected algo, env, run or a setting \(alpha, .*got 'gamma'"):
        compare(curves, by=["gamma"])


def test_settings_are_told_apart_beyond_the_length_of_a_label():
    """The values differ after their 60th character, and in the seventh digit."""
    texts = [{"note": "x" * 80 + end} for end in "ab"]
    comparison = compare([curve("sac", 0, [float(k)], settings=one) for k, one in enumerate(texts)], by=["note"])
    assert [len(cell.scores) for cell in comparison.cells] == [1, 1]
    first, second = comparison.groups
    assert (len(first), second[-4:], len(second) <= 60) == (60, " (2)", True)
    rates = [{"lr": 1.0000001}, {"lr": 1.0}, {"lr": 1}]
    comparison = compare([curve("sac", k, [float(k)], settings=one) for k, one in enumerate(rates)], by=["lr"])
    assert [(cell.group, len(cell.scores)) for cell in comparison.cells] == [("lr 1.0000001", 1), ("lr 1", 2)]


def test_environments_are_told_apart_beyond_the_length_of_a_label():
    comparison = compare([curve("a", 0, [1.0], env="E" * 70 + end) for end in "xy"])
    assert len(comparison.at) == 2


def test_choices_of_one_kind_are_named_by_the_entries_that_differ():
    common = {"kind": "auto", "initial": 0.1, "learning_rate": None, "target_entropy": None}
    values = [common, {**common, "factor": "log_alpha"}]
    curves = [curve("sac", 0, [1.0], settings={"alpha": one}) for one in values]
    assert compare(curves, by=["alpha"]).groups == ["alpha.factor not set", "alpha.factor log_alpha"]


def test_runs_of_different_settings_under_one_label_are_noted():
    curves = [curve("sac", seed, [1.0], settings={"lr": seed}) for seed in range(2)]
    assert compare(curves).notes[0] == "One label has runs of different settings: sac (lr); --by separates them."


def test_training_returns_beside_evaluations_are_noted():
    comparison = compare([*GOOD, *group("bad", [1.0, 2.0], measured="training")])
    assert any(note.startswith("bad: returns of training episodes") for note in comparison.notes)


def test_environments_can_be_what_is_compared():
    comparison = compare([*group("sac", [1.0, 2.0], env="A-v1"), *group("sac", [3.0, 4.0], env="A-v2")], by=["env"])
    assert comparison.groups == ["A-v1", "A-v2"]
    assert comparison.pairs[0].better == "A-v2"


def test_minutes_instead_of_steps():
    slow = [curve("slow", seed, [0.0, 10.0, 30.0], seconds=[60, 120, 180]) for seed in range(2)]
    fast = [curve("fast", seed, [0.0, 4.0, 6.0], seconds=[30, 60, 90]) for seed in range(2)]
    comparison = compare([*slow, *fast], minutes=True)
    assert comparison.at == {"A-v1": 1.5}  # slow is between 0 after one minute and 10 after two
    assert cell_of(comparison, "slow").scores.tolist() == [5.0, 5.0]
    assert cell_of(comparison, "fast").scores.tolist() == [6.0, 6.0]
    by_steps = compare([*slow, *fast])
    assert (cell_of(by_steps, "slow").minutes, cell_of(by_steps, "fast").minutes) == (3.0, 1.5)
    with pytest.raises(UserError, match="the time of no run is known"):
        compare([*GOOD, *BAD], minutes=True)


def test_normalised_scores_over_environments():
    """0 is random, 1 the reference: (13 − 3) / 10 on A-v1 and (6 − 2) / 8 on B-v1."""
    scale = Scale({"A-v1": (3.0, 13.0), "B-v1": (2.0, 10.0)}, "the test")
    curves = [*GOOD, *BAD, *group("good", [6.0] * 5, env="B-v1"), *group("bad", [2.0] * 5, env="B-v1")]
    comparison = compare(curves, scale=scale)
    assert cell_of(comparison, "good").iqm.value == 1.0
    good, bad = comparison.totals
    assert (good.group, float(good.mean.value)) == ("good", pytest.approx(0.75))
    assert float(bad.mean.value) == pytest.approx(0.0, abs=1e-12)
    # Of 0.5 five times, 0.8, 0.9, …, 1.2 two are left out at either end.
    assert float(good.iqm.value) == pytest.approx((3 * 0.5 + 0.8 + 0.9 + 1.0) / 6)
    assert compare(curves).totals == ()  # returns of different environments have no common scale
    partly = compare(curves, scale=Scale({"B-v1": (2.0, 10.0)}, "the test"))
    assert list(partly.at) == ["B-v1"]
    assert "Left out, since the test has no scores of them: A-v1." in partly.notes


def test_references_do_not_shorten_the_comparison_and_are_not_compared_with_each_other():
    references = [
        one.as_reference("A-v1") for name in ("x", "y") for one in [curve(name, 0, [5.0]), curve(name, 1, [6.0])]
    ]
    late = [make_curve("late", "A-v1", 0, [900.0], [5.0], reference=True)]
    comparison = compare([*GOOD, *references, *late])
    assert comparison.at == {"A-v1": 300.0}
    assert not any("went on" in note for note in comparison.notes)  # though late ends at 900
    assert comparison.pairs == ()
    assert set(comparison.curves["A-v1"]) == {"good", "x (reference)", "y (reference)", "late"}  # all are drawn


def test_p_values_are_adjusted_for_the_number_of_pairs():
    comparison = compare([*GOOD, *BAD, *group("worse", [-1.0, -2.0, -3.0, -4.0, -5.0])])
    assert [pair.adjusted for pair in comparison.pairs] == pytest.approx([6 / 252] * 3)
    assert "p = 0.024 adjusted for 3 pairs" in verdict.sentences(comparison)[0]


def test_many_settings_are_told_by_the_best():
    curves = [one for k in range(5) for one in group(f"s{k}", [k + 0.1 * seed for seed in range(5)])]
    first, *lines = verdict.sentences(compare(curves))
    assert first == "s4 against the others; --csv has all 10 pairs."
    assert len(lines) == 4


def test_too_many_settings_are_refused():
    with pytest.raises(UserError, match="expected at most 20 settings to compare, got 21"):
        compare([curve(f"s{k}", 0, [1.0]) for k in range(21)])


def test_too_many_seeds_and_environments_are_refused():
    with pytest.raises(UserError, match="s on A-v1: expected at most 1,000 seeds, got 1,001"):
        compare([curve("s", seed, [1.0]) for seed in range(1_001)])
    with pytest.raises(UserError, match="expected at most 200 environments, got 201"):
        compare([curve("s", 0, [1.0], env=f"E-v{k}") for k in range(201)])


def test_many_seeds_are_compared_within_bounds_of_memory():
    first, second = (
        [curve(name, seed, [shift + seed % 97]) for seed in range(500)] for name, shift in (("a", 9), ("b", 0))
    )
    (pair,) = compare([*first, *second]).pairs
    assert pair.better == "a"
    assert pair.probability.low < pair.probability.value < pair.probability.high


def test_the_file_holds_the_numbers_of_the_table(tmp_path):
    comparison = compare([*GOOD, *BAD])
    tables.write(comparison, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (iqm,) = [row for row in rows if (row["what"], row["setting"]) == ("iqm", "good")]
    good = cell_of(comparison, "good")
    assert (float(iqm["value"]), float(iqm["low"])) == (13.0, float(good.iqm.low))
    assert (iqm["env"], float(iqm["step"]), iqm["seeds"]) == ("A-v1", 300.0, "5")
    assert [float(row["value"]) for row in rows if (row["what"], row["setting"]) == ("score", "bad")] == [1, 2, 3, 4, 5]
    assert [float(row["step"]) for row in rows if (row["what"], row["setting"]) == ("curve", "good")] == STEPS
    (p,) = [row for row in rows if row["what"] == "p"]
    assert (p["setting"], p["other"], float(p["value"])) == ("good", "bad", comparison.pairs[0].p)
    profile = [float(row["value"]) for row in rows if (row["what"], row["setting"]) == ("profile", "bad")]
    assert (profile[0], profile[-1]) == (1.0, 0.0)


def test_an_environment_without_a_run_at_the_place_is_left_out_without_calling_it_failed():
    comparison = compare([*GOOD, *BAD, *group("good", [1.0], env="B-v1", steps=[10.0, 20.0, 30.0])], at=300)
    assert list(comparison.at) == ["A-v1"]
    assert "B-v1: left out, since not measured at 300 steps: seed 0 of good (10 to 30)." in comparison.notes
    assert not any("every run failed" in note for note in comparison.notes)


def test_a_tiny_difference_would_take_more_seeds_than_anyone_has():
    values = np.arange(51.0)
    (pair,) = compare([*group("a", values), *group("b", values + 0.5)]).pairs
    assert "more than 1,000 seeds of each would show it" in verdict.sentence(pair)
