"""A run that diverges leaves checkpoints that are finite."""

from pathlib import Path
from typing import Any

import pytest
import torch

import maxent
from maxent.errors import UserError
from maxent.opening import load
from maxent.runs.folder import RunFolder
from maxent.training.trainer import Trainer

SETTINGS = {
    "hidden": (4,), "learning_starts": 5, "batch_size": 4, "eval_every": 0, "verbose": False, "compile": "off",
    "checkpoint_every": 10, "log_every": 1_000,
}  # fmt: skip


@pytest.mark.parametrize("name", ["critic", "target_critic", "actor.adam_v"])
def test_no_checkpoint_holds_numbers_that_are_not_finite(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although checkpoints are far more frequent than the rows of metrics, whose numbers are looked at too."""
    agent, original = maxent.SAC("Pendulum-v1", **SETTINGS), Trainer._checkpoint

    def checkpoint(self: Trainer, *arguments: Any) -> None:
        if self.progress.step == 40:
            self.learner.state[name].view(-1)[0] = float("nan")
        original(self, *arguments)

    monkeypatch.setattr(Trainer, "_checkpoint", checkpoint)
    with pytest.raises(UserError, match=rf"^Training diverged by step 40 \(.*{name.split('.')[0]}.* not finite\)"):
        agent.learn(100, run_dir=tmp_path / "run")
    agent.close()
    store = RunFolder.open(tmp_path / "run").checkpoints
    assert store.newest is not None
    assert int(store.newest) == 30
    snapshot = store.latest()
    assert snapshot is not None
    learned = [tensor for key, tensor in snapshot.tensors.items() if key.startswith("learner/")]
    assert len(learned) > 10
    assert all(bool(torch.isfinite(tensor).all()) for tensor in learned)
    resumed = load(tmp_path / "run")
    assert resumed.predict(resumed.make_env().reset(seed=0)[0])[0].shape == (1,)
    resumed.close()
