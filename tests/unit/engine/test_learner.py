"""The tensors of a learner under the names that files use."""

import json

import numpy as np
import pytest
import torch
from gymnasium import spaces

from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.engine.learner import Learner
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout


def learner(*seeds: int) -> Learner:
    """3 observations, layers of 4, and mean and log σ of 2 actions."""
    return Learner(
        SoftActorCritic,
        SACConfig(hidden=(4, 4)),
        list(seeds),
        ObservationLayout.from_space(spaces.Box(-1.0, 1.0, (3,))),
        ActionLayout.from_space(spaces.Box(-2.0, 2.0, (2,))),
    )


def test_a_policy_is_named_by_layer() -> None:
    own = learner(3, 4)
    assert {name: tuple(tensor.shape) for name, tensor in own.named(own.policy()).items()} == {
        "actor/layer_0.weight": (2, 3, 4),
        "actor/layer_0.bias": (2, 1, 4),
        "actor/layer_1.weight": (2, 4, 4),
        "actor/layer_1.bias": (2, 1, 4),
        "actor/layer_2.weight": (2, 4, 4),
        "actor/layer_2.bias": (2, 1, 4),
    }


def test_named_tensors_and_plain_data_build_an_equal_learner() -> None:
    own = learner(3, 4)
    plain = json.loads(json.dumps(own.to_plain()))
    other = Learner.of_policy(plain, type(own.algorithm), own.named(own.policy()))
    assert other.to_plain() == own.to_plain()
    assert (other.config, other.seeds) == (own.config, [3, 4])
    assert torch.equal(other.state["actor"], own.state["actor"])
    obs = {"float": np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(2, 2, 3)}
    np.testing.assert_array_equal(other.mode(obs), own.mode(obs))


def test_a_tensor_that_is_missing_is_named() -> None:
    own = learner(0)
    with pytest.raises(UserError, match=r"The file lacks the tensor 'actor/layer_1\.weight'"):
        own.load_named({name: torch.zeros(12) for name in ("actor/layer_0.weight",)} | BIAS, own.policy())


def test_a_tensor_of_another_shape_is_named() -> None:
    own = learner(0)
    with pytest.raises(UserError, match=r"'actor/layer_0\.weight' has the shape \(1, 4, 4\), expected was \(1, 3, 4\)"):
        own.load_named({"actor/layer_0.weight": torch.zeros(1, 4, 4)}, own.policy())


BIAS = {"actor/layer_0.bias": torch.zeros(1, 1, 4)}
