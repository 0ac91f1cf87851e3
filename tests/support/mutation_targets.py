"""What is mutated beside the functions of docs/equations.md, and the mutants that are no other function."""

UNIT = "tests/unit"
OBJECTIVES, DISCRETE = f"{UNIT}/test_objectives.py", f"{UNIT}/test_objectives_discrete.py"
CATEGORICAL, AGGREGATES = f"{UNIT}/test_objectives_categorical.py", f"{UNIT}/test_objectives_aggregates.py"
GRADIENTS, DISTRIBUTIONS = f"{UNIT}/test_policy_gradient_objectives.py", f"{UNIT}/test_distributions.py"
STORED, OPTIMISER = f"{UNIT}/test_stored_actions.py", f"{UNIT}/nn/test_optimiser.py"
EVALUATION, CONTROL = f"{UNIT}/tabular/test_tabular_evaluation.py", f"{UNIT}/tabular/test_tabular_control.py"
LEARNING, SOFT = f"{UNIT}/tabular/test_tabular_learning.py", f"{UNIT}/tabular/test_tabular_soft.py"
SAC, UPDATES = f"{UNIT}/algorithms/test_sac.py", f"{UNIT}/algorithms/test_sac_updates.py"
PARTS, PRIORITIZED = f"{UNIT}/algorithms/test_parts.py", f"{UNIT}/replay/test_prioritized.py"
SEEDS, IMPROVEMENT = f"{UNIT}/statistics/test_aggregates.py", f"{UNIT}/statistics/test_improvement.py"
BY_HAND = "test_hand_worked_numbers"


def within(file: str, *tests: str) -> list[str]:
    """Return the names of tests of one file."""
    return [f"{file}::{test}" for test in tests]


ALPHA = within(UPDATES, "test_alphas_gradient_is_that_of_its_loss")
PRIORITIES = within(
    PRIORITIZED,
    "TestDraws::test_a_new_transition_enters_with_the_largest_priority_so_far",
    "TestDraws::test_for_a_row_sampled_twice_the_last_error_is_used_without_its_sign",
    "TestDraws::test_a_batch_takes_one_from_each_equal_share_of_the_sum",
    "TestWeights::test_by_hand",
    "test_members_equal_single_runs",
)

MORE = {
    "maxent.statistics.aggregates.interquartile_mean": within(
        SEEDS, "test_the_interquartile_mean_by_hand", "test_the_interquartile_mean_against_scipy"
    ),
    "maxent.statistics.aggregates.performance_profile": within(SEEDS, "test_the_profile_by_hand"),
    "maxent.statistics.improvement.probability_of_improvement": within(
        IMPROVEMENT, "test_the_probability_of_improvement_by_hand"
    ),
    "maxent.statistics.improvement.midranks": within(IMPROVEMENT, "test_midranks_against_scipy"),
    "maxent.statistics.improvement.holm": within(IMPROVEMENT, "test_holm_by_hand"),
    "maxent.statistics.improvement.seeds_needed": within(IMPROVEMENT, "test_seeds_needed_by_hand"),
    "maxent.statistics.improvement.smallest_p": within(IMPROVEMENT, "test_the_least_seeds_by_hand"),
    "maxent.objectives.expected_soft_value": within(DISCRETE, BY_HAND),
    "maxent.objectives.double_value": within(DISCRETE, BY_HAND),
    "maxent.objectives.deterministic_actor_loss": within(GRADIENTS, BY_HAND),
    "maxent.objectives.recurrence": within(GRADIENTS, "test_recurrence_is_a_loop"),
    "maxent.objectives.minimum": within(AGGREGATES, BY_HAND),
    "maxent.objectives.mean_over_critics": within(AGGREGATES, BY_HAND),
    "maxent.objectives.subset_minimum": within(
        AGGREGATES, BY_HAND, "test_a_subset_has_its_size_for_equal_noise", "test_all_subsets_are_equally_likely"
    ),
    "maxent.objectives.atoms": within(CATEGORICAL, BY_HAND),
    "maxent.objectives.categorical_value": within(CATEGORICAL, BY_HAND),
    "maxent.objectives.categorical_minimum": within(
        CATEGORICAL, BY_HAND, "test_the_smallest_critic_is_chosen_for_each_transition"
    ),
    "maxent.objectives.categorical_td_target": within(CATEGORICAL, BY_HAND),
    "maxent.objectives.categorical_projection": within(
        CATEGORICAL, BY_HAND, "test_atoms_beyond_the_edges_go_to_the_outermost_ones"
    ),
    "maxent.objectives.categorical_critic_loss": within(
        CATEGORICAL, BY_HAND, "test_the_gradient_of_the_loss_is_the_difference_of_probabilities"
    ),
    "maxent.distributions.SquashedGaussian.log_prob_of": within(
        STORED,
        "test_log_prob_of_a_hand_worked_action",
        "test_a_drawn_action_has_the_log_prob_of_its_sample",
        "test_a_tail_has_its_mean_density",
        "test_log_probs_of_stored_actions_add_up_over_dimensions",
    ),
    "maxent.distributions.SquashedGaussian.draw": within(STORED, "test_a_drawn_action_has_the_log_prob_of_its_sample"),
    "maxent.distributions.SquashedGaussian.mode": within(DISTRIBUTIONS, "test_the_mode_is_the_squashed_mean"),
    "maxent.distributions.Categorical.entropy": within(DISTRIBUTIONS, "test_categorical_by_hand"),
    "maxent.distributions.Categorical.mode": within(DISTRIBUTIONS, "test_categorical_by_hand"),
    "maxent.distributions.choose": within(
        DISTRIBUTIONS,
        "test_choose_returns_the_first_action_whose_cumulative_probability_exceeds_u",
        "test_an_action_of_probability_0_is_never_chosen",
    ),
    "maxent.tabular.state_value": within(EVALUATION, "test_backups_equal_explicit_sums"),
    "maxent.tabular.evaluation.solve_chain": within(
        EVALUATION,
        "test_bellman_equation_by_hand",
        "test_undiscounted_episodes_by_hand",
        "test_an_undiscounted_policy_that_never_terminates_raises",
    ),
    "maxent.tabular.optimal_value": within(CONTROL, "test_pieces_by_hand"),
    "maxent.tabular.optimal_backup": within(CONTROL, "test_pieces_by_hand"),
    "maxent.tabular.epsilon_greedy_policy": within(LEARNING, "test_updates_by_hand"),
    "maxent.tabular.soft.soft_chain": within(SOFT, "test_one_state_by_hand"),
    "maxent.nn.optimiser.clip_grad_norm": within(
        OPTIMISER, "test_clipping_is_by_the_norm_of_all_that_belongs_to_a_member"
    ),
    "maxent.algorithms.parts.Temperature.fit": [
        *ALPHA,
        *within(UPDATES, "test_alpha_rises_where_entropy_is_below_its_target"),
        *within(PARTS, "test_a_bound_keeps_a_learned_alpha_below_it"),
    ],
    "maxent.algorithms.sac.SoftActorCritic.td_target": within(SAC, "test_the_critics_gradient_is_that_of_equation_5"),
    "maxent.algorithms.sac.SoftActorCritic.update_actor_and_alpha": [
        *within(SAC, "test_the_critics_gradient_is_that_of_equation_5"),
        *ALPHA,
    ],
    "maxent.replay.prioritized.Prioritized.update_priorities": PRIORITIES,
    "maxent.replay.prioritized.Prioritized.sample": PRIORITIES,
}

