"""What a child of the nursery does: train, resume, save, compare. All arguments and results are plain data."""

import contextlib
import ctypes
import errno
import hashlib
import io
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from configurations import agent_of
from short_runs import contents as contents_of

import maxent
from maxent.cli import main
from maxent.opening import resume_run
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.layout import CONFIG
from maxent.view import curve

DRAW_CURVE = curve.draw_curve
KINDS = {"count": 0, "kill": -1, "short": -2, "ENOSPC": errno.ENOSPC, "EIO": errno.EIO}


class Faults:
    """The faults of one job, in the library that is loaded before all others."""

    def __init__(self, library: str, fault: Mapping[str, Any] | None) -> None:
        self._library = ctypes.CDLL(library) if fault else None
        if self._library is not None and fault is not None:
            self._library.faulty_arm(
                fault["root"].encode(), ctypes.c_long(fault["number"]), KINDS[fault["kind"]],
                int(fault["lasting"]), int(fault["reads"]),
            )  # fmt: skip

    def end(self) -> tuple[int, int]:
        """Stop counting; return how many calls there were, and how many of them were faults."""
        if self._library is None:
            return 0, 0
        self._library.faulty_disarm()
        return self._library.faulty_seen(), self._library.faulty_failed()


def warm(folder: Path) -> None:
    """Import and prepare everything that runs need, so that each child has it."""
    torch.set_num_threads(1)
    curve.draw_curve = lambda *_: None
    agent = agent_of("sac")
    agent.learn(30, run_dir=folder / "run")
    agent.save(folder / "saved")
    agent.close()
    maxent.load(folder / "saved", verbose=False).close()


def train(run: str, name: str, steps: int, **settings: Any) -> None:
    """Begin a run, or go on with it where it has begun."""
    if (Path(run) / CONFIG).exists():
        resume_run(Path(run), verbose=False)
        return
    agent = agent_of(name, **settings)
    agent.learn(steps, run_dir=run)
    agent.close()


def go_on(run: str, name: str, steps: int, settings: Mapping[str, Any]) -> None:
    """Begin a run, or go on with it to these steps unless it has made them."""
    path = Path(run)
    if not (path / CONFIG).exists():
        train(run, name, steps, **settings)
        return
    made = CheckpointStore(path).newest or 0
    resume_run(path, steps=steps if steps > made else None, verbose=False)


def look(run: str) -> None:
    """Load a run, and act once."""
    agent = maxent.load(run, verbose=False)
    agent.predict(agent.make_env().reset(seed=0)[0])
    agent.close()


def contents(run: str) -> dict[str, Any]:
    """Return counters, metrics and digests of all tensors of a finished run."""
    found = contents_of(Path(run))
    return {name: hashlib.sha256(one).hexdigest() if isinstance(one, bytes) else one for name, one in found.items()}


def train_and_save(saved: str, name: str, steps: list[int]) -> None:
    """Learn and save, again and again, in one folder."""
    agent = agent_of(name)
    for more in steps:
        agent.learn(more)
        agent.save(saved)
    agent.close()


def save_on(saved: str, steps: int, to: str) -> None:
    """Load a saved agent, learn on, and save it in a folder."""
    agent = maxent.load(saved, verbose=False)
    agent.learn(steps)
    agent.save(to)
    agent.close()


def saved_contents(saved: str) -> dict[str, Any]:
    """Return the steps of a saved agent and a digest of all it has learned."""
    agent = maxent.load(saved, verbose=False)
    digest = hashlib.sha256()
    for name, tensor in sorted(agent._learner.state.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    trainer = agent._trainer
    assert trainer is not None
    for _, column in sorted(trainer.replay.columns.items()):
        digest.update(column.numpy().tobytes())
    agent.close()
    return {"steps": agent.num_timesteps, "digest": digest.hexdigest()}


def load_beside(run: str, count: int) -> dict[str, Any]:
    """Load a run again and again while another process trains it with a checkpoint at each step."""
    writer = os.fork()
    if writer == 0:
        try:
            agent_of("sac", checkpoint_every=1, buffer_size=40, eval_every=0).learn(1_000_000, run_dir=run)
        finally:
            os._exit(1)
    steps, failures = [], []
    try:
        while CheckpointStore(Path(run)).newest is None:
            time.sleep(0.01)
        for _ in range(count):
            said = io.StringIO()
            try:
                with contextlib.redirect_stdout(said):
                    agent = maxent.load(run)
            except Exception as error:
                failures.append(repr(error))
                continue
            if "damaged" in said.getvalue():
                failures.append(said.getvalue())
            steps.append(agent.num_timesteps)
            agent.close()
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    return {"steps": steps, "failures": failures}


def command(words: list[str], picture: bool = True) -> int:
    """Run a command of the command line, with the picture of the curve, which the other jobs leave out."""
    if picture:
        curve.draw_curve = DRAW_CURVE
    return main(words)


def newest(run: str) -> int | None:
    """Return the step of the checkpoint from which a run would go on."""
    snapshot = CheckpointStore(Path(run)).latest()
    return None if snapshot is None else int(snapshot.plain["parts"]["progress"]["step"])
