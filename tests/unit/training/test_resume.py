"""A run that was interrupted and resumed equals one that never was, bit for bit."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disk_faults import Disk, Killed
from short_runs import (
    WIDE,
    assert_equal,
    assert_equal_states,
    at_step,
    contents,
    killed_at,
    metrics,
    pendulum,
    plain_state,
    tensors,
)

import maxent
from maxent.errors import UserError
from maxent.opening import resume_run
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.folder import RunFolder
from maxent.runs.sinks import CsvSink
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer

STEPS = 160


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    pendulum(**WIDE).learn(STEPS, run_dir=run)
    return run


@pytest.fixture(scope="module")
def expected(uninterrupted: Path) -> dict[str, Any]:
    return contents(uninterrupted)


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def test_the_run_is_one_worth_comparing(uninterrupted: Path) -> None:
    """Episodes ended, rings were written over, policies moved, members differ, and all files are there."""
    state, plain, rows = tensors(uninterrupted), plain_state(uninterrupted), metrics(uninterrupted)
    progress, lanes = plain["progress"], plain["collector"]["lanes"]["lanes"]
    assert (progress["step"], progress["transitions"]) == (160, 320)
    assert plain["updater"]["updates"] == 60  # ½ · (160 − 40)
    assert all(lane["episode"] == 3 and lane["length"] == 5 for lane in lanes)  # 80 = 3 · 25 + 5
    # An episode takes 26 rows, so after 80 steps rows 0 to 82 are complete. Of these a ring of 60 holds 24 to 82 beside
    # the pending one, and so the final rows 25, 51 and 77.
    kinds = state["replay/kind"].reshape(2, 2, 60)  # [P, N, ring]
    assert (np.flatnonzero(kinds[1, 1] == 3) == [17, 25, 51]).all()  # 77 % 60, 25, 51
    assert np.flatnonzero(kinds[1, 1] == 0).tolist() == [83 % 60]
    for name in ("actor/layer_0.weight", "critic/layer_0.weight", "target_critic/layer_0.weight", "log_alpha"):
        assert not np.array_equal(state[f"checkpoint/learner/{name}"][0], state[f"checkpoint/learner/{name}"][1])
    assert np.abs(state["checkpoint/learner/critic.adam_v/layer_0.weight"]).sum() > 0.0
    assert [row["step"] for row in rows] == ["20", "40", "50", "60", "80", "100", "120", "140", "150", "160"]


@pytest.mark.parametrize("step", [2, 30, 32, 74, 120, 158])
def test_killed_in_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any], step: int
) -> None:
    run = tmp_path / "run"
    killed_at(monkeypatch, step, lambda: pendulum(**WIDE).learn(STEPS, run_dir=run))
    assert resume_run(run, verbose=False) is Outcome.FINISHED
    assert_equal(contents(run), expected)


def test_killed_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any]) -> None:
    """Also before the first checkpoint that a resumed run writes."""
    run = tmp_path / "run"
    killed_at(monkeypatch, 40, lambda: pendulum(**WIDE).learn(STEPS, run_dir=run))
    for step in (32, 64, 70, 118):
        killed_at(monkeypatch, step, lambda: resume_run(run, verbose=False))
    resume_run(run, verbose=False)
    assert_equal(contents(run), expected)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_a_checkpoint_of_the_step_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any], number: signal.Signals
) -> None:
    run, agent = tmp_path / "run", pendulum(**WIDE)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        at_step(patch, 70, lambda: os.kill(os.getpid(), number))
        assert agent.train(STEPS, run) is Outcome(number)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert CheckpointStore(run).newest == 72
    assert (run / "last" / "policy.json").exists()
    assert resume_run(run, verbose=False) is Outcome.FINISHED
    assert_equal(contents(run), expected)


def test_a_signal_during_the_first_checkpoint_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Trainer.save

    def interrupted(trainer: Trainer, store: CheckpointStore) -> None:
        monkeypatch.setattr(Trainer, "save", save)
        os.kill(os.getpid(), signal.SIGTERM)
        save(trainer, store)

    monkeypatch.setattr(Trainer, "save", interrupted)
    assert pendulum().train(STEPS, tmp_path / "run") is Outcome.TERMINATED
    assert CheckpointStore(tmp_path / "run").newest == 0


def test_an_agent_that_was_interrupted_can_learn_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = pendulum()
    with monkeypatch.context() as patch:
        at_step(patch, 70, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert agent.train(STEPS, tmp_path / "run") is Outcome.TERMINATED
    assert agent.train(20) is Outcome.FINISHED
    assert agent.num_timesteps == 91


def test_copies_of_the_folder_at_every_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any]
) -> None:
    save, copies = Trainer.save, []

    def copying(trainer: Trainer, store: CheckpointStore) -> None:
        save(trainer, store)
        copies.append(shutil.copytree(tmp_path / "run", tmp_path / f"copy-{len(copies)}"))

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save", copying)
        pendulum(**WIDE).learn(STEPS, run_dir=tmp_path / "run")
    assert [CheckpointStore(copy).newest for copy in copies] == [0, 30, 60, 90, 120, 150, 160]
    for copy in copies:
        resume_run(copy, verbose=False)
        assert_equal(contents(copy), expected)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the dead leave files open
def test_killed_at_any_file_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first file of the folder to the last one of the run: whatever is there, the run goes on from it."""
    settings = {"learning_starts": 8, "checkpoint_every": 8, "log_every": 8, "eval_every": 0}
    run = tmp_path / "whole"
    pendulum(**settings).learn(20, run_dir=run)
    expected = contents(run)
    reached = []
    for fatal in itertools.count():
        copy = tmp_path / str(fatal)
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            try:
                pendulum(**settings).learn(20, run_dir=copy)
            except Killed:
                pass
            else:
                break
        if not (copy / "config.json").exists():
            with pytest.raises(UserError, match="holds no run"):
                resume_run(copy, verbose=False)
            continue
        reached.append(CheckpointStore(copy).newest or 0)
        resume_run(copy, verbose=False)
        assert_equal(contents(copy), expected)
    assert reached == sorted(reached)
    assert set(reached) == {0, 8, 16, 20}