EVEN = "log(1 − tanh² u) is an even function of u"
GRID = "the Gaussian weight is 0 to rounding from 9σ on, and symmetric: a wider or mirrored grid has the same sum"
EXACT = "the residual of an exact solution is rounding alone: its maximum, minimum and sign mean nothing"
ABOVE = "the first residual only sets the tolerance of sweeps, which evaluate policies above 2,000 states"
RISES = "of an exact value of the policy the improvement is at least 0, so its absolute value is itself"
RESIDUAL = "np.abs(mdp.zero_terminal({}) - v)"
SOLVED = RESIDUAL.format("state_value(q, mdp.check_policy(policy))")
HARD, SOFTENED = RESIDUAL.format("optimal_value(q)"), RESIDUAL.format("soft_value(q, alpha)")
SPREAD = "torch.exp(self.log_std).unsqueeze(-1) * z"
FIRST = {"np.abs(mdp.R).max()  →  np.abs(mdp.R).min()": ABOVE, "np.abs(mdp.R)  →  mdp.R": ABOVE}

EQUIVALENT: dict[str, dict[str, str]] = {
    "maxent.distributions.SquashedGaussian.entropy": {
        "9.0  →  18.0": GRID,
        f"self.mean.unsqueeze(-1) + {SPREAD}  →  self.mean.unsqueeze(-1) - {SPREAD}": GRID,
    },
    "maxent.distributions.SquashedGaussian.log_prob": {"u  →  -u": EVEN},
    "maxent.tabular.entropy": {"1.0  →  2.0": "it stands for log 0, whose factor is 0"},
    "maxent.tabular.bellman_solve": {
        f"{SOLVED}.max()  →  {SOLVED}.min()": EXACT,
        f"{SOLVED}  →  {SOLVED[7:-1]}": EXACT,
    },
    "maxent.tabular.policy_iteration": FIRST | {f"{HARD}  →  {HARD[7:-1]}": RISES},
    "maxent.tabular.soft_policy_iteration": FIRST | {f"{SOFTENED}  →  {SOFTENED[7:-1]}": RISES},
    "maxent.nn.optimiser.clip_grad_norm": {"1e-12  →  2e-12": "any small number: it keeps 0 from being a divisor"},
    "maxent.replay.prioritized.Prioritized.update_priorities": {
        "rows + first  →  rows - first": "of two members the second's leaves, counted from the end, are the same"
    },
}
"""Mutants that are the same function, in exact arithmetic or in every use, with the reason."""
