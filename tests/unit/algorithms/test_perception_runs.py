"""Agents that see images and normalise: acting, files, exact resume, and the compiled update."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_programs import SMALL, Camera

import maxent
from maxent.agent import Agent
from maxent.nn import kernels
from maxent.nn.encoders import Convolution, Flatten
from maxent.opening import load_policy

TINY: dict[str, Any] = {
    "hidden": (16, 16), "batch_size": 16, "learning_starts": 20, "buffer_size": 200, "eval_every": 40,
    "eval_episodes": 1, "log_every": 20, "checkpoint_every": 30, "compile": "off", "verbose": False,
}  # fmt: skip
REPLAY = ("batch_size", "learning_starts", "buffer_size")
SHIFTED = Convolution(SMALL.channels, SMALL.kernels, SMALL.strides, SMALL.features, shift=2)
SEPARATE = Convolution(SMALL.channels, SMALL.kernels, SMALL.strides, SMALL.features, shared=False)


def agent(name: str = "sac", **settings: Any) -> Agent:
    given = {**TINY, "encoder": SHIFTED, "norm_obs": True, "norm_reward": True, **settings}
    if name in ("reinforce", "actor-critic"):
        given = {key: value for key, value in given.items() if key not in REPLAY} | {"rollout_steps": 8}
    return Agent(Camera, algorithm=name, **given)


def observations(count: int) -> dict[str, np.ndarray]:
    env = Camera()
    env.reset(seed=7)
    seen = [env.observe() for _ in range(count)]
    return {name: np.stack([one[name] for one in seen]) for name in seen[0]}


def assert_same_state(one: Agent, other: Agent) -> None:
    first, second = one._learner.state, other._learner.state
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("encoder", [SHIFTED, SEPARATE], ids=["shared", "separate"])
def test_a_run_that_was_cut_ends_like_one_that_was_not(encoder: Convolution, tmp_path: Path) -> None:
    """Bitwise, with statistics, episodes under way and their discounted returns."""
    settings: dict[str, Any] = {"seeds": 2, "num_envs": 2, "encoder": encoder}
    whole = agent(**settings).learn(120)
    agent(**settings).learn(66, run_dir=tmp_path / "run")
    resumed = maxent.load(tmp_path / "run", Camera, verbose=False).learn(54)
    assert whole._learner.state["obs_norm.count"].tolist() == [122.0, 122.0]  # two environments begin with one each
    assert_same_state(whole, resumed)


def test_statistics_are_those_of_what_each_member_saw() -> None:
    """The vector has the mean (5000, 0) and the standard deviation 1000; members see different draws."""
    state = agent(seeds=2).learn(100)._learner.state
    assert state["obs_norm.mean"].shape == (2, 2)
    np.testing.assert_allclose(state["obs_norm.mean"], [[5000.0, 0.0]] * 2, atol=500.0)
    np.testing.assert_allclose(state["obs_norm.var"].sqrt(), 1000.0, rtol=0.3)
    assert not torch.equal(state["obs_norm.mean"][0], state["obs_norm.mean"][1])
    # discounted sums of 100 a step over episodes of seven steps: up to 679, half of them above 388
    assert 150.0 < state["reward_norm.var"].sqrt().min() < state["reward_norm.var"].sqrt().max() < 300.0


def test_member_of_a_run_is_a_run_of_its_own() -> None:
    """Statistics bitwise; networks to a few roundings of products."""
    many = agent(seeds=2).learn(60)._learner.state
    alone = agent(seed=1).learn(60)._learner.state
    for name in ("obs_norm.mean", "obs_norm.var", "obs_norm.count", "reward_norm.var"):
        assert torch.equal(many[name][1:], alone[name])
    for name in ("encoder", "actor", "critic"):
        torch.testing.assert_close(many[name][1:], alone[name], atol=1e-4, rtol=0.0)


def test_policies_act_alike_wherever_they_are(tmp_path: Path) -> None:
    """In memory, saved whole, as the run's last policy, as one member of it; a batch and one observation."""
    learned = agent(seeds=2).learn(60, run_dir=tmp_path / "run")
    obs = observations(20)
    expected = learned.predict(obs, deterministic=True, member=1)[0]
    assert expected.shape == (20, 2) and np.unique(expected, axis=0).shape == (20, 2)
    learned.save(tmp_path / "saved")
    for other in (
        maxent.load(tmp_path / "saved", Camera, verbose=False),
        load_policy(tmp_path / "run", "last"),
        maxent.load(tmp_path / "run" / "last"),
    ):
        np.testing.assert_array_equal(other.predict(obs, deterministic=True, member=1)[0], expected)
    single = {name: array[3] for name, array in obs.items()}
    np.testing.assert_allclose(learned.predict(single, deterministic=True, member=1)[0], expected[3], atol=1e-6)
    result = learned.evaluate(2)
    assert result.returns.shape == (2, 2) and (result.lengths == 7).all()


