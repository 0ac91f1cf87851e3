"""What is around an environment: its wrappers, and those that keep running statistics."""

from collections.abc import Iterator

import gymnasium as gym
from gymnasium.vector import SyncVectorEnv, VectorWrapper
from gymnasium.wrappers.utils import RunningMeanStd

from maxent.errors import UserError


def layers_of(env: object) -> Iterator[object]:
    """Yield an environment, those inside its wrappers, and those of a vector environment in this process."""
    yield env
    if isinstance(env, gym.Wrapper | VectorWrapper):
        yield from layers_of(env.env)
    elif isinstance(env, SyncVectorEnv):
        yield from layers_of(env.envs[0])


def with_statistics(env: object) -> list[str]:
    """Return the names of wrappers whose running statistics change; statistics that stand still are constants."""
    return [
        type(layer).__name__
        for layer in layers_of(env)
        if any(isinstance(value, RunningMeanStd) for value in vars(layer).values())
        and vars(layer).get("_update_running_mean", True)
    ]


def require_no_statistics(env: object) -> None:
    """Raise if a wrapper keeps running statistics: another environment has others, and no file of a run has them."""
    if found := with_statistics(env):
        rewards = all("Reward" in name for name in found)
        python, words = ("norm_reward=True", "--norm-reward") if rewards else ("norm_obs=True", "--norm-obs")
        raise UserError(
            f"environment: {', '.join(found)} keeps running statistics, which start anew in every environment that a "
            f"run makes for evaluation, and which its files do not hold. Remove the wrapper and train with {python} "
            f"({words}), whose statistics are part of the agent; or set update_running_mean=False in the factory."
        )
