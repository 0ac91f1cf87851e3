"""Typed records to plain data and back: settings, layers, and the errors of what cannot be read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from cases import LAYOUTS, OBSERVATION
from torch import Tensor

import maxent
from maxent import UserError, algorithms
from maxent.algorithms.sac import SACConfig
from maxent.algorithms.sac_discrete import LearnedDiscreteAlpha, SACDiscreteConfig
from maxent.algorithms.settings import LearnedAlpha
from maxent.engine.learner import Learner
from maxent.nn.encoders import Convolution, Flatten
from maxent.nn.layers import (
    ELU,
    BatchNorm,
    Layer,
    LayerNorm,
    Linear,
    ReLU,
    Residual,
    RMSNorm,
    Shape,
    SiLU,
    Tanh,
    Views,
)
from maxent.records import build, kind_of, read, to_plain
from maxent.replay.kinds import HindsightReplay, PrioritizedReplay, UniformReplay
from maxent.training.settings import ReplayConfig, RunConfig


@dataclass(frozen=True)
class Scaled(Layer):
    """A user's own layer: x times a learned factor for each feature."""

    label: ClassVar[str] = "scaled"

    first: float = 2.0
    bounds: tuple[float, ...] = (0.0, 10.0)

    def parameters(self, size: int) -> dict[str, Shape]:
        return {"factor": (1, size)}

    def init(self, name: str, view: Tensor, size: int, generator: torch.Generator) -> None:
        view.fill_(self.first)

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        return x * own["factor"].clamp(*self.bounds)


def through_json(record: Any) -> Any:
    """Return the record that a file would hold."""
    return build(type(record), json.loads(json.dumps(to_plain(record))))


@dataclass(frozen=True)
class Comparing:
    """A record of a user that compares its field before it checks it."""

    share: float = 0.5
    pair: tuple[float, int] = (1.0, 2)
    names: tuple[str, ...] = ()
    mode: Literal["on", "off"] | None = None

    def __post_init__(self) -> None:
        assert self.share <= 1.0