def test_predictions_follow_the_statistics() -> None:
    """An observation of the same distance from the mean in units of the spread leads to the same action."""
    learned = agent().learn(40)
    state = learned._learner.state
    obs = observations(5)
    before = learned.predict(obs, deterministic=True)[0]
    state["obs_norm.mean"].mul_(2.0).add_(30.0)
    state["obs_norm.var"].mul_(4.0)
    np.testing.assert_allclose(
        learned.predict(obs | {"speed": 2.0 * obs["speed"] + 30.0}, deterministic=True)[0], before, atol=1e-4
    )
    assert np.abs(learned.predict(obs, deterministic=True)[0] - before).max() > 1e-3


@pytest.mark.parametrize("name", ["reinforce", "actor-critic", "td3", "soft-q"])
def test_other_algorithms_see_images_too(name: str) -> None:
    learned = agent(name, num_envs=2)
    before = {key: tensor.clone() for key, tensor in learned._learner.state.items()}
    learned.learn(60)
    state = learned._learner.state
    assert all(bool(tensor.isfinite().all()) for tensor in state.values())
    assert not torch.equal(
        state["actor" if "actor" in state else "critic"], before["actor" if "actor" in state else "critic"]
    )
    assert ("encoder" in state) == (name != "reinforce")
    assert learned.predict(observations(3), deterministic=True)[0].shape == (3, 2)


@pytest.mark.parametrize(
    "encoder", [SHIFTED, pytest.param(SEPARATE, marks=pytest.mark.slow)], ids=["shared", "separate"]
)
def test_compiled_updates_are_the_eager_ones(encoder: Convolution) -> None:
    """Ten updates of two members, each within a tenth of one of Adam's steps."""
    states = []
    for compiled in ("off", "on"):
        learned = agent(seeds=2, encoder=encoder, compile=compiled, replay_ratio=0.0, eval_every=0).learn(40)
        trainer = learned._require_trainer()
        assert trainer.engine().mode.compiled is (compiled == "on")
        for step in range(10):
            trainer.updater.run(trainer.engine(), 1, step / 10)
        states.append(learned._learner.state)
    eager, other = states
    for name in learned._learner.algorithm.networks:
        torch.testing.assert_close(other[name], eager[name], atol=3e-5, rtol=0.0)
    torch.testing.assert_close(other["log_alpha"], eager["log_alpha"], atol=1e-6, rtol=0.0)


def test_a_run_states_whose_layers_it_has() -> None:
    """Behind a shared encoder, which is torch's, plain layers are maxent's own where those can be built."""
    if kernels.ready():
        words = {"shared": "maxent's own and torch's", "separate": "torch's", "flatten": "maxent's own"}
    else:
        words = dict.fromkeys(("shared", "separate", "flatten"), "torch's")
    for encoder, name in ((SHIFTED, "shared"), (SEPARATE, "separate"), (Flatten(), "flatten")):
        assert agent(encoder=encoder)._require_trainer().engine().layers == words[name]
