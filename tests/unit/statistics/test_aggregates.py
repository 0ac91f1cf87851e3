"""Summaries over seeds and their bootstrap intervals: by hand, against scipy, and against rliable."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from maxent.results.comparison import COVERAGE
from maxent.statistics import (
    difference_estimate,
    improvement_estimate,
    interquartile_mean,
    mean_of_means,
    performance_profile,
    stratified_estimate,
)


def scores(seeds=10, envs=4, shift=0.0, seed=0):
    """Skewed scores of several environments. [seeds, envs]"""
    return np.random.default_rng(seed).gamma(2.0, 1.0 + np.arange(envs), (seeds, envs)) + shift


def strata(matrix):
    return list(matrix.T.copy())


@pytest.fixture(scope="module")
def rliable():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its dependencies
            from rliable import library, metrics
    except ImportError:
        pytest.skip("rliable, to compare with, is not installed: pip install 'maxent[dev]'")
    return SimpleNamespace(library=library, metrics=metrics)


def test_the_interquartile_mean_by_hand():
    # Of 1 2 3 4 10 one is left out at either end: (2 + 3 + 4) / 3. Of three values none is.
    assert interquartile_mean([np.array([10.0, 1.0, 4.0, 2.0, 3.0])]) == 3.0
    assert interquartile_mean([np.array([0.0, 1.0, 8.0])]) == 3.0
    # Environments are pooled: 0 1 2 3 4 5 6 7 loses two at either end.
    assert interquartile_mean([np.array([0.0, 7.0, 2.0, 5.0]), np.array([1.0, 6.0, 3.0, 4.0])]) == 3.5


@pytest.mark.parametrize("seeds", [1, 2, 3, 4, 5, 8, 11])
def test_the_interquartile_mean_against_scipy(seeds):
    matrix = scores(seeds)
    assert interquartile_mean(strata(matrix)) == pytest.approx(stats.trim_mean(matrix, 0.25, axis=None), rel=1e-12)


def test_environments_weigh_alike_in_the_mean_whatever_their_seeds():
    # (mean of 1 and 3, and of 5 alone): (2 + 5) / 2
    assert mean_of_means([np.array([1.0, 3.0]), np.array([5.0])]) == 3.5


def test_the_profile_by_hand():
    # Above 1, not at it: 1 of 2 seeds and 1 of 1, so (1/2 + 1) / 2.
    shares = performance_profile([np.array([1.0, 2.0]), np.array([9.0])], [0.0, 1.0, 5.0, 9.0])
    assert shares.tolist() == [1.0, 0.75, 0.5, 0.0]


def test_leading_axes_are_resamples():
    drawn = [np.random.default_rng(0).normal(size=(3, 7)), np.random.default_rng(1).normal(size=(3, 5))]
    for statistic in (interquartile_mean, mean_of_means, lambda one: performance_profile(one, [-1.0, 0.0, 1.0])):
        together = statistic(drawn)
        for place in range(3):
            assert np.allclose(together[place], statistic([one[place] for one in drawn]), rtol=1e-14)


def test_point_estimates_are_those_of_rliable(rliable):
    first, second = scores(), scores(7, shift=0.7, seed=1)
    metrics = rliable.metrics
    assert interquartile_mean(strata(first)) == pytest.approx(metrics.aggregate_iqm(first), rel=1e-12)
    assert mean_of_means(strata(first)) == pytest.approx(metrics.aggregate_mean(first), rel=1e-12)
    ours = improvement_estimate(strata(first), strata(second), resamples=1).value
    assert ours == pytest.approx(metrics.probability_of_improvement(first, second), rel=1e-12)
    thresholds = np.linspace(0, 10, 21)
    theirs = [rliable.library.run_score_deviation(first, one) for one in thresholds]
    assert performance_profile(strata(first), thresholds) == pytest.approx(theirs, rel=1e-12)


def test_intervals_are_those_of_rliable(rliable):
    """Both are percentiles of thousands of random resamples: they agree to a few percent of the interval's width."""
    first, second = scores(), scores(7, shift=0.7, seed=1)
    library, metrics = rliable.library, rliable.metrics
    np.random.seed(0)  # noqa: NPY002
    cases = [
        (lambda x: np.array([metrics.aggregate_iqm(x)]), first, stratified_estimate(strata(first), interquartile_mean)),
        (lambda x: np.array([metrics.aggregate_mean(x)]), first, stratified_estimate(strata(first), mean_of_means)),
        (
            lambda x, y: np.array([metrics.probability_of_improvement(x, y)]),
            (first, second),
            improvement_estimate(strata(first), strata(second)),
        ),
    ]
    for function, data, ours in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            point, interval = library.get_interval_estimates({"a": data}, function, reps=1_000)
        low, high = interval["a"][:, 0]
        assert float(ours.value) == pytest.approx(point["a"][0], rel=1e-12)
        assert float(ours.low) == pytest.approx(low, abs=0.1 * (high - low))
        assert float(ours.high) == pytest.approx(high, abs=0.1 * (high - low))


