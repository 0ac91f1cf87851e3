"""Whether one setting is better: against scipy, enumerations and simulated experiments."""

import itertools

import numpy as np
import pytest
from scipy import stats

from maxent.statistics import (
    holm,
    improvement_estimate,
    least_seeds,
    permutation_test,
    probability_of_improvement,
    seeds_needed,
)
from maxent.statistics.improvement import midranks, smallest_p


def test_the_probability_of_improvement_by_hand():
    # Of the pairs (1, 0), (1, 2), (3, 0), (3, 2) three are won; a tie counts half.
    assert probability_of_improvement([np.array([1.0, 3.0])], [np.array([0.0, 2.0])]) == 0.75
    assert probability_of_improvement([np.array([1.0])], [np.array([1.0])]) == 0.5
    # The mean over environments: (0.75 + 0.5) / 2.
    first, second = [np.array([1.0, 3.0]), np.array([1.0])], [np.array([0.0, 2.0]), np.array([1.0])]
    assert probability_of_improvement(first, second) == 0.625


def test_midranks_against_scipy():
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0, 1.0])
    assert midranks(values).tolist() == stats.rankdata(values).tolist()


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (4, 7), (8, 6)])
def test_the_exact_test_is_that_of_mann_and_whitney(n, m):
    generator = np.random.default_rng(n)
    x, y = generator.normal(0.8, 1, n), generator.normal(0, 1, m)
    expected = stats.mannwhitneyu(x, y, method="exact").pvalue
    assert permutation_test([x], [y]) == pytest.approx(expected, rel=1e-9)


def test_the_exact_test_with_ties_against_an_enumeration():
    x, y = np.array([1.0, 2.0, 2.0, 5.0]), np.array([1.0, 1.0, 2.0, 0.0, 3.0])
    pooled = np.concatenate([x, y])
    observed = probability_of_improvement([x], [y])
    found = []
    for chosen in itertools.combinations(range(9), 4):
        rest = [place for place in range(9) if place not in chosen]
        found.append(probability_of_improvement([pooled[list(chosen)]], [pooled[rest]]))
    extreme = np.abs(np.array(found) - 0.5) >= abs(observed - 0.5) - 1e-12
    assert permutation_test([x], [y]) == pytest.approx(extreme.mean(), rel=1e-12)


def test_the_test_over_environments_against_an_enumeration():
    generator = np.random.default_rng(3)
    first = [generator.normal(0.7, 1, 3), generator.normal(0.7, 1, 4)]
    second = [generator.normal(0, 1, 3), generator.normal(0, 1, 3)]
    pooled = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    ways = [
        [
            probability_of_improvement([own[list(chosen)]], [np.delete(own, chosen)])
            for chosen in itertools.combinations(range(len(own)), len(x))
        ]
        for own, x in zip(pooled, first, strict=True)
    ]
    found = np.array([np.mean(pair) for pair in itertools.product(*ways)])
    observed = probability_of_improvement(first, second)
    exact = (np.abs(found - 0.5) >= abs(observed - 0.5) - 1e-12).mean()
    # 20,000 random permutations: a standard error of at most √(0.25 / 20,000) = 0.0035.
    assert permutation_test(first, second) == pytest.approx(exact, abs=0.012)


def test_equal_settings_are_found_different_as_seldom_as_promised():
    generator = np.random.default_rng(0)
    p = [permutation_test([generator.normal(size=5)], [generator.normal(size=5)]) for _ in range(400)]
    # At most 5 % of 400, and four standard errors of √(400 · 0.05 · 0.95) = 4.4.
    assert sum(one <= 0.05 for one in p) <= 20 + 4 * 4.4


def test_the_difference_does_not_depend_on_a_common_scale():
    generator = np.random.default_rng(1)
    first = [generator.normal(1, 1, 6), generator.normal(1, 1, 6)]
    second = [generator.normal(0, 1, 6), generator.normal(0, 1, 6)]
    stretched = [[one[0], np.exp(30 * one[1])] for one in (first, second)]
    assert permutation_test(*stretched) == permutation_test(first, second)


