"""Comparison of settings: where, with which scores, and in which words."""

import numpy as np
import pytest
from made_curves import BAD, GOOD, cell_of, curve, group

from maxent.errors import UserError
from maxent.results import tables, verdict
from maxent.results.comparison import compare
from maxent.results.scores import Scale
from maxent.results.series import band
from maxent.statistics import seeds_needed


def test_two_settings():
    """All five seeds of one are above all of the other: 2 of 252 divisions are as clear."""
    comparison = compare([*BAD, *GOOD])
    good, bad = cell_of(comparison, "good"), cell_of(comparison, "bad")
    assert comparison.at == {"A-v1": 300.0}
    assert (good.iqm.value, good.mean.value, bad.iqm.value) == (13.0, 13.0, 3.0)
    assert 11 <= good.iqm.low < 13 < good.iqm.high <= 15
    (pair,) = comparison.pairs
    assert (pair.better, pair.worse, pair.probability.value) == ("good", "bad", 1.0)
    assert pair.p == pair.adjusted == pytest.approx(2 / 252)
    assert pair.difference is not None
    assert pair.difference.value == 10.0
    (line,) = verdict.sentences(comparison)
    assert line == (
        "good is better than bad on A-v1, by more than noise (p = 0.0079; probability of improvement 100%, "
        "95 % interval 57% to 100%; 5 against 5 seeds)."
    )


def test_a_difference_that_may_be_noise_says_how_many_seeds_it_takes():
    first, second = group("a", [1.0, 4.0, 5.0, 8.0]), group("b", [2.0, 3.0, 6.0, 0.0])
    (pair,) = compare([*first, *second]).pairs
    # a wins 1 > 0; 4 > 2, 3, 0; 5 > 2, 3, 0; 8 > all: 11 of 16 pairs.
    assert pair.probability.value == 11 / 16
    line = verdict.sentence(pair)
    assert line.startswith("The difference of a and b on A-v1 is not shown to be more than noise (p = ")
    assert f"about {seeds_needed(11 / 16)} seeds of each would show it" in line


def test_equal_settings_need_no_more_seeds():
    (pair,) = compare([*group("a", [1.0, 2.0, 3.0, 4.0]), *group("b", [1.0, 2.0, 3.0, 4.0])]).pairs
    assert "As measured there is no difference that more seeds would show." in verdict.sentence(pair)


def test_three_seeds_cannot_show_a_difference():
    comparison = compare([*GOOD[:3], *BAD[:3]])
    (line,) = verdict.sentences(comparison)
    assert "no difference is shown to be more than noise, and 3 against 3 seeds cannot show one, however large" in line
    assert "about 4 seeds of each would show it" in line  # 2 / C(8, 4) = 0.029
    assert any("fewer than 10 seeds are too narrow" in note for note in comparison.notes)


def test_what_cannot_be_shown_depends_on_the_number_of_pairs():
    """Four seeds against four: p is at least 2 / C(8, 4) = 0.0286, above 0.05 / 3; five reach 2 / 252 = 0.0079."""
    comparison = compare([*GOOD[:4], *BAD[:4], *group("worse", [-1.0, -2.0, -3.0, -4.0])])
    for line in verdict.sentences(comparison):
        assert "4 against 4 seeds cannot show one among 3 pairs, however large it is" in line
        assert "about 5 seeds of each would show it" in line


def test_more_seeds_than_there_are_are_asked_for():
    """Two seeds on six environments could show it, 2 / C(4, 2)⁶ < 0.05, so `least_seeds` is 2."""
    envs = [f"E-v{k}" for k in range(6)]
    a = [one for env in envs for one in group("a", [1.0, 4.0], env=env)]
    b = [one for env in envs for one in group("b", [2.0, 3.0], env=env)]
    (line,) = verdict.sentences(compare([*a, *b]))
    assert line.endswith(
        "Two seeds tell little of the size of a difference: it takes at least 3 of each on each environment."
    )


