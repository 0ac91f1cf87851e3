import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from maxent.errors import UserError
from maxent.report.statistics import bootstrap_interval, iqm, mean_interval, t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 29, 30, 99, 500, 1001])
@pytest.mark.parametrize("probability", [0.6, 0.75, 0.95, 0.975, 0.995, 0.9995])
def test_t_quantile_against_scipy(probability, freedom):
    assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-11)


def test_t_quantile_where_it_is_known_in_closed_form():
    # One degree of freedom is Cauchy: tan(π(p − ½)). Two: (2p − 1)·√(2 / (4p(1 − p))).
    assert t_quantile(0.975, 1) == pytest.approx(np.tan(np.pi * 0.475), rel=1e-12)
    assert t_quantile(0.975, 2) == pytest.approx(0.95 * np.sqrt(2 / (4 * 0.975 * 0.025)), rel=1e-12)
    assert t_quantile(0.5, 7) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("probability", "freedom"), [(0.4, 3), (1.0, 3), (float("nan"), 3), (0.9, 0)])
def test_t_quantile_refuses_what_has_none(probability, freedom):
    with pytest.raises(UserError):
        t_quantile(probability, freedom)


def test_mean_interval_by_hand():
    # x̄ = 2, s² = (1 + 0 + 1) / 2 = 1, t(0.975, 2) = 4.302653 (tables): 2 ± 4.302653 / √3.
    interval = mean_interval([1.0, 2.0, 3.0])
    assert float(interval.low) == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-6)
    assert float(interval.high) == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-6)


def test_mean_interval_works_along_the_first_axis():
    values = np.random.default_rng(0).normal(size=(5, 4, 3))
    interval = mean_interval(values, confidence=0.9)
    expected = stats.t.interval(0.9, 4, loc=values.mean(0), scale=stats.sem(values, axis=0))
    np.testing.assert_allclose(interval.low, expected[0], rtol=1e-10)
    np.testing.assert_allclose(interval.high, expected[1], rtol=1e-10)


def test_one_value_has_no_interval():
    interval = mean_interval(np.array([[1.0, 2.0]]))
    assert np.isnan(interval.low).all() and interval.low.shape == (2,)
    assert np.isnan(interval.high).all()


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_iqm_is_scipys_trimmed_mean(values):
    assert iqm(values) == pytest.approx(stats.trim_mean(values, 0.25), rel=1e-9, abs=1e-9)


def test_iqm_by_hand():
    # Eight values lose two at each end: (2 + 3 + 4 + 5) / 4.
    assert float(iqm([1e9, 0.0, 2.0, 3.0, -1e9, 4.0, 5.0, 6.0])) == 3.5
    assert iqm([[1.0, 10.0], [3.0, 30.0]]).tolist() == [2.0, 20.0]


def test_bootstrap_is_the_same_for_the_same_seed():
    values = np.random.default_rng(1).normal(size=10)
    first = bootstrap_interval(values, iqm, np.random.default_rng(7))
    again = bootstrap_interval(values, iqm, np.random.default_rng(7))
    other = bootstrap_interval(values, iqm, np.random.default_rng(8))
    assert (first.low, first.high) == (again.low, again.high)
    assert (first.low, first.high) != (other.low, other.high)


def test_bootstrap_of_the_mean_is_near_its_known_spread():
    # Resampled means of n values have standard deviation σ̂/√n (n in σ̂'s denominator) and are nearly normal for n = 400,
    # so the interval is x̄ ± 1.96·σ̂/√n, up to the noise of 4,000 resamples: a few per cent of its width.
    values = np.random.default_rng(2).normal(3.0, 2.0, size=400)
    interval = bootstrap_interval(values, lambda x: x.mean(0), np.random.default_rng(0), resamples=4_000)
    half = stats.norm.ppf(0.975) * values.std() / 20
    assert float(interval.low) == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert float(interval.high) == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_bootstrap_of_equal_values_is_a_point():
    interval = bootstrap_interval(np.full((6, 2), 4.0), iqm, np.random.default_rng(0), resamples=50)
    assert interval.low.tolist() == interval.high.tolist() == [4.0, 4.0]


def test_bootstrap_draws_whole_rows():
    # Both columns hold the same numbers, so every resample has equal columns: rows are not torn apart.
    column = np.random.default_rng(3).normal(size=9)
    interval = bootstrap_interval(
        np.stack([column, column], axis=1), lambda x: x[:, 0].mean() - x[:, 1].mean(), np.random.default_rng(0)
    )
    assert (float(interval.low), float(interval.high)) == (0.0, 0.0)
