"""The forward pass in NumPy against the one in torch, which it stands for."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete

from maxent import algorithms
from maxent.engine.learner import Learner
from maxent.nn.acting import MOST_ROWS
from maxent.nn.layers import LayerNorm, Linear, ReLU
from maxent.spaces import ActionLayout, ObservationLayout

OBSERVATION = ObservationLayout.from_space(Box(-1.0, 1.0, (5,), np.float32))
ACTION = ActionLayout.from_space(Box(-1.0, 1.0, (3,), np.float32))


def learner(algorithm: str, members: int = 2, **settings: object) -> Learner:
    kind = algorithms.find(algorithm)
    config = kind.config_class(**{"hidden": (16, 8), **settings})
    return Learner(kind, config, list(range(members)), OBSERVATION, ACTION)


@pytest.mark.parametrize("algorithm", ["sac", "sac-v1", "td3", "ddpg"])
@pytest.mark.parametrize("rows", [1, MOST_ROWS])
def test_it_acts_as_torch_does(algorithm: str, rows: int) -> None:
    learn, random = learner(algorithm), np.random.default_rng(0)
    obs = {"float": 3.0 * random.standard_normal((2, rows, 5), np.float32)}
    noise = 3.0 * random.standard_normal((2, rows, 3), np.float32)
    encoded, drawn = torch.from_numpy(obs["float"]), torch.from_numpy(noise)
    with torch.no_grad():
        np.testing.assert_allclose(
            learn.act(obs, noise, 0), learn.algorithm.act(learn.state, encoded, drawn, 0).numpy(), atol=2e-6
        )
        np.testing.assert_allclose(learn.mode(obs), learn.algorithm.mode(learn.state, encoded).numpy(), atol=2e-6)


@pytest.mark.parametrize("algorithm", ["sac-discrete", "reinforce", "actor-critic"])
def test_it_chooses_among_actions_as_torch_does(algorithm: str) -> None:
    """Also where Φ(ε) rounds to 1: the last action, and none beyond it."""
    kind = algorithms.find(algorithm)
    learn = Learner(kind, kind.config_class(hidden=(16, 8)), [0, 1], OBSERVATION, ActionLayout.from_space(Discrete(4)))
    learn.state["actor"].mul_(4.0)  # policies that are far from uniform
    random = np.random.default_rng(0)
    obs = {"float": 3.0 * random.standard_normal((2, MOST_ROWS, 5), np.float32)}
    noise = np.concatenate([random.standard_normal((2, 14, 1)), [[[9.0], [-9.0]]] * 2], 1, dtype=np.float32)
    assert learn._fast is not None
    encoded, drawn = torch.from_numpy(obs["float"]), torch.from_numpy(noise)
    with torch.no_grad():
        acted = learn.algorithm.act(learn.state, encoded, drawn, 0).numpy()
        assert np.array_equal(learn.act(obs, noise, 0), acted)
        assert np.array_equal(learn.mode(obs), learn.algorithm.mode(learn.state, encoded).numpy())
    assert len(np.unique(acted)) > 2
    assert acted.dtype == learn.act(obs, noise, 0).dtype == np.float32


def test_log_std_is_bounded_as_in_torch() -> None:
    """With a bias of ±50 on log σ the bounds −20 and 2 decide."""
    learn = learner("sac", members=1)
    views = learn.algorithm.networks["actor"].views(learn.state["actor"])
    views["layer_2.bias"][0, 0, 3:] = torch.tensor([50.0, -50.0, 0.0])
    obs, noise = {"float": np.zeros((1, 1, 5), np.float32)}, np.full((1, 1, 3), 0.01, np.float32)
    with torch.no_grad():
        expected = learn.algorithm.act(learn.state, torch.zeros(1, 1, 5), torch.from_numpy(noise), 0).numpy()
    np.testing.assert_allclose(learn.act(obs, noise, 0), expected, atol=2e-6)


def test_it_follows_the_tensors() -> None:
    """An update changes the parameters in place, and loading does, too."""
    learn = learner("sac", members=1)
    obs = {"float": np.ones((1, 1, 5), np.float32)}
    before = learn.mode(obs)
    learn.state["actor"].mul_(0.5)
    assert not np.array_equal(before, learn.mode(obs))
    learn.state["actor"].mul_(2.0)
    assert np.array_equal(before, learn.mode(obs))


def test_a_member_acts_alike_alone_and_among_others() -> None:
    both, random = learner("sac"), np.random.default_rng(1)
    obs, noise = random.standard_normal((2, 4, 5), np.float32), random.standard_normal((2, 4, 3), np.float32)
    together = both.act({"float": obs}, noise, 0)
    for member in range(2):
        alone = both.select_member(member).act({"float": obs[member : member + 1]}, noise[member : member + 1], 0)
        assert np.array_equal(alone[0], together[member])


@pytest.mark.parametrize(
    "space",
    [
        lambda: Dict({"image": Box(0, 255, (4,), np.uint8), "speed": Box(-1.0, 1.0, (2,), np.float32)}),
        lambda: Box(0, 255, (4,), np.uint8),
    ],
)
def test_what_has_to_be_encoded_first_is_left_to_torch(space: Callable[[], Box]) -> None:
    layout = ObservationLayout.from_space(space())
    sac = algorithms.find("sac")
    assert Learner(sac, sac.config_class(hidden=(8,)), [0], layout, ACTION)._fast is None
    assert learner("sac")._fast is not None


def test_layers_other_than_plain_ones_are_left_to_torch() -> None:
    learn = learner("sac", actor_network=(Linear(8), LayerNorm(), ReLU()))
    assert learn._fast is None
    obs, noise = {"float": np.ones((2, 1, 5), np.float32)}, np.ones((2, 1, 3), np.float32)
    with torch.no_grad():
        expected = learn.algorithm.act(learn.state, torch.ones(2, 1, 5), torch.ones(2, 1, 3), 0).numpy()
    assert np.array_equal(learn.act(obs, noise, 0), expected)


def test_normalised_observations_are_those_of_torch() -> None:
    learn, random = learner("sac", norm_obs=True), np.random.default_rng(2)
    learn.watch({"float": 5.0 + 3.0 * random.standard_normal((2 * 50, 5), np.float32)})
    assert learn._fast is not None
    obs, noise = random.standard_normal((2, 4, 5), np.float32), random.standard_normal((2, 4, 3), np.float32)
    with torch.no_grad():
        features = learn.algorithm.perception.features(learn.state, torch.from_numpy(obs))
        expected = learn.algorithm.act(learn.state, features, torch.from_numpy(noise), 0).numpy()
    np.testing.assert_allclose(learn.act({"float": obs}, noise, 0), expected, atol=2e-6)
    assert not np.allclose(features.numpy(), obs)
