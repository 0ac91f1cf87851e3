"""Soft values and policies where exponentials would overflow, against SciPy; values of α that are refused."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.special import softmax as scipy_softmax
from tabular_problems import corridor

from maxent.tabular import (
    soft_optimal_policy,
    soft_policy_iteration,
    soft_policy_solve,
    soft_q_iteration,
    soft_value,
)


@pytest.mark.parametrize("alpha", [1e-6, 1e-2, 1.0, 1e3])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_soft_value_and_policy_against_scipy(alpha, scale):
    q = scale * np.random.default_rng(0).normal(size=(50, 7))
    np.testing.assert_allclose(soft_value(q, alpha), alpha * logsumexp(q / alpha, axis=1), rtol=1e-12)
    np.testing.assert_allclose(soft_optimal_policy(q, alpha), scipy_softmax(q / alpha, axis=1), atol=1e-9)


def test_a_common_shift_of_q_shifts_v_and_leaves_the_policy():
    q = np.array([[0.1, -0.2, 0.4]])
    np.testing.assert_allclose(soft_value(q + 1e8, 0.5) - 1e8, soft_value(q, 0.5), atol=1e-7)
    np.testing.assert_allclose(soft_optimal_policy(q - 1e8, 0.5), soft_optimal_policy(q, 0.5), atol=1e-7)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_alpha_must_be_a_positive_number(alpha):
    mdp = corridor()
    for solve in (soft_q_iteration, soft_policy_iteration):
        with pytest.raises(ValueError, match="alpha: expected a finite number > 0"):
            solve(mdp, alpha)
    with pytest.raises(ValueError, match="alpha: expected a finite number > 0"):
        soft_policy_solve(mdp, mdp.uniform_policy(), alpha)
