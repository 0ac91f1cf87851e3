"""Names of the metrics that every run reports."""

LEADING_TAGS = ("rollout/ep_rew_mean", "rollout/ep_len_mean", "eval/mean_reward", "eval/mean_ep_length")
"""What every run reports of its members, named as Stable-Baselines3 names it in TensorBoard."""

RUN_TAGS = (
    "train/n_updates",
    "time/fps",
    "time/updates_per_second",
    "time/time_elapsed",
    "time/total_timesteps",
)
"""What every run reports of itself."""

SHARED_TAGS = frozenset({"rollout/exploration_rate", *RUN_TAGS})
"""The tags that belong to the run and not to a member: members train in lockstep, so all entries are equal."""
