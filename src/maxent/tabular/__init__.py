"""Exact reinforcement learning on finite problems, with NumPy alone.

`TabularMDP` holds the problem. `evaluation` and `control` solve it for reward, `soft` for reward and entropy, and
`learning` estimates values from episodes. `maxent.tabular.examples` has two worked examples.
"""

from maxent.tabular.control import (
    Solution,
    greedy_policy,
    optimal_backup,
    optimal_value,
    policy_iteration,
    value_iteration,
)
from maxent.tabular.evaluation import (
    Evaluation,
    action_value,
    bellman_backup,
    bellman_q_backup,
    bellman_solve,
    state_value,
)
from maxent.tabular.fixed_point import NotConvergedError
from maxent.tabular.learning import (
    ActionEstimate,
    StateEstimate,
    epsilon_greedy_policy,
    first_visit_monte_carlo,
    q_learning,
    q_learning_target,
    sarsa,
    sarsa_target,
    td0,
    td_target,
    td_update,
)
from maxent.tabular.mdp import TabularMDP, from_gymnasium, random_mdp
from maxent.tabular.sampling import Episode, sample_episodes
from maxent.tabular.soft import (
    entropy,
    improvement_divergence,
    maxent_objective,
    soft_bellman_backup,
    soft_optimal_backup,
    soft_optimal_policy,
    soft_policy_evaluation,
    soft_policy_improvement,
    soft_policy_iteration,
    soft_policy_solve,
    soft_q_iteration,
    soft_reward,
    soft_state_value,
    soft_value,
)
from maxent.tabular.transitions import DenseTransitions, SparseTransitions

__all__ = [
    "ActionEstimate",
    "DenseTransitions",
    "Episode",
    "Evaluation",
    "NotConvergedError",
    "Solution",
    "SparseTransitions",
    "StateEstimate",
    "TabularMDP",
    "action_value",
    "bellman_backup",
    "bellman_q_backup",
    "bellman_solve",
    "entropy",
    "epsilon_greedy_policy",
    "first_visit_monte_carlo",
    "from_gymnasium",
    "greedy_policy",
    "improvement_divergence",
    "maxent_objective",
    "optimal_backup",
    "optimal_value",
    "policy_iteration",
    "q_learning",
    "q_learning_target",
    "random_mdp",
    "sample_episodes",
    "sarsa",
    "sarsa_target",
    "soft_bellman_backup",
    "soft_optimal_backup",
    "soft_optimal_policy",
    "soft_policy_evaluation",
    "soft_policy_improvement",
    "soft_policy_iteration",
    "soft_policy_solve",
    "soft_q_iteration",
    "soft_reward",
    "soft_state_value",
    "soft_value",
    "state_value",
    "td0",
    "td_target",
    "td_update",
    "value_iteration",
]