LAYERS: list[Layer] = [
    Linear(5), Linear(5, bias=False, start="orthogonal", unit_norm=True), ReLU(), ELU(), SiLU(), Tanh(),
    LayerNorm(epsilon=1e-3), RMSNorm(unit_norm=True), BatchNorm(momentum=0.2, epsilon=1e-3, unit_norm=True),
    Residual((LayerNorm(), Residual((Scaled(3.0),)), ReLU())), Scaled(first=4.0, bounds=(1.0, 2.0)),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_every_layer_is_the_same_after_json(layer: Layer) -> None:
    config = SACConfig(actor_network=(layer,), critic_network=(layer, Linear(3)))
    assert through_json(config) == config


@pytest.mark.parametrize(
    "config",
    [
        SACConfig(),
        SACConfig(alpha=0.2, hidden=(8, 9), max_grad_norm=1.0),
        SACConfig(alpha=LearnedAlpha(initial=0.5, target_entropy=-3.0), encoder=Flatten()),
        SACConfig(encoder=Convolution(channels=(4, 5, 6), features=7, shared=False)),
        SACDiscreteConfig(alpha=LearnedDiscreteAlpha(highest=3.0, final_entropy_fraction=0.1)),
        ReplayConfig(replay=UniformReplay()),
        ReplayConfig(replay=PrioritizedReplay(exponent=0.7)),
        ReplayConfig(replay=HindsightReplay(ratio=0.5), n_step=3),
    ],
    ids=repr,
)
def test_settings_are_the_same_after_json(config: Any) -> None:
    assert through_json(config) == config


def test_a_record_is_its_kind_and_its_fields() -> None:
    assert to_plain(PrioritizedReplay(exponent=0.7)) == {"kind": "prioritized", "exponent": 0.7, "correction": 0.4}
    assert to_plain(Residual((ReLU(),))) == {"kind": "Residual", "layers": [{"kind": "ReLU"}]}
    assert kind_of(Linear) == "Linear"
    assert kind_of(LearnedAlpha) == kind_of(LearnedDiscreteAlpha) == "auto"
    assert kind_of(Scaled) == f"{Scaled.__module__}:Scaled"


def test_a_kind_alone_and_a_mapping_are_read() -> None:
    assert build(ReplayConfig, {"replay": "prioritized"}) == ReplayConfig(replay=PrioritizedReplay())
    mapping = {"replay": {"kind": "prioritized", "exponent": 1}}
    assert build(ReplayConfig, mapping) == ReplayConfig(replay=PrioritizedReplay(exponent=1.0))
    assert build(SACConfig, {"critic_network": ["ReLU", Linear(3)]}).critic_network == (ReLU(), Linear(3))
    typed = LearnedAlpha(initial=0.3)
    assert build(SACConfig, {"alpha": typed}).alpha is typed


def test_whole_numbers_become_floats_where_floats_belong() -> None:
    config = build(SACConfig, {"gamma": 1, "max_grad_norm": 2, "alpha": 1, "policy_delay": 2, "hidden": [3, 4]})
    found = (config.gamma, config.max_grad_norm, config.alpha)
    assert [type(value) for value in found] == [float] * 3
    assert type(config.policy_delay) is int
    assert config.hidden == (3, 4)
    assert read(float, True, "x") is True  # not a number: the record itself refuses it
    assert read(float | None, None, "x") is None
    assert read(Literal["on", "off"] | None, "on", "x") == "on"


@pytest.mark.parametrize(
    ("record", "data", "message"),
    [
        (SACConfig, {"gama": 0.9}, r"^SACConfig has no setting 'gama'; did you mean gamma"),
        (
            LearnedAlpha,
            {"zzz": 0.9},
            r"^auto has no setting 'zzz': it has factor, initial, learning_rate, target_entropy\.$",
        ),
        (SACConfig, {"alpha": "atuo"}, r"^alpha: expected 'auto' or a number, got 'atuo'\.$"),
        (SACConfig, {"alpha": {"kind": "auto", "entropy": 1.0}}, r"^alpha auto has no setting 'entropy'"),
        (SACConfig, {"alpha": {"kind": "auto", "initial": 0.0}}, r"^initial: expected a number above 0, got 0\.0"),
        (ReplayConfig, {"replay": "old"}, r"^replay: expected 'uniform' or 'prioritized' or 'hindsight', got 'old'"),
        (ReplayConfig, {"replay": {"kind": "old"}}, r"^replay: expected 'uniform' .*, got 'old'"),
        (ReplayConfig, {"replay": {"kind": "uniform", "exponent": 1}}, r"^replay uniform has no setting 'exponent'"),
        (SACConfig, {"actor_network": [{"kind": "Conv"}]}, r"^actor_network: expected .*'Linear' or .*, got 'Conv'\.$"),
        (
            SACConfig,
            {"actor_network": [{"kind": "elsewhere:Mine"}]},
            r"^actor_network: Mine is of the module 'elsewhere', which has not been imported\. .*"
            r"`--import elsewhere`, or modules=\['elsewhere'\] in Python\.$",
        ),
        (SACConfig, {"actor_network": [{"kind": "Linear"}]}, r"^actor_network Linear: expected units, .* got none"),
        (SACConfig, {"actor_network": "relu"}, r"^actor_network: expected a tuple of layers .*, got 'relu'"),
        (SACConfig, {"max_grad_norm": "small"}, r"^max_grad_norm: expected a number above 0, got 'small'"),
        (SACConfig, {"actor_network": [{"kind": "json:Mine"}]}, r"^actor_network: expected a class Mine in .*'json'"),
        (SACConfig, {"norm_obs": "no"}, r"^norm_obs: expected True or False, got 'no'"),
        (SACConfig, {"layer_norm": 1}, r"^layer_norm: expected True or False, got 1"),
        (SACConfig, {"encoder": 5}, r"^encoder: expected 'flatten' or 'convolution' or None, got 5"),
        (SACConfig, {"hidden": (True,)}, r"^hidden: expected layer sizes above 0, .*, got \(True,\)"),
        (SACConfig, {"gamma": "0.9"}, r"^gamma: expected a number from 0 to 1, got '0\.9'"),
        (SACConfig, {"tau": "0.9"}, r"^tau: expected a number above 0 and at most 1, got '0\.9'"),
        (RunConfig, {"workers": "no"}, r"^workers: expected True or False, got 'no'"),
        (Comparing, {"share": "0.5"}, r"^share: expected a number, got '0\.5'"),
        (Comparing, {"pair": (1.0,)}, r"^pair: expected a tuple of 2: a number, a whole number, got \(1\.0,\)"),
        (Comparing, {"names": ["a", 1]}, r"^names: expected a tuple, each entry a text, got \('a', 1\)"),
        (Comparing, {"mode": "of"}, r"^mode: expected 'on' or 'off', got 'of'"),
        (SACConfig, {"encoder": "resnet"}, r"^encoder: expected '.*', got 'resnet'"),
    ],
)
def test_what_cannot_be_read_is_refused(record: Any, data: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(record, data)


@pytest.mark.parametrize("value", [object(), {1, 2}, lambda: None, torch.zeros(1)])
def test_what_is_no_plain_data_cannot_be_written(value: object) -> None:
    with pytest.raises(UserError, match=r"^a setting has to be plain data or a record of it, got "):
        to_plain((1, value))


# ----------------------------------------------------------------------------------------------------- through an agent

OWN = (Linear(8), Scaled(), ReLU(), Residual((BatchNorm(momentum=0.1), Linear(8), Tanh())))


def test_a_learner_with_layers_is_the_same_after_json() -> None:
    config = SACConfig(actor_network=OWN, critic_network=(Linear(6), LayerNorm(), ReLU()))
    learner = Learner(algorithms.find("sac"), config, [3, 4], OBSERVATION, LAYOUTS["continuous"])
    named = learner.named(learner.state)
    other = Learner.of_policy(json.loads(json.dumps(learner.to_plain())), type(learner.algorithm), named)
    assert other.config == config
    assert other.state.keys() == {"actor", "actor.buffers"}
    assert all(torch.equal(tensor, learner.state[name]) for name, tensor in other.state.items())
    assert named["actor/scaled_0.factor"].shape == (2, 1, 8)
    assert named["actor.buffers/norm_0.mean"].shape == (2, 1, 8)
    assert named["critic/norm_0.scale"].shape == (2, 2, 1, 6)


def test_an_agent_with_layers_of_ones_own_is_loaded_from_its_files(tmp_path: Path) -> None:
    """Saved whole and loaded, and its policy alone from the run's folder, with the running statistics."""
    agent = maxent.SAC(
        "Pendulum-v1", network=OWN, batch_size=16, learning_starts=20, eval_every=0, compile="off", verbose=False
    )
    agent.learn(40, run_dir=tmp_path / "run")
    assert agent._learner.state["actor.buffers"].abs().sum() > 0.0
    agent.save(tmp_path / "saved")
    obs = agent.make_env().observation_space.sample()
    expected = agent.predict(obs, deterministic=True)[0]
    for path in (tmp_path / "saved", tmp_path / "run", tmp_path / "run" / "last"):
        loaded = maxent.load(path, verbose=False)
        assert (loaded.predict(obs, deterministic=True)[0] == expected).all()
        assert loaded._learner.config == agent._learner.config
        loaded.close()
    agent.close()
