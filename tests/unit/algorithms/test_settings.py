"""Settings that cannot be meant are refused by their name, and actions of the wrong kind with algorithms that fit."""

import math

import pytest
from cases import LAYOUTS, OBS
from gymnasium.spaces import Box

from maxent import UserError, algorithms
from maxent.algorithms import ALGORITHMS
from maxent.engine.learner import Learner
from maxent.spaces import ObservationLayout

SHARED = [
    ("gamma", 1.1), ("gamma", math.nan), ("learning_rate", 0.0), ("hidden", (256, 0)), ("reward_scale", 0.0),
    ("max_grad_norm", 0.0), ("tau", 0.0), ("tau", 1.5), ("critics", 0), ("critic_learning_rate", -1.0),
    ("target_delay", 0), ("policy_delay", 0), ("actor_learning_rate", 0.0), ("rollout_steps", 0),
    ("rollout_steps", 2.5),
]  # fmt: skip
OWN = {
    "sac-v1": [("alpha", -1.0), ("alpha", "auto"), ("value_learning_rate", 0.0)],
    "sac-discrete": [
        ("alpha", -0.1), ("alpha", "auto_1"), ("initial_alpha", 0.0), ("max_alpha", 0.5), ("max_alpha", math.inf),
        ("entropy_fraction", 1.1), ("entropy_fraction", None), ("final_entropy_fraction", -0.1),
        ("anneal_updates", 0), ("alpha_learning_rate", 0.0),
    ],
    "soft-q": [
        ("alpha", 0.0), ("alpha", math.inf), ("proposal", "gaussian"), ("value_particles", 0), ("policy_particles", 1),
    ],
    "td3": [("exploration_noise", -0.1), ("target_noise", -0.1), ("target_noise_clip", math.nan)],
    "ddpg": [("exploration_noise", math.inf)],
    "dqn": [("initial_epsilon", 1.1), ("final_epsilon", -0.1), ("exploration_steps", 0)],
    "reinforce": [("alpha", -0.1), ("baseline_learning_rate", 0.0), ("baseline_updates", 0)],
    "actor-critic": [("alpha", math.nan), ("signal", "return"), ("critic_updates", 0)],
}  # fmt: skip


@pytest.mark.parametrize("name", ALGORITHMS)
def test_settings_that_cannot_be_meant_are_refused(name: str) -> None:
    config_class = algorithms.find(name).config_class
    shared = [(setting, value) for setting, value in SHARED if setting in config_class.__dataclass_fields__]
    for setting, value in shared + OWN.get(name, []):
        with pytest.raises(UserError, match=f"^{setting}: expected .*, got ") as caught:
            config_class(**{setting: value})
        assert repr(value) in str(caught.value)


def test_settings_at_their_limits_are_taken() -> None:
    algorithms.SACv1Config(alpha=0.0)
    algorithms.SACDiscreteConfig(alpha=0.0)
    algorithms.SACDiscreteConfig(max_alpha=1.0, entropy_fraction=0.0, final_entropy_fraction=1.0)
    algorithms.SoftQConfig(value_particles=1, policy_particles=2)
    algorithms.TD3Config(exploration_noise=0.0, target_noise=0.0, target_noise_clip=0.0)
    algorithms.DQNConfig(initial_epsilon=0.0, final_epsilon=1.0, exploration_steps=1)
    algorithms.ReinforceConfig(alpha=0.0, rollout_steps=1)


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("sac", "target_entropy", -3.0), ("sac", "initial_alpha", 0.5), ("sac", "alpha_learning_rate", 1e-3),
        ("sac-discrete", "entropy_fraction", 0.5), ("sac-discrete", "max_alpha", 2.0),
        ("sac-discrete", "final_entropy_fraction", 0.1), ("sac-discrete", "anneal_updates", 10),
    ],
)  # fmt: skip
def test_what_a_fixed_alpha_does_not_read_is_refused(name: str, setting: str, value: float) -> None:
    config_class = algorithms.find(name).config_class
    config_class(**{setting: value})
    with pytest.raises(UserError, match=f"^{setting}: it belongs to a learned alpha, and alpha is 0.2, so {value} "):
        config_class(**{setting: value, "alpha": 0.2})


def test_soft_q_refuses_what_a_finite_set_of_actions_does_not_need() -> None:
    own = {"proposal": "policy", "value_particles": 4, "policy_particles": 4, "actor_learning_rate": 1e-3}
    observation = ObservationLayout.from_space(Box(-1.0, 1.0, (OBS,)))
    for setting, value in own.items():
        config = algorithms.SoftQConfig(**{setting: value})
        Learner("soft-q", config, [0], observation, LAYOUTS["continuous"])
        with pytest.raises(UserError, match=f"^{setting}: on a finite set of actions V and the policy are exact"):
            Learner("soft-q", config, [0], observation, LAYOUTS["discrete"])


@pytest.mark.parametrize(
    ("name", "kind", "fitting"),
    [
        ("sac", "discrete", "sac-discrete, soft-q, dqn, reinforce, actor-critic"),
        ("sac-v1", "discrete", "sac-discrete, soft-q, dqn, reinforce, actor-critic"),
        ("td3", "discrete", "sac-discrete, soft-q, dqn, reinforce, actor-critic"),
        ("ddpg", "discrete", "sac-discrete, soft-q, dqn, reinforce, actor-critic"),
        ("dqn", "continuous", "sac, sac-v1, soft-q, td3, ddpg, reinforce, actor-critic"),
        ("sac-discrete", "continuous", "sac, sac-v1, soft-q, td3, ddpg, reinforce, actor-critic"),
    ],
)
def test_actions_of_the_wrong_kind_are_refused(name: str, kind: str, fitting: str) -> None:
    observation = ObservationLayout.from_space(Box(-1.0, 1.0, (OBS,)))
    with pytest.raises(UserError, match=f"^{name} is for .* actions and this environment's are {kind}") as caught:
        Learner(name, algorithms.find(name).config_class(), [0], observation, LAYOUTS[kind])
    assert str(caught.value).endswith(f": {fitting}.")


def test_an_unknown_algorithm_is_refused_by_a_list_of_those_there_are() -> None:
    with pytest.raises(
        UserError, match="Unknown algorithm 'a3c': choose one of sac, sac-v1, sac-discrete, soft-q, td3"
    ):
        algorithms.find("a3c")