def test_metrics_reach_the_disk_before_the_checkpoint_that_follows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure may cost rows after the latest checkpoint, which the resumed run writes again; none before it."""
    happened, flush, save = [], CsvSink.flush, Trainer.save
    monkeypatch.setattr(CsvSink, "flush", lambda sink: (happened.append(sink.path.name), flush(sink)))
    monkeypatch.setattr(
        Trainer, "save", lambda trainer, store: (happened.append(trainer.progress.step), save(trainer, store))
    )
    pendulum().learn(60, run_dir=tmp_path / "run")
    files = ["metrics.csv", "evaluations.csv"]
    assert happened[:9] == [*files, 0, *files, 30, *files, 60]


def test_going_on_further_than_was_asked_for(tmp_path: Path) -> None:
    """100 steps and then as many as are left equal all of them at once, but for the evaluation that ends the first."""
    run = tmp_path / "run"
    pendulum(**WIDE, eval_every=0).learn(100, run_dir=run)
    resume_run(run, steps=STEPS, verbose=False)
    whole = tmp_path / "whole"
    pendulum(**WIDE, eval_every=0).learn(STEPS, run_dir=whole)
    assert_equal(contents(run), contents(whole))
    assert RunFolder.open(run).read_config()["run"]["steps"] == STEPS


def test_an_agent_that_learns_on_in_its_folder_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call of learn asks for steps up to 160, and the folder knows it."""
    run, agent = tmp_path / "run", pendulum(**WIDE, eval_every=0)
    agent.learn(100, run_dir=run)
    killed_at(monkeypatch, 110, lambda: agent.learn(60))
    resume_run(run, verbose=False)
    whole = tmp_path / "whole"
    pendulum(**WIDE, eval_every=0).learn(STEPS, run_dir=whole)
    assert_equal(contents(run), contents(whole))


def test_an_agent_that_takes_a_folder_late_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before its first checkpoint there is one: of the moment when it took the folder."""
    run, agent = tmp_path / "run", pendulum(**WIDE, eval_every=0).learn(100)
    killed_at(monkeypatch, 110, lambda: agent.learn(60, run_dir=run))
    assert CheckpointStore(run).newest == 100
    resume_run(run, verbose=False)
    whole = pendulum(**WIDE, eval_every=0).learn(STEPS)
    again = maxent.load(run, verbose=False)
    assert again.num_timesteps == STEPS
    assert_equal_states(again, whole)


def test_with_worker_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any]) -> None:
    """Killed and resumed with workers, it is the run whose environments are in the process."""
    run = tmp_path / "run"
    agent = pendulum(**WIDE, workers=True)
    killed_at(monkeypatch, 74, lambda: agent.learn(STEPS, run_dir=run))
    agent.close()
    resume_run(run, verbose=False)
    assert_equal(contents(run), expected)


def test_a_real_kill(tmp_path: Path) -> None:
    """SIGKILL to a process that is on its way, between two steps or in the middle of a file."""
    options = [
        *("--env-arg", "max_episode_steps=25", "--no-recipe", "--quiet", "--compile", "off", "--hidden", "8", "8"),
        *("--seeds", "2", "--num-envs", "2", "--n-step", "3", "--batch-size", "8", "--learning-starts", "20"),
        *("--buffer-size", "600", "--log-every", "100", "--checkpoint-every", "20", "--eval-every", "400"),
        *("--eval-episodes", "1", "--steps", "1000"),
    ]

    def start(*words: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-m", "maxent", *words], env=environment)

    whole, run = tmp_path / "whole", tmp_path / "run"
    killed = start("train", "Pendulum-v1", *options, "--run-dir", str(run))
    while (CheckpointStore(run).newest or 0) < 300 and killed.poll() is None:
        time.sleep(0.001)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert (CheckpointStore(run).newest or 0) < 1000
    processes = [start("resume", str(run), "--quiet"), start("train", "Pendulum-v1", *options, "--run-dir", str(whole))]
    assert [process.wait() for process in processes] == [0, 0]
    assert_equal(contents(run), contents(whole))
