"""Construction of the sampler from the settings."""

import weakref
from typing import final

import torch

from maxent.engine.streams import Streams
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.replay import Dropped, GoalRules, Hindsight, Newest, Prioritized, Replay, Sampler, Uniform, goal_leaves
from maxent.replay.kinds import HindsightReplay, PrioritizedReplay, UniformReplay
from maxent.spaces import ObservationLayout
from maxent.stateful import Saved
from maxent.training.schedule import Schedule
from maxent.training.settings import ReplayConfig


def make_sampler(
    config: ReplayConfig | None,
    schedule: Schedule,
    replay: Replay,
    streams: Streams,
    *,
    source: EnvSource,
    observation: ObservationLayout,
) -> Sampler:
    """Return the sampler of a replay, or of the newest steps without settings of one.

    Hindsight takes the rewards of other goals from an environment of the source.
    """
    size, random = schedule.batch_size, streams.sampling
    match None if config is None else config.replay:
        case None:
            return Newest(replay, schedule.rollout)
        case UniformReplay():
            return Uniform(replay, size, streams.uniform, random)
        case PrioritizedReplay(exponent=exponent, correction=correction):
            return Prioritized(replay, size, random, exponent=exponent, correction=correction)
        case HindsightReplay(ratio=ratio):
            goal_leaves(observation)  # refused before an environment is made
            return Hindsight(
                replay, size, random,
                observation=observation, rules=goal_rules(source), ratio=ratio, n_step=schedule.n_step,
            )  # fmt: skip


@final
class ArraysState:
    """What a checkpoint holds of a part whose state is arrays: the sampler, and the rows that were dropped."""

    def __init__(self, part: Sampler | Dropped) -> None:
        self.part = part

    def state(self) -> Saved:
        """Return its arrays as tensors."""
        return Saved({}, {name: torch.from_numpy(array) for name, array in self.part.state().items()})

    def restore(self, saved: Saved) -> None:
        """Restore it; the replay holds its rows again."""
        self.part.restore({name: tensor.numpy() for name, tensor in saved.tensors.items()})


def goal_rules(source: EnvSource) -> GoalRules:
    """Return the goal functions of an environment: the user's own if it is a single one, else of a new one."""
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
