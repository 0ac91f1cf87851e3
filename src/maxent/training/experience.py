"""What an update learns from: the sampler that the settings ask for."""

import weakref
from collections.abc import Sequence

import numpy as np

from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.replay import GoalRules, Hindsight, Prioritized, Replay, Sampler, Uniform, goal_leaves
from maxent.spaces import ObservationLayout
from maxent.training.settings import TrainConfig


def make_sampler(
    config: TrainConfig,
    replay: Replay,
    streams: Sequence[np.random.Generator],
    *,
    source: EnvSource,
    observation: ObservationLayout,
) -> Sampler:
    """The sampler of a replay; hindsight asks an environment from the source what goals are worth."""
    match config.replay:
        case "uniform":
            return Uniform(replay, config.batch_size, streams)
        case "prioritized":
            exponent, correction = config.priority_exponent, config.priority_correction
            return Prioritized(replay, config.batch_size, streams, exponent=exponent, correction=correction)
        case "hindsight":
            goal_leaves(observation)  # refused before an environment is made
            return Hindsight(
                replay, config.batch_size, streams,
                observation=observation, rules=goal_rules(source), ratio=config.hindsight_ratio, n_step=config.n_step,
            )  # fmt: skip


def goal_rules(source: EnvSource) -> GoalRules:
    """What an environment of the source says of goals: the user's own if it is a single one, else one made for this."""
    env = source.make() if source.instance is None else source.instance
    if not env.has_wrapper_attr("compute_reward"):
        if source.instance is None:
            env.close()
        raise UserError(
            "replay: hindsight expects an environment with compute_reward(achieved_goal, desired_goal, info), as "
            f"gymnasium-robotics has it, got {source.name} without; use replay uniform."
        )
    reward = env.get_wrapper_attr("compute_reward")
    terminated = env.get_wrapper_attr("compute_terminated") if env.has_wrapper_attr("compute_terminated") else None
    rules = GoalRules(reward, terminated)
    if source.instance is None:
        weakref.finalize(rules, env.close)
    return rules
