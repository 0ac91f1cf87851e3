"""Names of the metrics that every run reports."""

LEADING_TAGS = (
    "rollout/ep_rew_mean",
    "rollout/ep_len_mean",
    "rollout/ep_dropped",
    "rollout/success_rate",
    "eval/mean_reward",
    "eval/mean_ep_length",
    "eval/success_rate",
)
"""Metrics of the members that every run reports; named as Stable-Baselines3 names them, where it has them."""

CRITIC_TAGS = ("eval/q_value", "eval/discounted_return")
"""Metrics of evaluations of algorithms with critics of states and actions: their values where episodes begin, and the
discounted returns that followed."""

EPISODES = 100
"""Finished episodes per member that rollout/ep_rew_mean averages over, as in Stable-Baselines3."""

RUN_TAGS = (
    "train/n_updates",
    "time/fps",
    "time/updates_per_second",
    "time/time_elapsed",
    "time/total_timesteps",
)
"""Metrics of the run as a whole."""

WATCH_TAGS = ("watch/findings", "watch/saturated", "watch/dead_units")
"""Metrics of the watcher: how many of its rules hold, and what it measures itself."""

SHARED_TAGS = frozenset({"rollout/exploration_rate", *RUN_TAGS})
"""Tags of the run and not of a member: members train in lockstep, so all entries are equal."""