def test_holm_by_hand():
    # Sorted 0.01 0.02 0.03 times 3, 2, 1: 0.03, 0.04, 0.03; the last is raised to the one before it.
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_seeds_needed_by_hand():
    # P(X > Y, X > Y′) of normals with P(X > Y) = 3/4: a quadrant of correlation 1/2, 0.6106 by scipy. With n = 20:
    # σ₀² = 41 / 4800 = 0.008542, σ₁² = (0.1875 + 38 · (0.6106 − 0.5625)) / 400 = 0.005037, so that
    # 1.959964 σ₀ + 0.841621 σ₁ = 0.18114 + 0.05973 = 0.2409 ≤ 0.25; with n = 18 it is 0.2546.
    quadrant = stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).cdf([stats.norm.ppf(0.75)] * 2)
    z = stats.norm.ppf([0.975, 0.8])

    def margin(n, strata):
        null, other = (2 * n + 1) / (12 * n * n), (0.1875 + 2 * (n - 1) * (quadrant - 0.5625)) / n**2
        return 0.25 - z @ np.sqrt([null / strata, other / strata])

    for strata in (1, 2):
        n = seeds_needed(0.75, strata=strata)
        assert n is not None
        assert n == seeds_needed(0.25, strata=strata)
        assert margin(n - 1, strata) < 0 <= margin(n, strata)
    assert seeds_needed(1.0) == seeds_needed(0.0) == 4  # as the least number: nothing is left to chance
    assert seeds_needed(1.0, level=0.05 / 3) == 5
    assert seeds_needed(0.5) is seeds_needed(0.4995) is None  # no one has a million seeds
    assert seeds_needed(0.5015) is not None


@pytest.mark.parametrize("shift", [0.8, 1.3])
def test_so_many_seeds_find_the_difference_with_the_promised_power(shift):
    """Normal scores that differ by `shift` standard deviations: P(X > Y) = Φ(shift / √2)."""
    seeds = seeds_needed(float(stats.norm.cdf(shift / 2**0.5)))
    assert seeds is not None
    generator = np.random.default_rng(5)
    found = 0
    for _ in range(300):
        x, y = generator.normal(shift, 1, seeds), generator.normal(0, 1, seeds)
        found += stats.mannwhitneyu(x, y, method="asymptotic").pvalue <= 0.05
    # Noether's formula is an approximation; four standard errors of √(0.8 · 0.2 / 300) = 0.023 are 0.09.
    assert 0.70 <= found / 300 <= 0.92


@pytest.mark.parametrize("probability", [0.85, 0.92, 0.96])
def test_large_differences_do_not_take_more_seeds_than_the_promised_power(probability):
    seeds = seeds_needed(probability)
    generator = np.random.default_rng(7)
    shift = 2**0.5 * stats.norm.ppf(probability)
    x, y = generator.normal(shift, 1, (2_000, seeds)), generator.normal(0, 1, (2_000, seeds))
    found = (stats.mannwhitneyu(x, y, axis=1, method="exact").pvalue <= 0.05).mean()
    # The test is discrete with so few seeds, so one seed more or less is a step of up to 0.1.
    assert 0.74 <= found <= 0.91


def test_the_interval_of_full_separation_has_a_width():
    """Wilson's, with as many trials as the smaller number of seeds n: from 1 / (1 + z²/n) to 1."""
    high, low = np.arange(10.0, 15.0), np.arange(4.0)
    estimate = improvement_estimate([high], [low])
    assert float(estimate.value) == float(estimate.high) == 1.0
    assert float(estimate.low) == pytest.approx(1 / (1 + 1.959964**2 / 4), rel=1e-6)
    both = improvement_estimate([high, low], [low, high])  # 1 on one environment and 0 on the other
    assert float(both.value) == 0.5
    assert float(both.low) < 0.3 < 0.7 < float(both.high)


def test_a_single_seed_on_one_environment_leaves_no_interval():
    estimate = improvement_estimate([np.arange(3.0), np.ones(1)], [np.arange(3.0), np.arange(2.0)])
    assert np.isnan([estimate.low, estimate.high]).all()


def test_the_least_seeds_by_hand():
    # 2 / C(2n, n): 2/20 for three of each, 2/70 for four. Of two environments 2 / 6² for two, 2 / 20² for three.
    assert least_seeds() == 4
    assert least_seeds(2) == 3
    assert smallest_p([3], [3]) == pytest.approx(0.1)
    x = np.arange(4.0)
    assert permutation_test([x + 10], [x]) == pytest.approx(smallest_p([4], [4]))
