"""What a run needs of memory: said before it starts, refused if the machine has less, and constant once it is taken."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from short_runs import pendulum

import maxent
from maxent.errors import UserError
from maxent.opening import resume_run
from maxent.training import memory
from maxent.training.memory import networks_text, replay_text, require_memory
from maxent.training.trainer import Trainer

GROWTH = Path(__file__).parents[2] / "support" / "growth.py"

ROW = 21
"""Bytes of a Pendulum row: 3 numbers of the observation, action and reward of 4 bytes each, and the type of 1."""


def trainer_of(**settings: Any) -> Trainer:
    trainer = pendulum(**settings)._trainer
    assert trainer is not None
    return trainer


def has(monkeypatch: pytest.MonkeyPatch, left: int | None) -> None:
    """Let the machine have so many bytes left."""
    monkeypatch.setattr(memory, "available_memory", lambda: left)


def test_what_a_replay_needs_is_said() -> None:
    """Of 200,000 rows 50,000 are filled: 1.05 MB of 4.2 MB, and twice that with two members."""
    text = replay_text(trainer_of(buffer_size=200_000, seeds=2), 50_000)
    assert text == "replay: 200,000 rows of 21 bytes a member, 8.4 MB for 2 when full; this run fills 2.1 MB of memory"
    full = replay_text(trainer_of(buffer_size=200_000), 10**9)
    assert full == "replay: 200,000 rows of 21 bytes a member, 4.2 MB for 1 when full; this run fills 4.2 MB of memory"


def test_what_lies_on_a_disk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    text = replay_text(trainer_of(buffer_size=100_000, replay_storage="disk", replay="prioritized"), 100_000)
    assert text.endswith(f"this run fills 2.1 MB on the disk of {tmp_path}, and sampling takes 1.6 MB of memory")


def test_what_networks_need_is_said() -> None:
    """An actor of 3, 512, 512 and 2 · 1 numbers with two moments, and two critics of 4, 512, 512 and 1 with targets and
    two moments. Padding is below the digits shown.
    """
    trainer = trainer_of(hidden=(512, 512))
    actor, critic = 3 * 512 + 512 + 512 * 512 + 512 + 512 * 2 + 2, 4 * 512 + 512 + 512 * 512 + 512 + 512 + 1
    needed = 4 * (3 * actor + 2 * 4 * critic) / 1e6
    text = "with targets, the moments of the optimisers, and a copy of all of it"
    assert networks_text(trainer) == f"networks: {2 * needed:,.1f} MB {text}"


def test_a_run_says_what_it_needs_before_it_starts(capsys: pytest.CaptureFixture[str]) -> None:
    pendulum(verbose=True).learn(30)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("replay:", "networks:"))]
    assert lines[0].startswith("replay: 120 rows of 21 bytes a member, 0.0 MB for 1 when full; this run fills 0.0 MB")
    assert lines[1].startswith("networks: 0.0 MB")


@pytest.mark.parametrize(
    ("settings", "row"),
    [({}, ROW), ({"replay": "prioritized"}, ROW + 16), ({"replay": "prioritized", "replay_storage": "disk"}, 16)],
)
def test_rows_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], row: int) -> None:
    """As many as the run will fill: 10,000 of the 20,000, for each of two members."""
    trainer = trainer_of(buffer_size=20_000, seeds=2, **settings)
    has(monkeypatch, 2 * 10_000 * row)
    require_memory(trainer, 10_000)
    has(monkeypatch, 2 * 10_000 * row - 1)
    with pytest.raises(UserError, match=r"buffer_size: the replay will need .* until step 10,000"):
        require_memory(trainer, 10_000)
    has(monkeypatch, 2 * 20_000 * row)
    require_memory(trainer, 10**9)
    has(monkeypatch, None)
    require_memory(trainer, 10**9)


def test_rows_on_a_disk_need_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, 0)
    require_memory(trainer_of(replay_storage="disk"), 10**9)


def test_rows_that_are_there_need_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = pendulum(buffer_size=1_000)
    agent.learn(100)  # four episodes of 25 steps: 104 rows
    assert agent._trainer is not None
    has(monkeypatch, (300 - 104) * ROW)
    require_memory(agent._trainer, 300)
    has(monkeypatch, (300 - 104) * ROW - 1)
    with pytest.raises(UserError, match="until step 300"):
        require_memory(agent._trainer, 300)


def test_a_refused_run_leaves_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    agent = pendulum()
    has(monkeypatch, 100)
    with pytest.raises(UserError, match="use --replay-storage disk or a smaller --buffer-size"):
        agent.learn(50, run_dir=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_may_go_to_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the memory is less than it was: refused before rows are read, and accepted with a disk."""
    pendulum().learn(50, run_dir=tmp_path / "run")
    config = (tmp_path / "run" / "config.json").read_bytes()
    has(monkeypatch, 100)
    with pytest.raises(UserError, match=r"until step 50, and this machine has 0\.0 GB left; use --replay-storage disk"):
        resume_run(tmp_path / "run", steps=80, verbose=False)
    with pytest.raises(UserError, match="until step 50"):
        maxent.load(tmp_path / "run", verbose=False)
    assert (tmp_path / "run" / "config.json").read_bytes() == config
    resume_run(tmp_path / "run", steps=80, replay_storage="disk", verbose=False)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory from /proc")
def test_a_run_does_not_grow(tmp_path: Path) -> None:
    """Rows of 70,000 steps are 1.5 MB; the long form of 2,000,000 steps is tests/faults/test_memory.py."""
    program = [sys.executable, str(GROWTH), str(tmp_path / "run"), "100000", "--after-steps", "30000"]
    output = subprocess.run(program, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=True).stdout
    grown = json.loads(output)
    assert grown["most"] - grown["first"] < 25.0, grown
