"""Members that diverge: they go back, or end, alone; and no checkpoint holds what is not finite."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import maxent
from maxent.errors import UserError
from maxent.opening import load, resume_run
from maxent.runs.folder import RunFolder
from maxent.training.trainer import Trainer
from maxent.training.updater import Updater

SETTINGS: dict[str, Any] = {
    "hidden": (4,), "learning_starts": 5, "batch_size": 4, "eval_every": 0, "verbose": False, "compile": "off",
    "checkpoint_every": 10, "log_every": 5, "seeds": 3,
}  # fmt: skip
ALGORITHMS = ["SAC", "SACv1", "TD3", "DDPG", "REDQ", "DroQ", "TQC", "CrossQ", "XQC", "FlashSAC"]


class Messages(maxent.Observer):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_message(self, text: str) -> None:
        self.texts.append(text)


def broken_at(patch: pytest.MonkeyPatch, steps: set[int], name: str, value: float, ratio: int = 1) -> None:
    """Write a number into a tensor of member 1 after the updates of these steps."""
    original = Updater._run
    updates = {ratio * (step - 5) for step in steps}

    def run(self: Updater, engine: Any, count: int, progress: float) -> None:
        original(self, engine, count, progress)
        if self.updates in updates:
            self.learner.state[name][1].view(-1)[0] = value

    patch.setattr(Updater, "_run", run)


def trained(kind: str = "SAC", steps: int = 60, **settings: Any) -> tuple[Trainer, list[str]]:
    narrow = {"critic_hidden": (8, 8)} if kind in ("CrossQ", "XQC", "FlashSAC") else {}
    agent, said = getattr(maxent, kind)("Pendulum-v1", **SETTINGS | narrow | settings), Messages()
    agent.learn(steps, observers=[said])
    assert agent._trainer is not None
    return agent._trainer, [text for text in said.texts if "diverged" in text]


@pytest.mark.parametrize(("kind", "value"), [*((kind, float("nan")) for kind in ALGORITHMS), ("SAC", float("inf"))])
def test_one_goes_back_and_the_others_stay_as_they_are(
    kind: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, whatever is broken: critic, actor, or a moment of an optimiser."""
    twin, none = trained(kind)
    assert none == []
    name = {"SAC": "log_alpha", "TD3": "actor", "TQC": "critic.adam_v"}.get(kind, "critic")
    broken_at(monkeypatch, {27}, name, value, {"REDQ": 20, "DroQ": 20, "XQC": 2}.get(kind, 1))
    trainer, said = trained(kind)
    assert len(said) == 1 and said[0].startswith("member 1 diverged by step ")
    assert "it goes back to its state of step 20, with other random numbers" in said[0]
    for key, tensor in trainer.learner.state.items():
        if not key.endswith(("adam_steps", "adam_scale", "metric_counts")):
            assert torch.equal(tensor[[0, 2]], twin.learner.state[key][[0, 2]]), key
        assert key == "metric_sums" or bool(torch.isfinite(tensor).all()), key
    rows, expected = (one.replay.columns["row"] for one in (trainer, twin))
    assert torch.equal(rows[[0, 2]], expected[[0, 2]])
    assert not torch.equal(rows[1], expected[1])
    assert bool(torch.isfinite(rows).all())


