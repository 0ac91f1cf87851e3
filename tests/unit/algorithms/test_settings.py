"""Invalid settings raise by their name, and actions of the wrong kind by a list of the algorithms that fit."""

import math

import pytest
from cases import LAYOUTS, OBSERVATION

from maxent import UserError, algorithms
from maxent.algorithms.categorical import LearnedLowAlpha
from maxent.algorithms.dqn import DQNConfig
from maxent.algorithms.reinforce import ReinforceConfig
from maxent.algorithms.sac import SACConfig
from maxent.algorithms.sac_discrete import LearnedDiscreteAlpha, SACDiscreteConfig
from maxent.algorithms.sac_v1 import SACv1Config
from maxent.algorithms.settings import LearnedAlpha
from maxent.algorithms.soft_q import SoftQConfig
from maxent.algorithms.td3 import TD3Config
from maxent.engine.learner import Learner
from maxent.nn.layers import Linear, ReLU
from maxent.training.settings import Settings

SHARED = [
    ("gamma", 1.1), ("gamma", math.nan), ("learning_rate", 0.0), ("hidden", (256, 0)), ("reward_scale", 0.0),
    ("max_grad_norm", 0.0), ("tau", 0.0), ("tau", 1.5), ("critics", 0), ("critic_learning_rate", -1.0),
    ("target_delay", 0), ("policy_delay", 0), ("actor_learning_rate", 0.0), ("rollout_steps", 0),
    ("rollout_steps", 2.5), ("actor_network", ()), ("actor_network", [ReLU()]), ("critic_network", (64, 64)),
]  # fmt: skip
OWN = {
    "sac-v1": [("alpha", -1.0), ("alpha", "auto"), ("value_learning_rate", 0.0)],
    "sac": [("alpha", -0.1), ("alpha", "auto_1"), ("alpha", LearnedDiscreteAlpha())],
    "sac-discrete": [("alpha", -0.1), ("alpha", "auto_1"), ("alpha", LearnedAlpha())],
    "soft-q": [
        ("alpha", 0.0), ("alpha", math.inf), ("proposal", "gaussian"), ("value_particles", 0), ("policy_particles", 1),
        ("ou_noise", -0.1),
    ],
    "td3": [("exploration_noise", -0.1), ("target_noise", -0.1), ("target_noise_clip", math.nan)],
    "ddpg": [("exploration_noise", math.inf)],
    "dqn": [("initial_epsilon", 1.1), ("final_epsilon", -0.1), ("exploration_steps", 0)],
    "redq": [("subset", 0), ("subset", 11)],
    "droq": [("dropout", -0.1), ("dropout", 1.0), ("dropout", math.nan)],
    "tqc": [("quantiles", 0), ("drop", -1), ("drop", 25)],
    "crossq": [("alpha", -0.1), ("critic_hidden", (0,))],
    "xqc": [("final_learning_rate", 0.0), ("horizon", 0), ("atoms", 1), ("value_bound", 0.0), ("tau", 1.1)],
    "flash-sac": [
        ("hidden", (64, 32)), ("critic_hidden", (64, 32)), ("target_std", 0.0), ("noise_repeat", 0),
        ("return_bound", 0.0),
    ],
    "reinforce": [("alpha", -0.1), ("baseline_learning_rate", 0.0), ("baseline_updates", 0)],
    "actor-critic": [("alpha", math.nan), ("signal", "return"), ("critic_updates", 0)],
}  # fmt: skip


@pytest.mark.parametrize("name", algorithms.built_in())
def test_invalid_settings_raise(name: str) -> None:
    config_class = algorithms.find(name).config_class
    shared = [(setting, value) for setting, value in SHARED if setting in config_class.__dataclass_fields__]
    for setting, value in shared + OWN.get(name, []):
        with pytest.raises(UserError, match=f"^{setting}: expected .*, got ") as caught:
            config_class(**{setting: value})
        assert repr(value) in str(caught.value)


LEARNED = [
    (LearnedAlpha, "initial", 0.0), (LearnedAlpha, "learning_rate", 0.0), (LearnedAlpha, "target_entropy", "-2"),
    (LearnedAlpha, "target_entropy", math.nan),
    (LearnedLowAlpha, "initial", 0.0), (LearnedLowAlpha, "learning_rate", 0.0),
    (LearnedLowAlpha, "target_entropy", math.inf),
    (LearnedDiscreteAlpha, "initial", 0.0), (LearnedDiscreteAlpha, "learning_rate", 0.0),
    (LearnedDiscreteAlpha, "highest", 0.5), (LearnedDiscreteAlpha, "highest", math.inf),
    (LearnedDiscreteAlpha, "entropy_fraction", 1.1), (LearnedDiscreteAlpha, "entropy_fraction", None),
    (LearnedDiscreteAlpha, "final_entropy_fraction", -0.1), (LearnedDiscreteAlpha, "anneal_updates", 0),
]  # fmt: skip


