"""Settings as records: by name, typed or plain; refused where they cannot be meant; and through plain data."""

import json
import math
from typing import Any

import pytest

import maxent
from maxent import UserError, algorithms
from maxent.algorithms.dqn import DeepQNetwork
from maxent.algorithms.reinforce import Reinforce
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.sac_discrete import DiscreteSoftActorCritic, LearnedDiscreteAlpha
from maxent.algorithms.settings import LearnedAlpha
from maxent.nn.encoders import Convolution, Flatten
from maxent.nn.layers import LayerNorm, Linear, ReLU, Tanh
from maxent.replay.kinds import HindsightReplay, PrioritizedReplay, UniformReplay
from maxent.training.settings import ReplayConfig, RunConfig, Settings


def of(settings: dict[str, Any], name: str = "sac") -> Settings:
    return Settings.of(algorithms.find(name), settings)


@pytest.mark.parametrize(
    ("record", "setting", "value"),
    [
        *((RunConfig, name, 0) for name in ("steps", "seeds", "num_envs", "log_every", "eval_episodes")),
        *((ReplayConfig, name, 0) for name in ("buffer_size", "batch_size", "n_step", "random_hold")),
        *((RunConfig, name, -1) for name in ("seed", "eval_every", "checkpoint_every")),
        (ReplayConfig, "learning_starts", -1),
        (RunConfig, "steps", 1e6), (ReplayConfig, "batch_size", 2.5), (RunConfig, "seed", "7"),
        (RunConfig, "steps", True),
        (ReplayConfig, "replay_ratio", -0.1), (ReplayConfig, "replay_ratio", math.nan),
        (ReplayConfig, "replay_ratio", math.inf), (ReplayConfig, "replay", 3),
        (RunConfig, "device", "tpu"), (RunConfig, "precision", "float16"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(record: type[Any], setting: str, value: object) -> None:
    with pytest.raises(UserError, match=f"^{setting}: expected .*, got ") as caught:
        record(**{setting: value})
    assert repr(value) in str(caught.value)


def test_compile_is_one_of_three() -> None:
    with pytest.raises(UserError, match="compile: expected 'auto', 'on' or 'off', got 'yes'"):
        RunConfig(compile="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "setting"), [("prioritized", "ratio"), ("hindsight", "exponent"), ("uniform", "correction")]
)
def test_a_setting_of_another_replay_cannot_be_written_down(kind: str, setting: str) -> None:
    with pytest.raises(UserError, match=f"replay {kind} has no setting '{setting}'"):
        of({"replay": {"kind": kind, setting: 0.3}})


def test_a_setting_of_a_learned_alpha_cannot_stand_beside_a_fixed_one() -> None:
    with pytest.raises(UserError, match="target_entropy: it is a setting of alpha auto"):
        of({"alpha": 0.2, "target_entropy": -3.0})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"replay": "prioritised"}, "replay: expected 'uniform' or 'prioritized' or 'hindsight', got 'prioritised'"),
        ({"alpha": "aut"}, "alpha: expected 'auto' or a number, got 'aut'"),
        ({"alpha": -0.1}, "alpha: expected a number of at least 0, 'auto' or LearnedAlpha, got -0.1"),
        ({"alpha": LearnedDiscreteAlpha()}, "alpha: expected a number of at least 0, 'auto' or LearnedAlpha, got"),
        ({"alpha": {"kind": "auto", "initial": 0.0}}, "initial: expected a number above 0, got 0.0"),
        ({"learning_rat": 1e-3}, "sac has no setting 'learning_rat'; did you mean learning_rate"),
        ({"zzz": 1}, "sac has no setting 'zzz': it has actor_learning_rate, .*workers"),
        (
            {"norm_reward": True, "reward_scale": 2.0},
            "reward_scale: got 2 with norm_reward, which divides it out again",
        ),
        ({"random_hold": 2, "learning_starts": 0}, "random_hold: got 2 with learning_starts=0, which takes no random"),
        (
            {"hidden": (8,), "actor_network": (ReLU(),), "critic_network": (ReLU(),)},
            "hidden: every network has its own",
        ),
        ({"encoder": "fourier"}, "encoder: expected 'flatten' or 'convolution', got 'fourier'"),
    ],
)
def test_a_mistake_is_a_sentence(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        of(settings)


@pytest.mark.parametrize(
    ("name", "settings", "used"),
    [
        ("dqn", {"actor_network": (Linear(4), Tanh())}, False),
        ("dqn", {"critic_network": (Linear(4), Tanh()), "dueling": True}, True),
        ("dqn", {"actor_network": (ReLU(),), "critic_network": (Linear(4), Tanh())}, True),  # as network= gives them
        ("reinforce", {"critic_network": (Linear(4), Tanh()), "baseline": False}, False),
        ("reinforce", {"critic_network": (Linear(4), Tanh())}, True),
        (
            "soft-q",
            {"actor_network": (Linear(4), Tanh())},
            False,
        ),  # of discrete actions, which need no sampling network
        *((name, {"actor_network": (Linear(4), Tanh())}, True) for name in ("reinforce", "actor-critic")),
        *((name, {"critic_network": (Linear(4), Tanh())}, True) for name in ("soft-q", "sac-discrete")),
    ],
)
def test_layers_that_no_network_takes_are_refused(name: str, settings: dict[str, Any], used: bool) -> None:
    given: dict[str, Any] = {"eval_every": 0, "verbose": False, "compile": "off"}
    if not algorithms.find(name).on_policy:
        given["buffer_size"] = 300
    if used:
        maxent.Agent("CartPole-v1", algorithm=name, **given, **settings).close()
        return
    with pytest.raises(UserError, match=rf"{next(iter(settings))}: {name} with these settings has no such network"):
        maxent.Agent("CartPole-v1", algorithm=name, **given, **settings)


def test_a_name_reaches_the_record_that_has_it() -> None:
    settings = of({"steps": 70, "batch_size": 7, "gamma": 0.5})
    assert settings.algorithm is SoftActorCritic
    assert isinstance(settings.config, SACConfig)
    assert settings.replay is not None
    assert (settings.run.steps, settings.replay.batch_size, settings.config.gamma) == (70, 7, 0.5)
    assert settings.run == RunConfig(steps=70)
    assert settings.replay == ReplayConfig(batch_size=7)
    assert settings.config == SACConfig(gamma=0.5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("prioritized", PrioritizedReplay()),
        ({"kind": "prioritized", "exponent": 0.7}, PrioritizedReplay(exponent=0.7)),
        (PrioritizedReplay(correction=0.1), PrioritizedReplay(correction=0.1)),
        ("uniform", UniformReplay()),
        ({"kind": "hindsight", "ratio": 1}, HindsightReplay(ratio=1.0)),
    ],
)
def test_a_replay_is_a_kind_plain_data_or_a_record(value: Any, expected: Any) -> None:
    replay = of({"replay": value}).replay
    assert replay is not None
    assert replay.replay == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sac", "auto", LearnedAlpha()),
        ("sac", 0.2, 0.2),
        ("sac", 0, 0.0),
        ("sac", {"kind": "auto", "target_entropy": -3}, LearnedAlpha(target_entropy=-3.0)),
        ("sac-discrete", "auto", LearnedDiscreteAlpha()),
        ("sac-discrete", {"kind": "auto", "entropy_fraction": 0.5}, LearnedDiscreteAlpha(entropy_fraction=0.5)),
    ],
)
def test_alpha_is_a_number_or_how_to_learn_it(name: str, value: Any, expected: Any) -> None:
    assert of({"alpha": value}, name).config.alpha == expected  # type: ignore[attr-defined]