def test_prioritised_replay_too(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = {"replay": {"kind": "prioritized"}}
    twin, _ = trained(**replay)
    broken_at(monkeypatch, {27}, "critic", float("nan"))
    trainer, said = trained(**replay)
    assert len(said) == 1
    assert torch.equal(trainer.learner.state["critic"][[0, 2]], twin.learner.state["critic"][[0, 2]])


def test_after_three_times_in_a_row_it_learns_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the run ends in order, with the member at its last good state. A good interval in between starts anew."""
    twin, _ = trained()
    with monkeypatch.context() as patch:
        broken_at(patch, {12, 32, 52}, "critic", float("nan"))
        trainer, said = trained()
    assert ["it goes back" in text for text in said] == [True] * 3 and trainer.guard.ended == [False] * 3
    broken_at(monkeypatch, {22, 27, 32}, "critic", float("nan"))
    trainer, said = trained()
    assert ["it goes back" in text for text in said] == [True, True, False]
    assert said[-1].endswith("3 times in a row: it learns no more, and keeps its state of step 30")
    trainer, said = trained(checkpoint_every=1_000)
    assert said[-1].endswith("3 times in a row: it learns no more, and keeps its state of step 0")
    fresh = maxent.SAC("Pendulum-v1", **SETTINGS)._trainer
    assert fresh is not None and trainer.guard.ended == [False, True, False]
    assert torch.equal(trainer.learner.state["critic"][1], fresh.learner.state["critic"][1])
    assert torch.equal(trainer.learner.state["critic"][[0, 2]], twin.learner.state["critic"][[0, 2]])
    assert trainer.progress.step == 60


def test_a_run_whose_only_member_diverges_three_times_in_a_row_ends_with_a_sentence() -> None:
    with pytest.raises(UserError, match=r"^Training diverged by step \d+ \(.*\), 3 times in a row: try a smaller"):
        maxent.SAC("Pendulum-v1", **SETTINGS | {"seeds": 1, "learning_rate": 1e38}).learn(200)


def blown_up(patch: pytest.MonkeyPatch, bias: float) -> None:
    """Make the critics of member 1 return about this number after 22 updates, which later updates do not change."""
    original = Updater._run

    def run(self: Updater, *arguments: Any) -> None:
        original(self, *arguments)
        if self.updates == 22:
            critic = self.learner.algorithm.networks["critic"]
            last = [key for key in critic.shapes if key.endswith("bias")][-1]
            critic.views(self.learner.state["critic"])[last][2:4] = bias  # both critics of member 1
            self.learner.state["critic.adam_v"][1] = 1e30

    patch.setattr(Updater, "_run", run)


@pytest.mark.parametrize(("bias", "diverged", "scale"), [(1.5e6, False, 1.0), (1.5e6, False, -1.0), (1e8, True, 1.0)])
def test_critics_that_blow_up_go_back(
    monkeypatch: pytest.MonkeyPatch, bias: float, diverged: bool, scale: float
) -> None:
    """Rewards of at most 16.3 and the entropy add up to less than 3e3; a thousand times that is below 3e6."""
    twin, _ = trained(reward_scale=scale)
    blown_up(monkeypatch, bias)
    trainer, said = trained(reward_scale=scale)
    assert ["mean Q" in text for text in said] == [True] * diverged
    assert torch.equal(trainer.learner.state["critic"][[0, 2]], twin.learner.state["critic"][[0, 2]])


def test_the_priorities_of_a_member_that_blew_up_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of 1e12 would make all later batches repeat a few rows."""
    blown_up(monkeypatch, 1e12)
    trainer, said = trained(steps=40, replay={"kind": "prioritized"})
    assert len(said) == 1
    leaves = trainer.sampler._tree.leaves  # type: ignore[attr-defined]
    assert leaves[1].max() < 100.0  # errors of Pendulum's returns, to the power 0.6


@pytest.mark.parametrize("name", ["critic", "target_critic", "actor.adam_v"])
def test_no_checkpoint_holds_numbers_that_are_not_finite(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although checkpoints are far more frequent than the rows of metrics, whose numbers are looked at too."""
    broken_at(monkeypatch, {39, 40, 60}, name, float("nan"))
    agent = maxent.SAC("Pendulum-v1", **SETTINGS | {"log_every": 1_000})
    agent.learn(60, run_dir=tmp_path / "run")
    agent.close()
    store = RunFolder.open(tmp_path / "run").checkpoints
    snapshot = store.latest()
    assert snapshot is not None
    learned = [tensor for key, tensor in snapshot.tensors.items() if key.startswith("learner/") and "metric" not in key]
    assert len(learned) > 10
    assert all(bool(torch.isfinite(tensor).all()) for tensor in learned)
    resumed = load(tmp_path / "run")
    assert np.isfinite(resumed.predict(resumed.make_env().reset(seed=0)[0], member=1)[0]).all()
    resumed.close()


def test_a_resumed_run_knows_who_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_at(monkeypatch, {22, 27, 32}, "critic", float("nan"))
    settings = SETTINGS | {"checkpoint_every": 1_000}
    whole = maxent.SAC("Pendulum-v1", **settings)
    whole.learn(80)
    maxent.SAC("Pendulum-v1", **settings).learn(40, run_dir=tmp_path / "run")
    resume_run(tmp_path / "run", steps=80, verbose=False)
    again = load(tmp_path / "run")
    assert again._trainer is not None and whole._trainer is not None
    assert again._trainer.guard.ended == [False, True, False]
    for key, tensor in again._trainer.learner.state.items():
        if key != "metric_sums":
            assert torch.equal(tensor, whole._trainer.learner.state[key]), key
