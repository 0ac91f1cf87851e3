"""Where the rows of a replay are changes no bit of a run, whether interrupted or not."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from short_runs import SMALL, assert_equal, contents, killed_at, pendulum
from torch import Tensor

import maxent
from maxent.cli import main
from maxent.engine.device import BatchColumns, ColumnSource
from maxent.errors import UserError
from maxent.opening import resume_run
from maxent.replay import Replay
from maxent.replay.kinds import Storage
from maxent.training import experience
from maxent.training.trainer import Trainer

STEPS = 160
WIDE: dict[str, Any] = {"seeds": 2, "num_envs": 2, "n_step": 3, "learning_starts": 40}
GOALS: dict[str, Any] = {"env": "maxent/PointReach-v0", "env_kwargs": {}, "replay": "hindsight"}

RUNS: dict[str, dict[str, Any]] = {
    "uniform": {},
    "several lanes, n steps": WIDE,
    "prioritized": WIDE | {"replay": "prioritized"},
    "hindsight": GOALS | WIDE,
    "n steps with entropy": {"n_step": 2, "n_step_entropy": True},
}


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def trained(**settings: Any) -> tuple[Trainer, dict[str, Tensor]]:
    """Return a run of 160 steps, whose rings of 120 rows are written over, and all of its tensors and rows."""
    defaults: dict[str, Any] = {"env": "Pendulum-v1", "env_kwargs": {"max_episode_steps": 25}}
    agent = maxent.SAC(**defaults | SMALL | {"eval_every": 0} | settings).learn(STEPS)
    trainer = agent._trainer
    assert trainer is not None
    assert trainer.updater.updates > 0
    assert (trainer.replay.written > trainer.replay.ring).all()
    return trainer, {**agent._learner.state, **trainer.replay.columns}


def assert_same(own: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert own.keys() == other.keys()
    assert [name for name in own if not torch.equal(own[name], other[name])] == []


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS.keys())
def test_a_disk_gives_the_bits_of_memory(settings: dict[str, Any]) -> None:
    trainer, on_disk = trained(replay_storage="disk", **settings)
    assert trainer.replay.file is not None
    assert_same(on_disk, trained(replay_storage="ram", **settings)[1])


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS.keys())
def test_copies_of_single_batches_give_the_bits_of_all_rows(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """As on a GPU with rows in the memory of the host; the device here is the CPU."""
    expected = trained(**settings)[1]

    def copies(replay: Replay, storage: Storage, device: str, *, batch_size: int, n_step: int) -> ColumnSource:
        return BatchColumns(replay, device, batch_size, n_step)

    monkeypatch.setattr(experience, "make_columns", copies)
    trainer, found = trained(**settings)
    assert trainer.gather.ring == settings.get("n_step", 1) + 1
    assert_same(found, expected)


@pytest.mark.slow
def test_a_compiled_update_reads_a_disk_as_it_reads_memory() -> None:
    assert_same(
        trained(replay_storage="disk", compile="on", **WIDE)[1], trained(replay_storage="ram", compile="on", **WIDE)[1]
    )


def test_the_file_is_on_the_disk_of_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first folder that the rows have; without one on that of temporary files. It is never to be seen."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    agent = pendulum(replay_storage="disk")
    trainer = agent._trainer
    assert trainer is not None
    assert trainer.replay.file is not None
    assert trainer.replay.file.folder == tmp_path / "temporary"
    agent.learn(30, run_dir=tmp_path / "run")
    assert trainer.replay.file.folder == tmp_path / "run"
    file = trainer.replay.file
    agent.learn(30, run_dir=tmp_path / "other")
    assert trainer.replay.file is file
    names = {path.name for path in (tmp_path / "run").iterdir()}
    files = {"config.json", "metrics.csv", "evaluations.csv", "ending.json"}
    assert names == files | {"tensorboard", "checkpoints", "replay", "best", "last"}
    assert list((tmp_path / "temporary").iterdir()) == []


def test_space_is_taken_for_all_rows_of_a_run_before_it_begins() -> None:
    """Every step of a lane may end an episode, which takes a second row. The ring is larger than a run of 30 steps."""
    agent = pendulum(replay_storage="disk", buffer_size=1_000, num_envs=2)
    reserved: list[int] = []

    class Watch(maxent.Observer):
        def on_step(self, step: int) -> None:
            assert agent._trainer is not None
            assert agent._trainer.replay.file is not None
            reserved.append(agent._trainer.replay.file.reserved)

    agent.learn(30, observers=[Watch()])
    assert len(set(reserved)) == 1
    assert 2 * 15 + 1 <= reserved[0] < 50


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("maxent.view.curve.draw_curve", lambda *_: None)
        pendulum(**WIDE).learn(STEPS, run_dir=run)
    return contents(run)


@pytest.mark.parametrize(
    ("first", "then"), [("disk", None), ("disk", "ram"), ("ram", "disk"), ("disk", "disk"), ("disk", "auto")]
)
@pytest.mark.parametrize("step", [2, 74, 158])
def test_a_killed_run_goes_on_with_any_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any], first: str, then: Storage, step: int
) -> None:
    """The rows after the last checkpoint, with which a file on the disk is ahead, are lost and made again."""
    run = tmp_path / "run"
    killed_at(monkeypatch, step, lambda: pendulum(replay_storage=first, **WIDE).learn(STEPS, run_dir=run))
    resume_run(run, replay_storage=then, verbose=False)
    assert_equal(contents(run), expected)


def test_the_storage_of_a_resumed_run_is_kept(tmp_path: Path) -> None:
    pendulum().learn(30, run_dir=tmp_path / "run")
    resume_run(tmp_path / "run", steps=40, replay_storage="disk", verbose=False)
    loaded = maxent.load(tmp_path / "run", verbose=False)
    assert loaded._trainer is not None
    assert loaded._trainer.replay.file is not None
    assert (
        loaded._trainer.replay.file.folder != tmp_path / "run"
    )  # a loaded agent writes nothing to where it comes from


def test_a_saved_agent_learns_on_from_its_disk(tmp_path: Path) -> None:
    """Rows are saved from the disk and loaded to it."""
    agents = []
    for storage in ("ram", "disk"):
        agent = pendulum(replay_storage=storage)
        agent.learn(70).save(tmp_path / storage)
        agents.append(maxent.load(tmp_path / storage, verbose=False).learn(50))
    one, other = (agent._learner.state for agent in agents)
    assert_same(one, other)


def test_the_command_line_takes_a_storage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    small = ["--hidden", "8", "8", "--batch-size", "8", "--learning-starts", "20", "--eval-every", "0"]
    words = ["train", "Pendulum-v1", "--no-recipe", "--buffer-size", "100", "--compile", "off", *small]
    assert main([*words, "--steps", "40", "--replay-storage", "disk", "--run-dir", str(run)]) == 0
    assert f"this run fills 0.0 MB on the disk of {run}" in capsys.readouterr().out
    assert main(["resume", str(run), "--steps", "60", "--replay-storage", "ram"]) == 0
    assert "this run fills 0.0 MB of memory" in capsys.readouterr().out
    assert main(["resume", str(run), "--steps", "80", "--replay-storage", "disk"]) == 0
    assert f"this run fills 0.0 MB on the disk of {run}" in capsys.readouterr().out


def test_a_storage_without_effect_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="replay_storage: expected 'ram', 'disk' or 'auto' with updates on the CPU"):
        pendulum(replay_storage="device")
    with pytest.raises(UserError, match="replay_storage: expected 'auto', 'ram', 'disk' or 'device', got 'tape'"):
        pendulum(replay_storage="tape")
    agent = maxent.Reinforce("CartPole-v1", hidden=(8,), num_envs=2, rollout_steps=8, eval_every=0, verbose=False)
    agent.learn(32, run_dir=tmp_path / "run")
    with pytest.raises(UserError, match="replay_storage: reinforce learns from the newest steps"):
        resume_run(tmp_path / "run", steps=64, replay_storage="disk", verbose=False)


def test_a_full_disk_is_one_sentence_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"replay_storage: expected 0\.0 MB of disk space for the rows in"):
        pendulum(replay_storage="disk").learn(10)
    with pytest.raises(UserError, match="has 0 MB free and the run needs up to"):
        pendulum(replay_storage="disk").learn(10, run_dir=tmp_path / "run")
