"""The mathematics of the updates: tensors in, tensors out, one function per equation.

Shapes: P members, E critics, B batch, K actions of a finite set, proposals of a continuous one, or atoms. Every loss
is the mean over the batch axis and returns one number per member [P]; the caller sums the members, whose gradients
are then independent.

Papers: "2018a" is Soft Actor-Critic (1801.01290v2), "2018b" Soft Actor-Critic Algorithms and Applications
(1812.05905v2), "2017" Reinforcement Learning with Deep Energy-Based Policies (1702.08165v2).
Where libraries differ without saying so, the choice made here is documented at the equation, with its alternatives.
"""

from maxent.objectives.actors import Factor, actor_loss, alpha_loss, deterministic_actor_loss, expected_actor_loss
from maxent.objectives.aggregates import Aggregate, mean_over_critics, minimum, subset_minimum
from maxent.objectives.categorical import (
    atoms,
    categorical_critic_loss,
    categorical_minimum,
    categorical_projection,
    categorical_td_target,
    categorical_value,
)
from maxent.objectives.critics import critic_loss, state_value_loss
from maxent.objectives.policy_gradients import (
    episode_return,
    policy_gradient_loss,
    recurrence,
    reward_to_go,
    trajectory_log_prob,
)
from maxent.objectives.quantiles import quantile_huber_loss, quantile_td_target, truncated_quantiles
from maxent.objectives.values import (
    boltzmann_log_probs,
    double_value,
    expected_soft_value,
    expected_value,
    hard_value,
    importance_value,
    log_sum_exp_value,
    soft_return,
    soft_value,
    td_target,
)

__all__ = [
    "Aggregate",
    "Factor",
    "actor_loss",
    "alpha_loss",
    "atoms",
    "boltzmann_log_probs",
    "categorical_critic_loss",
    "categorical_minimum",
    "categorical_projection",
    "categorical_td_target",
    "categorical_value",
    "critic_loss",
    "deterministic_actor_loss",
    "double_value",
    "episode_return",
    "expected_actor_loss",
    "expected_soft_value",
    "expected_value",
    "hard_value",
    "importance_value",
    "log_sum_exp_value",
    "mean_over_critics",
    "minimum",
    "policy_gradient_loss",
    "quantile_huber_loss",
    "quantile_td_target",
    "recurrence",
    "reward_to_go",
    "soft_return",
    "soft_value",
    "state_value_loss",
    "subset_minimum",
    "td_target",
    "trajectory_log_prob",
    "truncated_quantiles",
]