def test_opposite_effects_are_told_by_environment():
    """a is above b in all five seeds on A-v1 and below on B-v1: 50 % over both, p = 2/252 times 2 (Holm) on each."""
    curves = [*GOOD, *BAD, *group("good", [1.0, 2.0, 3.0, 4.0, 5.0], env="B-v1")]
    curves += group("bad", [11.0, 12.0, 13.0, 14.0, 15.0], env="B-v1")
    comparison = compare(curves)
    (pair,) = comparison.pairs
    assert [(effect.env, effect.probability) for effect in pair.effects] == [("A-v1", 1.0), ("B-v1", 0.0)]
    assert [effect.adjusted for effect in pair.effects] == pytest.approx([4 / 252] * 2)
    (line,) = verdict.sentences(comparison)
    assert line.startswith(
        "good is better than bad on A-v1 and worse on B-v1, both by more than noise (p ≤ 0.016 on each, adjusted for 2 "
        "tests of single environments; over all 2 environments p = 1; probability of improvement 50%"
    )
    (few,) = verdict.sentences(compare([one for one in curves if one.seed < 3]))
    assert "As measured it cancels over the environments; compare each by itself." in few


def test_the_environments_of_all_pairs_are_adjusted_for_together():
    """Three settings on two environments are six tests: 6 · 2/252 = 0.048."""
    values = [11.0, 12.0, 13.0, 14.0, 15.0]
    curves = [*GOOD, *BAD, *group("other", [value + 100 for value in values])]
    for name, shift in (("good", 0.0), ("bad", 20.0), ("other", 100.0)):
        curves += group(name, [value + shift for value in values], env="B-v1")
    comparison = compare(curves)
    assert [one.adjusted for pair in comparison.pairs for one in pair.effects] == pytest.approx([12 / 252] * 6)
    assert "adjusted for 6 tests of single environments" in verdict.sentences(comparison)[0]


def test_a_setting_that_is_better_on_the_whole_but_worse_somewhere():
    """On eleven environments 28 of 36 pairs are won, which alone is noise; on the twelfth none: 12 · 2/924 = 0.026."""
    curves = []
    for k in range(12):
        curves += group("a", [11.0, 12.0, 13.0, 14.0, 15.0, 16.0], env=f"E-v{k}")
        curves += group("b", [value + (20.0 if k == 11 else -2.0) for value in range(11, 17)], env=f"E-v{k}")
    (line,) = verdict.sentences(compare(curves))
    assert line.startswith("a is better than b on 12 environments, by more than noise")
    assert line.endswith(
        "On E-v11 alone a is worse, by more than noise (p = 0.026, adjusted for 12 tests of single environments)."
    )


def test_one_seed():
    comparison = compare([GOOD[0], BAD[0]])
    (line,) = verdict.sentences(comparison)
    assert "1 against 1 seeds cannot show" in line
    assert line.endswith("One seed tells little of the size of a difference: it takes at least 4 of each.")
    assert "11.00 (one seed)" in "\n".join(tables.lines(comparison))


def test_one_evaluation():
    comparison = compare([curve("a", 0, [3.0]), curve("b", 0, [2.0])])
    assert comparison.at == {"A-v1": 100.0}
    found = band([curve("a", 0, [3.0]), curve("a", 1, [5.0])])
    assert found is not None
    assert (found.axis.tolist(), found.iqm.value.tolist()) == ([100.0], [4.0])


def test_one_setting_is_no_comparison():
    assert verdict.sentences(compare(GOOD)) == ["Only good was found: a comparison takes two settings."]


def test_settings_without_a_common_environment():
    comparison = compare([*GOOD, *group("bad", [1.0, 2.0], env="B-v1")])
    assert comparison.pairs == ()
    assert verdict.sentences(comparison) == ["No two settings share an environment, so none can be compared."]


def test_different_grids_are_compared_where_the_shortest_ends():
    """At 250 the other curve is between 10 at 200 and 30 at 300."""
    long = [curve("long", seed, [0.0, 10.0, 30.0]) for seed in range(2)]
    short = [curve("short", seed, [0.0, 5.0], steps=[50.0, 250.0]) for seed in range(2)]
    comparison = compare([*long, *short])
    assert comparison.at == {"A-v1": 250.0}
    assert cell_of(comparison, "long").scores.tolist() == [20.0, 20.0]
    assert cell_of(comparison, "short").scores.tolist() == [5.0, 5.0]
    assert "A-v1: compared at 250 steps, where the shortest run ends (short, seed 0); long went on." in comparison.notes


