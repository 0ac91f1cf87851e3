"""Runs whose environments fail: what they learn from, and that they are resumed exactly."""

from pathlib import Path
from typing import Any

import flawed  # noqa: F401 - registers the environments
import numpy as np
import pytest
from short_runs import SMALL, assert_equal, contents, killed_at, metrics

import maxent
from maxent.envs.seeds import training_seed
from maxent.opening import open_trainer, resume_run
from maxent.replay.layout import STEP, TERMINAL
from maxent.runs.folder import RunFolder

STEPS = 200
DROP: dict[str, Any] = {"bad_data": "drop", "num_envs": 2, "buffer_size": 400, "eval_every": 0, "checkpoint_every": 15}


def agent(kind: str, **settings: Any) -> maxent.Agent:
    given: dict[str, Any] = SMALL | DROP | settings
    match kind:
        case "hindsight":
            return maxent.SAC("FlawedReach-v0", replay={"kind": "hindsight"}, **given)
        case "prioritized":
            return maxent.SAC("Flawed-v0", replay={"kind": "prioritized"}, seeds=2, **given)
        case "workers":
            return maxent.SAC("Flawed-v0", workers=True, **given)
        case "small ring":
            return maxent.SAC("Flawed-v0", **given | {"buffer_size": 40, "norm_obs": True, "norm_reward": True})
        case "on-policy":
            own = {name: value for name, value in given.items() if name not in ("batch_size", "learning_starts")}
            own = {name: value for name, value in own.items() if name not in ("buffer_size", "replay_ratio")}
            return maxent.ActorCritic("Flawed-v0", rollout_steps=5, **own)
    return maxent.SAC("Flawed-v0", **given)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let environments fail as often as they like."""
    monkeypatch.setattr("maxent.envs.failures.MAX_FAILURES", 1_000)


KINDS = ["uniform", "prioritized", "hindsight", "workers", "small ring", "on-policy"]


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_with_dropped_episodes_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Checkpoints every 15 steps fall into episodes that are dropped later, so their rows are in files already."""
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)
    agent(kind).learn(STEPS, run_dir=tmp_path / "whole")
    killed_at(monkeypatch, 130, lambda: agent(kind).learn(STEPS, run_dir=tmp_path / "cut"))
    resume_run(tmp_path / "cut", verbose=False)
    assert_equal(contents(tmp_path / "cut"), contents(tmp_path / "whole"))
    assert float(metrics(tmp_path / "whole")[-1]["rollout/ep_dropped"].split()[0]) >= 2


@pytest.mark.parametrize("kind", ["uniform", "prioritized", "small ring"])
def test_nothing_of_a_dropped_episode_is_learned_from(tmp_path: Path, kind: str) -> None:
    agent(kind).learn(STEPS, run_dir=tmp_path / "run")
    trainer = open_trainer(RunFolder.open(tmp_path / "run"), None, None, "quiet")
    row, kinds = (trainer.replay.columns[name].numpy() for name in ("row", "kind"))
    starts = (kinds == STEP) | (kinds == TERMINAL)
    assert np.isfinite(row).all()
    bad = row[..., 2] == 1
    # an episode under way has not come to its seventh step yet
    assert (starts & bad).sum() <= 6 * trainer.lanes.count
    assert kind == "small ring" or ((bad & ~starts).any() and (starts & ~bad).any())
    trainer.close()


def test_failures_are_told_with_their_place_and_counted() -> None:
    told: list[str] = []

    class Listening(maxent.Observer):
        def on_message(self, text: str) -> None:
            told.append(text)

    agent("uniform", num_envs=1).learn(60, observers=[Listening()])
    failed = [text for text in told if "step 7" in text]
    assert failed
    assert all(text.endswith("Its 6 steps are dropped, and another episode begins.") for text in failed)


def test_updates_wait_for_transitions() -> None:
    """The first episode of the only environment is dropped after 6 steps and 4 updates, which leaves nothing."""
    seed = next(seed for seed in range(100) if training_seed(seed, 0, 0) % 3 == 0)
    settings = SMALL | DROP | {"num_envs": 1, "seed": seed, "learning_starts": 2, "replay_ratio": 1.0}
    learner, found = maxent.SAC("Flawed-v0", **settings | {"log_every": 1}), dict[int, float]()
    learner.learn(10, observers=[lambda record: found.update({record.step: record.values["train/n_updates"][0]})])
    assert [found[step] for step in range(1, 11)] == [0, 0, 1, 2, 3, 4, 4, 5, 6, 7]  # step 7 is no transition
