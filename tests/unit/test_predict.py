"""Acting: predict, and the best member."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_envs import Seeing
from short_runs import SMALL, pendulum

import maxent
from maxent.agent import Agent
from maxent.errors import UserError
from maxent.opening import load_policy
from maxent.runs.tensors import read_tensors


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def seeing(**settings: Any) -> Agent:
    return maxent.SAC(Seeing, **SMALL | settings)


OBS = np.array([[0.5, -0.5, 1.0], [1.0, 0.0, -8.0], [-1.0, 0.0, 8.0]], np.float32)  # of Pendulum


class TestPredict:
    def test_the_best_action_of_one_observation_and_of_several(self) -> None:
        agent = pendulum(seeds=2)
        several, state = agent.predict(OBS, deterministic=True, member=1)
        assert state is None
        assert (several.shape, several.dtype) == ((3, 1), np.float32)
        for obs, action in zip(OBS, several, strict=True):
            one, _ = agent.predict(obs, deterministic=True, member=1)
            assert one.shape == (1,)
            np.testing.assert_allclose(one, action, rtol=1e-6)

    def test_the_best_action_is_that_of_the_network(self, tmp_path: Path) -> None:
        """2 tanh(μ(s)), with μ computed by hand from the policy's file."""
        pendulum(seeds=2).learn(30, run_dir=tmp_path / "run")
        file = {
            name: tensor.numpy()[1] for name, tensor in read_tensors(tmp_path / "run/last/policy.safetensors").items()
        }
        hidden = OBS
        for layer in ("layer_0", "layer_1"):
            hidden = np.maximum(hidden @ file[f"actor/{layer}.weight"] + file[f"actor/{layer}.bias"], 0.0)
        mean = (hidden @ file["actor/layer_2.weight"] + file["actor/layer_2.bias"])[:, :1]
        actions, _ = maxent.load(tmp_path / "run" / "last").predict(OBS, deterministic=True, member=1)
        np.testing.assert_allclose(actions, 2.0 * np.tanh(mean), rtol=1e-5)

    def test_exploring_actions_vary_and_follow_the_seed(self) -> None:
        obs = np.tile(OBS[:1], (2000, 1))
        one, again, other = (pendulum(seed=seed).predict(obs)[0] for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()
        assert one.std() > 0.1
        assert np.abs(one).max() <= 2.0

    def test_the_positions_of_the_arguments_are_those_of_stable_baselines3(self) -> None:
        agent = pendulum()
        actions, state = agent.predict(OBS, "state", np.ones(3, np.bool_), True)
        np.testing.assert_array_equal(actions, agent.predict(OBS, deterministic=True)[0])
        assert state == "state"

    def test_a_dict_with_a_picture(self) -> None:
        agent, env = seeing(), Seeing()
        one = env.reset(seed=0)[0]
        several = {name: np.stack([array, array]) for name, array in one.items()}
        action, actions = (agent.predict(obs, deterministic=True)[0] for obs in (one, several))
        assert env.action_space.contains(action)
        assert actions.shape == (2, 2)
        np.testing.assert_allclose(actions, [action, action], rtol=1e-6)

    @pytest.mark.parametrize(
        ("agent", "obs", "message"),
        [
            (pendulum, np.zeros(4), r"expected 1 of shape \(3,\), got an array of shape \(4,\)"),
            (pendulum, np.zeros((2, 4)), r"expected 2 of shape \(3,\), got an array of shape \(2, 4\)"),
            (pendulum, "x", "observation: expected numbers, got text: 'x'"),
            (pendulum, None, "observation: expected numbers, got .*None"),
            (pendulum, 1.0, r"expected 1 of shape \(3,\), got an array of shape \(\)"),
            (pendulum, {"speed": np.zeros(3)}, "observation: expected numbers, got .*speed"),
            (pendulum, [[1.0], [1.0, 2.0]], r"expected 1 of shape \(3,\), got no array"),
            (seeing, np.zeros(7), "expected a dict with the entry 'eye', got ndarray"),
            (seeing, {"speed": np.zeros(3)}, r"expected a dict with the entry 'eye', got the keys \['speed'\]"),
            (seeing, {"eye": np.zeros((2, 2))}, r"expected a dict with the entry 'speed', got the keys \['eye'\]"),
        ],
    )
    def test_another_observation_is_refused(self, agent: Callable[[], Agent], obs: Any, message: str) -> None:
        with pytest.raises(UserError, match=message):
            agent().predict(obs)

    @pytest.mark.parametrize("member", [-1, 2, "a", 0.5, True])
    def test_there_are_only_so_many_members(self, member: Any) -> None:
        agent = pendulum(seeds=2)
        with pytest.raises(UserError, match=f"member: expected 0 to 1, got {member!r}"):
            agent.predict(OBS, member=member)
        with pytest.raises(UserError, match=f"member: expected 0 to 1, got {member!r}"):
            agent.q(OBS, np.zeros((3, 1)), member=member)

    def test_it_follows_the_agent_as_it_learns(self) -> None:
        agent = pendulum()
        before, _ = agent.predict(OBS, deterministic=True)
        agent.learn(60)
        after, _ = agent.predict(OBS, deterministic=True)
        assert (before != after).all()


class TestQ:
    @pytest.mark.parametrize(
        ("action", "got"),
        [
            (np.zeros((2, 1)), r"shape \(2, 1\)"), (np.zeros(3), r"shape \(3,\)"),
            (np.zeros((3, 2)), r"shape \(3, 2\)"),
            ([[0.0], [0.0, 1.0], [0.0]], "text or objects"), ([["x"]] * 3, "text or objects"),
            (None, "text or objects"),
        ],
    )  # fmt: skip
    def test_an_action_for_each_observation(self, action: Any, got: str) -> None:
        with pytest.raises(UserError, match=rf"action: expected numbers of shape \(3, 1\), one .*, got {got}"):
            pendulum().q(OBS, action)

    @pytest.mark.parametrize("action", [[2], [-1], [0.5]])
    def test_discrete_actions_that_there_are(self, action: list[float]) -> None:
        agent = maxent.DQN("CartPole-v1", **SMALL)
        assert agent.q(np.zeros((1, 4), np.float32), [1]).shape == (1,)
        with pytest.raises(UserError, match="action: expected 0 to 1, got"):
            agent.q(np.zeros((1, 4), np.float32), action)


class TestBestMember:
    def test_by_evaluation_then_by_training_then_the_first(self) -> None:
        agent = pendulum(seeds=3)
        trainer = agent._trainer
        assert trainer is not None
        assert agent.best_member() == 0
        for member, ret in ((0, -3.0), (1, -1.0), (2, -2.0)):
            trainer.window.add_episode(member, ret, 1)
        assert agent.best_member() == 1
        trainer.best.score[:] = -30.0, -20.0, -10.0
        assert agent.best_member() == 2
        np.testing.assert_array_equal(
            agent.predict(OBS, deterministic=True)[0], agent.predict(OBS, deterministic=True, member=2)[0]
        )

    def test_a_member_without_an_episode_is_not_the_best(self) -> None:
        agent = pendulum(seeds=2)
        assert agent._trainer is not None
        agent._trainer.window.add_episode(1, -100.0, 1)
        assert agent.best_member() == 1

    @pytest.mark.parametrize("eval_every", [0, 50])
    def test_every_file_knows_it(self, tmp_path: Path, eval_every: int) -> None:
        """By training returns where nothing was evaluated, for the agent, its run, its policies and its checkpoint."""
        agent = pendulum(seeds=3, eval_every=eval_every).learn(100, run_dir=tmp_path / "run")
        trainer = agent._trainer
        assert trainer is not None
        best = agent.best_member()
        scores = trainer.best.score if eval_every else trainer.window.returns()
        assert best == np.argmax(scores)
        assert len(set(scores)) == 3
        loaded = [maxent.load(tmp_path / "run" / name, verbose=False) for name in ("", "best", "last")]
        shutil.rmtree(tmp_path / "run" / "last")
        loaded.append(load_policy(tmp_path / "run", "last"))
        assert [other.best_member() for other in loaded] == [best] * 4
