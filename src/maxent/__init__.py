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
    from maxent.agent import Agent
    from maxent.opening import load
    from maxent.runs.observer import Observer
    from maxent.training.observers import StopAtReturn, StopWithoutImprovement

    DDPG: type[Agent]
    DQN: type[Agent]
    SAC: type[Agent]
    TD3: type[Agent]
    ActorCritic: type[Agent]
    Reinforce: type[Agent]
    SACDiscrete: type[Agent]
    SACv1: type[Agent]
    SoftQ: type[Agent]

if "gymnasium" in sys.modules:
    import_module("maxent.envs")  # registers them, for gymnasium.make("maxent:maxent/PointReach-v0")

__version__ = version("maxent")

PLACES = {
    "Agent": "agent",
    "load": "opening",
    "Observer": "runs.observer",
    "StopAtReturn": "training.observers",
    "StopWithoutImprovement": "training.observers",
}
"""The modules of what is imported at its first use: torch takes a second, and `maxent --help` should not."""

__all__ = [
    "DDPG",
    "DQN",
    "SAC",
    "TD3",
    "ActorCritic",
    "Agent",
    "Observer",
    "Reinforce",
    "SACDiscrete",
    "SACv1",
    "SoftQ",
    "StopAtReturn",
    "StopWithoutImprovement",
    "UserError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    """Import a name at its first use; every algorithm with a title, such as SAC, has a class of agents."""
    if name in PLACES:
        return getattr(import_module(f"maxent.{PLACES[name]}"), name)
    if name[:1].isupper():  # not for a module: `from maxent import algorithms` looks here before it imports one
        found = import_module("maxent.agent").agent_classes().get(name)
        if found is not None:
            return found
    raise AttributeError(f"module 'maxent' has no attribute {name!r}")