@pytest.mark.parametrize(("record", "setting", "value"), LEARNED)
def test_invalid_settings_of_a_learned_alpha_are_refused(record: type, setting: str, value: object) -> None:
    with pytest.raises(UserError, match=f"^{setting}: expected .*, got ") as caught:
        record(**{setting: value})
    assert repr(value) in str(caught.value)


def test_settings_at_their_limits_are_taken() -> None:
    SACv1Config(alpha=0.0)
    SACConfig(alpha=0.0)
    SACDiscreteConfig(alpha=0.0)
    LearnedAlpha(target_entropy=0.0)
    LearnedDiscreteAlpha(highest=1.0, entropy_fraction=0.0, final_entropy_fraction=1.0)
    SoftQConfig(value_particles=1, policy_particles=2)
    TD3Config(exploration_noise=0.0, target_noise=0.0, target_noise_clip=0.0)
    DQNConfig(initial_epsilon=0.0, final_epsilon=1.0, exploration_steps=1)
    ReinforceConfig(alpha=0.0, rollout_steps=1)


@pytest.mark.parametrize(
    ("name", "alpha", "expected"),
    [
        ("sac", "auto", LearnedAlpha()),
        ("sac", {"kind": "auto", "target_entropy": -3}, LearnedAlpha(target_entropy=-3.0)),
        ("sac", 1, 1.0),
        ("sac-discrete", "auto", LearnedDiscreteAlpha()),
        ("sac-discrete", {"kind": "auto", "highest": 2}, LearnedDiscreteAlpha(highest=2.0)),
    ],
)
def test_alpha_is_a_number_or_a_record(name: str, alpha: object, expected: object) -> None:
    assert Settings.of(algorithms.find(name), {"alpha": alpha}).config.alpha == expected


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("sac", "target_entropy"),
        ("sac", "initial"),
        ("sac-discrete", "entropy_fraction"),
        ("sac-discrete", "highest"),
    ],
)
def test_settings_of_a_learned_alpha_cannot_stand_beside_a_fixed_one(name: str, setting: str) -> None:
    """They are fields of the record that `alpha` would be, so a setting that would do nothing cannot be written."""
    with pytest.raises(UserError, match=f"^{setting}: it is a setting of alpha auto"):
        Settings.of(algorithms.find(name), {"alpha": 0.2, setting: 1.0})


def test_layer_norm_beside_layers_of_ones_own_is_refused() -> None:
    with pytest.raises(UserError, match=r"^layer_norm: critic_network already defines the layers of the critics"):
        SACConfig(layer_norm=True, critic_network=(Linear(4), ReLU()))


def test_soft_q_refuses_what_a_finite_set_of_actions_does_not_need() -> None:
    own = {"proposal": "policy", "value_particles": 4, "policy_particles": 4, "actor_learning_rate": 1e-3}
    soft_q = algorithms.find("soft-q")
    for setting, value in own.items():
        config = SoftQConfig(**{setting: value})
        Learner(soft_q, config, [0], OBSERVATION, LAYOUTS["continuous"])
        with pytest.raises(UserError, match=f"^{setting}: on a finite set of actions V and the policy are exact"):
            Learner(soft_q, config, [0], OBSERVATION, LAYOUTS["discrete"])


CONTINUOUS = "sac, redq, droq, tqc, crossq, xqc, flash-sac, sac-v1, soft-q, td3, ddpg, reinforce, actor-critic"


@pytest.mark.parametrize(
    ("name", "kind", "fitting"),
    [
        ("sac", "discrete", "sac-discrete, soft-q, dqn, reinforce, actor-critic"),
        ("sac-v1", "discrete", "sac-discrete, soft-q, dqn, reinforce, actor-critic"),
        ("td3", "discrete", "sac-discrete, soft-q, dqn, reinforce, actor-critic"),
        ("ddpg", "discrete", "sac-discrete, soft-q, dqn, reinforce, actor-critic"),
        ("dqn", "continuous", CONTINUOUS),
        ("sac-discrete", "continuous", CONTINUOUS),
    ],
)
def test_actions_of_the_wrong_kind_are_refused(name: str, kind: str, fitting: str) -> None:
    algorithm = algorithms.find(name)
    with pytest.raises(UserError, match=f"^{name} is for .* actions and this environment's are {kind}") as caught:
        Learner(algorithm, algorithm.config_class(), [0], OBSERVATION, LAYOUTS[kind])
    listed = str(caught.value).removesuffix(".").rpartition(": ")[2]
    assert set(listed.split(", ")) == set(fitting.split(", "))


def test_an_unknown_algorithm_is_refused_by_a_list_of_those_there_are() -> None:
    with pytest.raises(UserError, match="Unknown algorithm 'a3c': choose one of ") as caught:
        algorithms.find("a3c")
    assert all(name in str(caught.value) for name in algorithms.built_in())
