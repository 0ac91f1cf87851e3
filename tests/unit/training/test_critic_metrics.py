"""The critics' values beside the returns that followed, in the metrics of evaluations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from short_runs import SMALL

import maxent
from maxent import algorithms
from maxent.results.run import read_run
from maxent.runs.table import read_table

SHORT: dict[str, Any] = {
    "log_every": 60,
    "eval_every": 60,
    "eval_episodes": 2,
    "checkpoint_every": 0,
    "seeds": 2,
    "learning_starts": 56,
}
WITH_Q = [name for name, kind in algorithms.known().items() if kind.has_q() and not kind.on_policy]


def learned(run: Path, name: str, **settings: Any) -> maxent.Agent:
    env = "Pendulum-v1" if "continuous" in algorithms.find(name).actions else "CartPole-v1"
    kind = algorithms.find(name)
    known = set(kind.config_class.__dataclass_fields__)
    small = {key: value for key, value in SMALL.items() if key != "hidden" or "hidden" in known}
    agent = maxent.Agent(env, algorithm=name, env_kwargs={"max_episode_steps": 25}, **small | SHORT | settings)
    return agent.learn(60, run_dir=run)


@pytest.mark.parametrize("name", WITH_Q)
def test_every_algorithm_with_critics_writes_both(tmp_path: Path, name: str) -> None:
    agent = learned(tmp_path / "run", name)
    agent.close()
    run = read_run(tmp_path / "run")
    for tag in ("eval/q_value", "eval/discounted_return"):
        values = run.metrics.known(tag)[1]
        assert values.shape == (1, 2) and np.isfinite(values).all(), tag
    assert run.evaluations.single and run.evaluations.returns.shape == (1, 2, 2)
    np.testing.assert_allclose(run.evaluations.means[-1], run.metrics.by_member("eval/mean_reward")[-1])


def test_an_algorithm_without_critics_writes_neither(tmp_path: Path) -> None:
    agent = maxent.Agent(
        "CartPole-v1", algorithm="reinforce", log_every=60, eval_every=60, eval_episodes=1, compile="off", verbose=False
    )
    agent.learn(60, run_dir=tmp_path / "run").close()
    assert "eval/q_value" not in read_table(tmp_path / "run" / "metrics.csv")


def test_values_are_in_the_unit_of_the_rewards(tmp_path: Path) -> None:
    """Critics see rewards times reward_scale, so their values are divided by it."""
    agent = learned(tmp_path / "run", "sac", reward_scale=0.25)
    learner = agent._learner
    obs = learner.observation.pack(np.zeros((2, 3), np.float32), 2)
    packed = {part: np.stack([rows, rows]) for part, rows in obs.items()}
    action = learner.mode(packed)
    values = learner.values(packed, action)
    assert values.shape == (2, 2)
    for member in range(2):
        expected = learner.q(obs, action[member], member) / 0.25
        np.testing.assert_allclose(values[member], expected, rtol=1e-5)
    agent.close()


def test_a_run_without_evaluations_has_no_file_of_them(tmp_path: Path) -> None:
    learned(tmp_path / "run", "sac", eval_every=0).close()
    assert not (tmp_path / "run" / "evaluations.csv").exists()
    assert not read_run(tmp_path / "run").evaluations.single


def test_evaluations_change_nothing_that_is_learned(tmp_path: Path) -> None:
    """Neither parameters nor random streams: with evaluations and without, bit for bit."""
    learning = {"learning_starts": 20}
    with_them, without = (
        learned(tmp_path / name, "sac", eval_every=every, **learning) for name, every in (("on", 10), ("off", 0))
    )
    for name, tensor in with_them._learner.state.items():
        assert torch.equal(tensor, without._learner.state[name]), name
    assert with_them._require_trainer().updater.updates == 20  # (60 − 20) · 0.5
    with_them.close()
    without.close()