def test_an_algorithm_has_defaults_of_its_own() -> None:
    assert of({}, "reinforce").run.num_envs == 8
    assert of({"num_envs": 3}, "reinforce").run.num_envs == 3
    assert of({}).run.num_envs == 1


def test_an_on_policy_algorithm_has_no_settings_of_a_replay() -> None:
    assert of({}, "reinforce").replay is None
    with pytest.raises(UserError, match="batch_size: reinforce learns from the newest steps"):
        Settings.of(Reinforce, {"batch_size": 8})


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (SoftActorCritic, {}),
        (SoftActorCritic, {"alpha": 0.2, "seeds": 3, "replay": PrioritizedReplay(exponent=0.7), "hidden": [8, 8]}),
        (SoftActorCritic, {"alpha": LearnedAlpha(initial=0.1, target_entropy=-2.0), "encoder": "flatten"}),
        (SoftActorCritic, {"encoder": Convolution(), "critic_network": (Linear(8), LayerNorm(), ReLU())}),
        (DiscreteSoftActorCritic, {"alpha": LearnedDiscreteAlpha(entropy_fraction=0.3)}),
        (DeepQNetwork, {"replay": HindsightReplay(ratio=0.5), "replay_ratio": 0.25}),
        (Reinforce, {"rollout_steps": 5}),
    ],
)
def test_plain_data_builds_equal_settings(kind: Any, settings: dict[str, Any]) -> None:
    own = Settings.of(kind, settings)
    data = json.loads(json.dumps(own.to_plain()))
    assert data["algorithm"] == kind.name
    again = Settings.from_plain(data, kind)
    assert again == own
    assert again.to_plain() == own.to_plain()


def test_records_in_plain_data_are_built_not_left_as_they_are() -> None:
    data = json.loads(json.dumps(of({"encoder": "flatten", "replay": "hindsight"}).to_plain()))
    again = Settings.from_plain(data, SoftActorCritic)
    assert isinstance(again.config.encoder, Flatten)
    assert again.replay is not None
    assert isinstance(again.replay.replay, HindsightReplay)
    assert again.config.hidden == (256, 256)


def test_plain_data_of_another_version_is_refused() -> None:
    data = of({}).to_plain()
    data["run"]["priority_exponent"] = 0.3
    with pytest.raises(UserError, match="RunConfig has no setting 'priority_exponent'"):
        Settings.from_plain(data, SoftActorCritic)


def test_the_entropy_of_n_step_returns_needs_steps_in_between_and_a_policy() -> None:
    with pytest.raises(UserError, match=r"^n_step_entropy: expected n_step above 1"):
        Settings.of(algorithms.find("sac"), {"n_step_entropy": True})
    with pytest.raises(UserError, match=r"^n_step_entropy: td3 has no policy whose entropy its targets count"):
        Settings.of(algorithms.find("td3"), {"n_step_entropy": True, "n_step": 3})
    for name in ("sac", "sac-v1", "sac-discrete", "redq", "droq", "tqc", "crossq", "xqc", "flash-sac"):
        settings = Settings.of(algorithms.find(name), {"n_step_entropy": True, "n_step": 3})
        assert settings.replay is not None
        assert settings.replay.n_step_entropy
