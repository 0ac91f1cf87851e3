"""Small runs, and what it means for two of them to be equal."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from disk_faults import Killed

import maxent
from maxent.opening import open_trainer
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.folder import RunFolder
from maxent.runs.tensors import read_tensors
from maxent.training.collector import Collected, Collector

SMALL: dict[str, Any] = {
    "hidden": (8, 8),
    "batch_size": 8,
    "learning_starts": 20,
    "buffer_size": 120,  # the rings of a run of 160 steps are written over
    "replay_ratio": 0.5,
    "eval_every": 50,
    "eval_episodes": 1,
    "log_every": 20,
    "checkpoint_every": 30,
    "compile": "off",
    "verbose": False,
}
WIDE: dict[str, Any] = {"seeds": 2, "num_envs": 2, "n_step": 3, "learning_starts": 40, "random_hold": 4}


def pendulum(**settings: Any) -> maxent.Agent:
    """Return an agent on Pendulum with episodes of 25 steps."""
    return maxent.SAC("Pendulum-v1", env_kwargs={"max_episode_steps": 25}, **SMALL | settings)


def at_step(patch: pytest.MonkeyPatch, step: int, act: Callable[[], None]) -> None:
    """Run `act` before every step of the training loop from this step on."""
    collect = Collector.step

    def acting(collector: Collector, number: int) -> Collected:
        if number >= step:
            act()
        return collect(collector, number)

    patch.setattr(Collector, "step", acting)


def die() -> None:
    """Raise `Killed`."""
    raise Killed


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int, start: Callable[[], object]) -> None:
    """Call `start`, and kill the run that it starts before this step."""
    with monkeypatch.context() as patch:
        at_step(patch, step, die)
        with pytest.raises(Killed):
            start()


def metrics(run: Path) -> list[dict[str, str]]:
    """Return the rows of metrics.csv without the columns of time."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: cell for name, cell in row.items() if not name.startswith("time/")} for row in rows]


def plain_state(run: Path) -> dict[str, Any]:
    """Return the plain data of the newest checkpoint by part, without the time that the run took."""
    folder = sorted((run / "checkpoints").iterdir())[-1]
    plain = json.loads((folder / "state.json").read_text())["plain"]
    assert plain["parts"]["progress"].pop("elapsed") > 0.0
    return {"compiled": plain["compiled"], "layers": plain["layers"], **plain["parts"]}


def contents(run: Path) -> dict[str, Any]:
    """Return everything that a finished run leaves, by name: counters, metrics, and the bytes of every tensor.

    The replay is compared after reading it back, whatever the segments it was written in.
    """
    found: dict[str, Any] = {"plain": plain_state(run), "metrics": metrics(run), "evaluations": evaluations(run)}
    return found | {name: array.tobytes() for name, array in tensors(run).items()}


def evaluations(run: Path) -> bytes | None:
    """Return evaluations.csv as it is; None for a run without evaluations."""
    path = run / "evaluations.csv"
    return path.read_bytes() if path.exists() else None


def tensors(run: Path) -> dict[str, np.ndarray]:
    """Return every tensor of the newest checkpoint, of the policies, and of the replay after reading it back."""
    store = CheckpointStore(run)
    snapshot = store.latest()
    assert snapshot is not None
    assert snapshot.plain["parts"]["progress"]["step"] == store.newest
    found = {f"checkpoint/{name}": tensor.numpy() for name, tensor in snapshot.tensors.items()}
    for which in ("best", "last"):
        for name, tensor in read_tensors(run / which / "policy.safetensors").items():
            found[f"{which}/{name}"] = tensor.numpy()
    trainer = open_trainer(RunFolder.open(run), None, None, "quiet")
    found |= {f"replay/{name}": column.numpy() for name, column in trainer.replay.columns.items()}
    trainer.close()
    return found


def assert_equal(own: dict[str, Any], other: dict[str, Any]) -> None:
    """Check that the contents of two runs are equal, bit for bit."""
    assert own["plain"] == other["plain"]
    assert own["metrics"] == other["metrics"]
    assert own.keys() == other.keys()
    assert [name for name in own if own[name] != other[name]] == []


def assert_equal_states(agent: maxent.Agent, other: maxent.Agent) -> None:
    """Assert that two agents have equal tensors."""
    own, others = agent._learner.state, other._learner.state
    assert own.keys() == others.keys()
    for name, tensor in own.items():
        assert torch.equal(tensor, others[name]), name
