"""Means and other summaries over seeds, their intervals, and comparisons of two settings."""

from maxent.statistics.aggregates import interquartile_mean, mean_of_means, performance_profile
from maxent.statistics.bootstrap import Estimate, difference_estimate, stratified_estimate
from maxent.statistics.improvement import (
    holm,
    improvement_estimate,
    least_seeds,
    permutation_test,
    probability_of_improvement,
    seeds_needed,
)
from maxent.statistics.intervals import Interval, mean_interval, share_interval, t_quantile

__all__ = [
    "Estimate",
    "Interval",
    "difference_estimate",
    "holm",
    "improvement_estimate",
    "interquartile_mean",
    "least_seeds",
    "mean_interval",
    "mean_of_means",
    "performance_profile",
    "permutation_test",
    "probability_of_improvement",
    "seeds_needed",
    "share_interval",
    "stratified_estimate",
    "t_quantile",
]
