"""Maximum-entropy reinforcement learning: Soft Actor-Critic and everything its derivation rests on.

import maxent
agent = maxent.SAC("Pendulum-v1", seed=0, seeds=4)
agent.learn(20_000)
action, _ = agent.predict(obs, deterministic=True)
"""

import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from maxent.errors import UserError

# OpenMP threads that wait spin, by default for milliseconds. Beside another busy process each spinning thread keeps the
# one it waits for off the core: a run on two cores fell to a fifteenth of its speed. A short spin costs a quiet machine
# a few percent on small networks and nothing on large ones. libgomp reads this once, when torch is first imported; what
# the user has set stands.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

if TYPE_CHECKING:
    from maxent.agent import DDPG, DQN, SAC, TD3, ActorCritic, Agent, Reinforce, SACDiscrete, SACv1, SoftQ, load

if "gymnasium" in sys.modules:
    import_module("maxent.envs")  # registers them, for gymnasium.make("maxent:maxent/PointReach-v0")

__version__ = version("maxent")

__all__ = [
    "DDPG",
    "DQN",
    "SAC",
    "TD3",
    "ActorCritic",
    "Agent",
    "Reinforce",
    "SACDiscrete",
    "SACv1",
    "SoftQ",
    "UserError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch at its first use, so that `maxent --help` answers at once."""
    if name in __all__:
        import maxent.agent

        return getattr(maxent.agent, name)
    raise AttributeError(f"module 'maxent' has no attribute {name!r}")