def test_a_chosen_step_leaves_shorter_runs_out():
    long = [curve("long", seed, [0.0, 10.0, 30.0]) for seed in range(2)]
    short = [curve("short", seed, [0.0, 5.0]) for seed in range(2)]
    comparison = compare([*long, *short], at=300)
    assert [cell.group for cell in comparison.cells] == ["long"]
    assert "A-v1: left out, since not measured at 300 steps: 2 seeds of short (100 to 200)." in comparison.notes
    with pytest.raises(UserError, match=r"There is nothing to compare\. A-v1: left out"):
        compare([*long, *short], at=5000)


def test_a_run_that_ends_before_the_others_begin_removes_none_of_them():
    short = curve("good", 9, [0.0], steps=[50.0])
    comparison = compare([*GOOD, *BAD, short])
    assert comparison.at == {"A-v1": 300.0}
    assert [len(cell.scores) for cell in comparison.cells] == [5, 5]
    assert comparison.notes[0] == "A-v1: left out, since not measured at 300 steps: seed 9 of good (at 50)."


def test_a_note_names_settings_that_went_on_though_they_are_left_out():
    short = [curve("short", seed, [0.0, 1.0]) for seed in range(3)]
    late = curve("late", 0, [5.0, 6.0], steps=[250.0, 900.0])
    comparison = compare([*short, late])
    assert comparison.at == {"A-v1": 200.0}
    assert "A-v1: left out, since not measured at 200 steps: seed 0 of late (250 to 900)." in comparison.notes
    assert "A-v1: compared at 200 steps, where the shortest run ends (short, seed 0); late went on." in comparison.notes


def test_the_curve_of_a_failed_seed_is_the_lowest_return_of_the_table():
    """The lowest return there is bad's, −50; that of good's own seeds is 0."""
    failed = [*GOOD[:2], curve("good", 9, [0.0, 1.0, float("nan")])]
    comparison = compare([*failed, curve("bad", 0, [-50.0, 1.0, 2.0])])
    assert sorted(cell_of(comparison, "good").scores) == [-50.0, 11.0, 12.0]
    found = band(comparison.curves["A-v1"]["good"], lowest=comparison.lowest["A-v1"])
    assert found is not None
    assert found.iqm.value[-1] == cell_of(comparison, "good").iqm.value == pytest.approx((11 + 12 - 50) / 3)
    rows = [row for row in tables._rows(comparison) if (row["what"], row["setting"]) == ("curve", "good")]
    assert rows[-1]["value"] == pytest.approx(-9.0)


def test_totals_without_the_spread_of_an_environment_have_no_interval():
    scale = Scale({"A-v1": (3.0, 13.0), "B-v1": (2.0, 10.0)}, "the test")
    curves = [*GOOD, *BAD, *group("good", [6.0] * 5, env="B-v1"), curve("bad", 0, [0.0, 1.0, 2.0], env="B-v1")]
    comparison = compare(curves, scale=scale)
    good, bad = comparison.totals
    assert good.iqm.low < good.iqm.high
    assert np.isnan([bad.iqm.low, bad.mean.high, comparison.pairs[0].probability.low]).all()
    assert any(
        note.startswith("All environments: no interval for bad, which has one seed on B-v1")
        for note in comparison.notes
    )
    assert "(no interval)" in "\n".join(tables.lines(comparison))


def test_failed_seeds_count_with_the_lowest_return():
    failed = [*GOOD[:4], curve("good", 9, [-7.0, float("nan")])]
    comparison = compare([*failed, *BAD])
    assert comparison.at == {"A-v1": 300.0}  # a failure does not shorten the comparison
    good = cell_of(comparison, "good")
    assert good.failed == 1
    assert sorted(good.scores) == [-7.0, 11.0, 12.0, 13.0, 14.0]
    assert (
        "A-v1: 1 of 5 seeds of good failed (no finite return); counted with the lowest return of any run there, -7."
        in comparison.notes
    )
    assert "5 (1 failed)" in "\n".join(tables.lines(comparison))


def test_a_setting_whose_seeds_all_failed():
    comparison = compare([*[curve("nan", seed, [float("nan")]) for seed in range(4)], *BAD[:4]])
    assert cell_of(comparison, "nan").failed == 4
    (pair,) = comparison.pairs
    assert (pair.better, pair.worse) == ("bad", "nan")


def test_when_everything_failed_there_is_nothing_to_compare():
    with pytest.raises(UserError, match="every run failed"):
        compare([curve("a", 0, [float("nan")]), curve("b", 0, [float("nan")])])
