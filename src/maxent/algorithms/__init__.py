"""One file per algorithm, and the table of them all."""

from maxent.algorithms.actor_critic import OnPolicyActorCritic, OnPolicyActorCriticConfig
from maxent.algorithms.base import Algorithm, AlgorithmConfig
from maxent.algorithms.ddpg import DDPG, DDPGConfig
from maxent.algorithms.dqn import DeepQNetwork, DQNConfig
from maxent.algorithms.reinforce import Reinforce, ReinforceConfig
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.sac_discrete import DiscreteSoftActorCritic, SACDiscreteConfig
from maxent.algorithms.sac_v1 import SACv1Config, SoftActorCriticV1
from maxent.algorithms.soft_q import SoftQConfig, SoftQLearning
from maxent.algorithms.td3 import TD3, TD3Config
from maxent.errors import UserError

ALGORITHMS: dict[str, type[Algorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        SoftActorCritic,
        SoftActorCriticV1,
        DiscreteSoftActorCritic,
        SoftQLearning,
        TD3,
        DDPG,
        DeepQNetwork,
        Reinforce,
        OnPolicyActorCritic,
    )
}


def find(name: str) -> type[Algorithm]:
    """The algorithm of this name."""
    if name not in ALGORITHMS:
        raise UserError(f"Unknown algorithm {name!r}: choose one of {', '.join(ALGORITHMS)}.")
    return ALGORITHMS[name]


def taking(actions: str) -> list[str]:
    """Names of the algorithms for this kind of action space."""
    return [name for name, algorithm in ALGORITHMS.items() if actions in algorithm.actions]


__all__ = [
    "ALGORITHMS",
    "DDPG",
    "TD3",
    "Algorithm",
    "AlgorithmConfig",
    "DDPGConfig",
    "DQNConfig",
    "DeepQNetwork",
    "DiscreteSoftActorCritic",
    "OnPolicyActorCritic",
    "OnPolicyActorCriticConfig",
    "Reinforce",
    "ReinforceConfig",
    "SACConfig",
    "SACDiscreteConfig",
    "SACv1Config",
    "SoftActorCritic",
    "SoftActorCriticV1",
    "SoftQConfig",
    "SoftQLearning",
    "TD3Config",
    "find",
    "taking",
]
