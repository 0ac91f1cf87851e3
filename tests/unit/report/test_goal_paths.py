"""Rollouts in the four-goal task, the shares of the goals, and the command that draws them."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import maxent
from maxent.cli import main
from maxent.envs.problems.multigoal import GOALS
from maxent.errors import UserError
from maxent.report.goal_paths import STEPS, Rollouts, is_multigoal, require_critics, roll_out, typical


def trained(env: str = "maxent/MultiGoal-v0", run_dir: Path | None = None) -> maxent.Agent:
    agent = maxent.SAC(env, verbose=False, hidden=(8,), learning_starts=20, batch_size=8, eval_every=0, compile="off")
    return agent.learn(40, run_dir=run_dir)


def test_shares_are_of_all_episodes() -> None:
    rollouts = Rollouts([np.zeros((2, 2), np.float32)] * 5, np.array([0, 3, 3, -1, 0]))
    np.testing.assert_allclose(rollouts.shares, [0.4, 0.0, 0.0, 0.4])


def test_paths_start_at_the_origin_follow_the_dynamics_and_end_in_a_goal_or_in_time() -> None:
    rollouts = roll_out(trained(), 0, 30, base_seed=5)
    assert len(rollouts.paths) == len(rollouts.goals) == 30
    for path, goal in zip(rollouts.paths, rollouts.goals, strict=True):
        assert np.abs(path[0]).max() < 0.6  # six standard deviations of 0.1
        assert np.abs(np.diff(path, axis=0)).max() <= 1.0 + 1e-6
        inside = np.square(path[:, None] - GOALS).sum(-1) < 1.0  # [T + 1, 4]
        assert not inside[:-1].any()
        if goal < 0:
            assert len(path) == STEPS + 1
            assert not inside[-1].any()
        else:
            assert inside[-1].argmax() == goal


def test_the_command_prints_shares_and_writes_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(run_dir=tmp_path / "run").close()
    assert main(["play", str(tmp_path / "run"), "--picture", str(tmp_path / "paths.png"), "--episodes", "20"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("member 0: of 20 sampled paths ")
    shares = [float(word.rstrip("%")) for word in out.split() if word.endswith("%")]
    assert len(shares) == 5
    assert sum(shares) == pytest.approx(100.0, abs=0.3)
    assert matplotlib.image.imread(tmp_path / "paths.png").ndim == 3


def test_the_environment_is_recognised() -> None:
    assert is_multigoal(trained())
    assert not is_multigoal(trained("Pendulum-v1"))


def test_algorithms_without_critics_are_refused() -> None:
    with pytest.raises(UserError, match="reinforce has no critic"):
        require_critics(maxent.Reinforce("maxent/MultiGoal-v0", verbose=False, hidden=(8,)))


def test_the_environment_has_the_arguments_of_the_run() -> None:
    agent = maxent.SAC("maxent/MultiGoal-v0", env_kwargs={"init_sigma": 0.0}, verbose=False, hidden=(8,))
    assert all((path[0] == 0.0).all() for path in roll_out(agent, 0, 5, base_seed=0).paths)


def test_only_the_last_policy_can_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(run_dir=tmp_path / "run").close()
    assert main(["play", str(tmp_path / "run"), "--picture", "x.png", "--policy", "best"]) == 2
    assert "expected last, got best" in capsys.readouterr().err


def test_q_takes_a_batch_in_the_units_of_the_environment() -> None:
    """Pendulum's torque of ±2 is an action of ±1; a single observation and a policy without critics are refused."""
    agent = trained("Pendulum-v1")
    obs = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]], np.float32)
    q = agent.q(obs, np.array([[2.0], [-2.0]], np.float32))
    learner = agent._learner
    expected = learner.q({"float": obs}, np.array([[1.0], [-1.0]], np.float32), 0)
    np.testing.assert_array_equal(q, expected)
    assert q.shape == (2,)
    with pytest.raises(UserError, match="batch"):
        agent.q(obs[0], np.zeros(1))
    reinforce = maxent.Reinforce("CartPole-v1", verbose=False, hidden=(8,), rollout_steps=4, num_envs=1)
    with pytest.raises(UserError, match="no critic"):
        reinforce.q(np.zeros((1, 4), np.float32), np.zeros(1))


def test_the_typical_member_loses_goals_where_most_do() -> None:
    """Rarest shares 0.2, 0, 0, 0.1, 0: the median is 0, of the first one that has it in order."""
    shares = [np.array(one) for one in ([0.3, 0.3, 0.2, 0.2], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0])]
    more = [np.array(one) for one in ([0.4, 0.3, 0.2, 0.1], [0.0, 0.3, 0.0, 0.7])]
    assert typical([*shares, *more]) == 4
    assert typical(shares[:1]) == 0
    assert typical([shares[0], more[0]]) == 1
