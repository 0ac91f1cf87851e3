"""Intervals: Student's t, and Wilson's of a share, against scipy, closed forms and tables."""

import numpy as np
import pytest
from scipy import stats

from maxent.errors import UserError
from maxent.statistics import mean_interval, share_interval, t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 29, 30, 99, 500, 1001])
@pytest.mark.parametrize("probability", [0.6, 0.75, 0.95, 0.975, 0.995, 0.9995])
def test_t_quantile_against_scipy(probability, freedom):
    assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-11)


def test_t_quantile_in_closed_form():
    # One degree of freedom is Cauchy: tan(π(p − ½)). Two: (2p − 1)·√(2 / (4p(1 − p))).
    assert t_quantile(0.975, 1) == pytest.approx(np.tan(np.pi * 0.475), rel=1e-12)
    assert t_quantile(0.975, 2) == pytest.approx(0.95 * np.sqrt(2 / (4 * 0.975 * 0.025)), rel=1e-12)
    assert t_quantile(0.5, 7) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("probability", "freedom"), [(0.4, 3), (1.0, 3), (float("nan"), 3), (0.9, 0)])
def test_an_impossible_quantile_is_refused(probability, freedom):
    with pytest.raises(UserError, match="t_quantile: expected"):
        t_quantile(probability, freedom)


def test_mean_interval_by_hand():
    # x̄ = 2, s² = (1 + 0 + 1) / 2 = 1, t(0.975, 2) = 4.302653 (tables): 2 ± 4.302653 / √3.
    interval = mean_interval([1.0, 2.0, 3.0])
    assert float(interval.low) == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-6)
    assert float(interval.high) == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-6)


def test_mean_interval_is_over_the_first_axis():
    values = np.random.default_rng(0).normal(size=(5, 4, 3))
    interval = mean_interval(values, confidence=0.9)
    expected = stats.t.interval(0.9, 4, loc=values.mean(0), scale=stats.sem(values, axis=0))
    np.testing.assert_allclose(interval.low, expected[0], rtol=1e-10)
    np.testing.assert_allclose(interval.high, expected[1], rtol=1e-10)


def test_one_value_has_no_interval():
    interval = mean_interval(np.array([[1.0, 2.0]]))
    assert np.isnan(interval.low).all() and interval.low.shape == (2,)
    assert np.isnan(interval.high).all()


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (3, 12), (40, 100)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_of_a_share_is_wilsons(hits: int, n: int, confidence: float) -> None:
    expected = stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
    interval = share_interval(hits / n, n, confidence)
    np.testing.assert_allclose([interval.low, interval.high], [expected.low, expected.high], atol=1e-12)


@pytest.mark.parametrize(("share", "n"), [(-0.1, 3), (1.1, 3), (0.5, 0)])
def test_an_impossible_share_is_refused(share: float, n: int) -> None:
    with pytest.raises(UserError, match=r"^share_interval: expected a share from 0 to 1 of at least 1 trial"):
        share_interval(share, n)