def test_an_interval_of_normal_scores_has_the_width_of_theory():
    # The bootstrap's standard error of a mean of n is s √((n − 1)/n) / √n; the interval is ±1.96 of it.
    values = np.random.default_rng(0).normal(size=400)
    estimate = stratified_estimate([values], mean_of_means)
    half = 1.96 * values.std() / 20
    assert float(estimate.high - estimate.value) == pytest.approx(half, rel=0.08)
    assert float(estimate.value - estimate.low) == pytest.approx(half, rel=0.08)


@pytest.mark.parametrize("seeds", COVERAGE)
def test_the_coverage_that_a_note_states_is_that_of_normal_scores(seeds):
    generator = np.random.default_rng(seeds)
    held = 0
    for _ in range(600):
        estimate = stratified_estimate([generator.normal(size=seeds)], mean_of_means, resamples=1_000)
        held += bool(estimate.low <= 0 <= estimate.high)
    # Three standard errors of √(0.8 · 0.2 / 600) = 0.016, and one percent for the fewer resamples.
    assert held / 600 == pytest.approx(COVERAGE[seeds] / 100, abs=0.06)


def test_strata_are_resampled_within_themselves():
    """Two environments of equal scores each: no resample differs, however far apart they are."""
    estimate = stratified_estimate([np.zeros(5), np.full(5, 100.0)], mean_of_means)
    assert (estimate.low, estimate.value, estimate.high) == (50.0, 50.0, 50.0)


def test_a_difference_of_equal_settings_is_around_zero():
    values = scores(30, 1)
    estimate = difference_estimate(strata(values), strata(values), interquartile_mean)
    assert estimate.value == 0.0
    assert estimate.low < 0 < estimate.high


def test_one_seed_has_no_interval():
    estimate = stratified_estimate([np.array([3.0]), np.array([5.0])], mean_of_means)
    assert estimate.value == 4.0
    assert np.isnan([estimate.low, estimate.high]).all()
    assert np.isnan(difference_estimate([np.array([3.0])], [np.ones(4)], mean_of_means).low)
    partly = stratified_estimate([np.array([3.0]), np.array([5.0, 6.0])], mean_of_means)
    assert np.isnan([partly.low, partly.high]).all()  # nothing is known of the spread on the first environment
    assert np.isnan(improvement_estimate([np.array([3.0])], [np.ones(4)]).high)


def test_resamples_in_blocks_give_the_same_interval(monkeypatch):
    values = strata(scores())
    whole = stratified_estimate(values, interquartile_mean)
    monkeypatch.setattr("maxent.statistics.bootstrap.NUMBERS", 40 * 1_000)
    parts = stratified_estimate(values, interquartile_mean)
    width = float(whole.high - whole.low)
    assert float(parts.low) == pytest.approx(float(whole.low), abs=0.06 * width)
    assert float(parts.high) == pytest.approx(float(whole.high), abs=0.06 * width)


def test_intervals_are_the_same_in_every_call():
    values = strata(scores())
    first, second = (stratified_estimate(values, interquartile_mean) for _ in range(2))
    assert (first.low, first.high) == (second.low, second.high)
