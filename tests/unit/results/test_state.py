"""The state of a run: read from files alone, whether it trains, how it ended, how far and how fast it is."""

import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from maxent.errors import UserError
from maxent.results.run import read_run
from maxent.results.state import RunState, Score, Unreadable, find_runs, read_state, read_states
from maxent.runs.lock import release_lock, take_lock

COLUMNS = "step,rollout/ep_rew_mean,eval/mean_reward,time/fps,time/total_timesteps,time/time_elapsed\n"


def make_run(folder: Path, *rows: str, steps: int = 1_000, checkpoint: int = 0, ending: str | None = None) -> Path:
    folder.mkdir(parents=True)
    config = {
        "format": 2, "env": {"name": "Tiny-v0", "source": None}, "replay": None, "recipe": None, "versions": {},
        "learner": {"algorithm": "sac", "settings": {}, "seeds": [0, 1]}, "command": "maxent train",
        "run": {"seeds": 2, "steps": steps, "log_every": 100}, "created": "2026-11-25T10:00:00+0000",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    if rows:
        (folder / "metrics.csv").write_text(COLUMNS + "".join(f"{row}\n" for row in rows))
    if checkpoint:
        (folder / "checkpoints" / f"{checkpoint:012d}").mkdir(parents=True)
    if ending is not None:
        (folder / "ending.json").write_text(json.dumps({"format": 1, "reason": ending}))
    return folder


@pytest.mark.parametrize(
    ("ending", "checkpoint", "doing"),
    [
        ("finished", 1_000, "finished"), ("stopped", 300, "finished"), ("interrupted", 300, "interrupted"),
        ("terminated", 300, "interrupted"), ("hung_up", 300, "interrupted"), ("failed", 300, "failed"),
        (None, 1_000, "finished"), (None, 999, "interrupted"), (None, 0, "interrupted"),
    ],
)  # fmt: skip
def test_how_a_run_ended(tmp_path: Path, ending: str | None, checkpoint: int, doing: str) -> None:
    run = make_run(tmp_path / "run", checkpoint=checkpoint, ending=ending)
    assert read_state(run).doing == doing


def test_a_run_whose_lock_is_held_trains(tmp_path: Path) -> None:
    """200 of 1,000 steps of 2 members at 50 steps/s: 32 s are left, less those since the last row."""
    run = make_run(tmp_path / "run", "100,-9,-8,40,200,10", "200,-7,,50,400,20", ending="interrupted")
    lock = take_lock(run)
    assert lock is not None
    state = read_state(run)
    release_lock(lock)
    assert (state.doing, state.step, state.speed, state.members) == ("training", 200, 50.0, 2)
    assert state.left(state.wrote) == 32.0
    assert state.left(state.wrote + 10.0) == 22.0
    assert state.left(state.wrote + 99.0) == 0.0
    assert not state.stalled(state.wrote + 59.0)  # a row takes 4 s; a minute is the least
    assert state.stalled(state.wrote + 61.0)
    assert not replace(state, log_every=1_000).stalled(state.wrote + 61.0)  # 40 s a row
    assert read_state(run).doing == "interrupted"
    assert read_state(run).left(0.0) is None


def test_a_run_that_ended_has_its_mean_speed(tmp_path: Path) -> None:
    assert read_state(make_run(tmp_path / "run", "100,-9,-8,40,200,10", "200,-7,,50,400,16")).speed == 25.0
    assert read_state(make_run(tmp_path / "other")).speed is None


def test_the_score_is_the_latest_evaluation_or_else_of_training(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "100,-9,-8,40,200,10", "200,-7,,50,400,20")
    assert read_state(run).score == Score(-8.0, "evaluation", 100)
    other = make_run(tmp_path / "other", "100,nan,,40,200,10", "200,-7,,50,400,20")
    assert read_state(other).score == Score(-7.0, "training", 200)
    assert read_state(make_run(tmp_path / "new")).score is None


def test_the_last_write_is_that_of_any_file(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "100,-9,-8,40,200,10", checkpoint=100)
    for name, moment in (("config.json", 10.0), ("metrics.csv", 30.0), ("checkpoints", 20.0)):
        os.utime(run / name, (moment, moment))
    assert read_state(run).wrote == 30.0
    assert read_state(run).silent(100.0) == 70.0


@pytest.mark.parametrize(
    "change",
    [
        {"format": 3}, {"format": None}, {"env": 3}, {"env": {}}, {"run": {"seeds": 2, "steps": 1, "log_every": 0}},
        {"run": {"seeds": 1, "steps": "x", "log_every": 1}}, {"learner": []}, {"created": 5},
    ],
)  # fmt: skip
def test_a_damaged_config_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    run = make_run(tmp_path / "run")
    path = run / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=r"config\.json"):
        read_state(run)


@pytest.mark.parametrize("name", ["config.json", "metrics.csv", "ending.json"])
def test_links_are_refused(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run", "100,-9,-8,40,200,10", ending="finished")
    (run / name).rename(tmp_path / name)
    (run / name).symlink_to(tmp_path / name)
    with pytest.raises(UserError, match="symbolic link"):
        read_state(run)


def test_runs_are_found_at_any_depth_but_not_inside_others_or_behind_links(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for name in ("b", "a/deep", "a/deep/inside", "c"):
        make_run(root / name) if name != "a/deep/inside" else make_run(root / name / "one")
    make_run(tmp_path / "outside")
    (root / "link").symlink_to(tmp_path / "outside")
    assert list(find_runs(root)) == [root / "a" / "deep", root / "b", root / "c"]
    assert list(find_runs(root / "b")) == [root / "b"]
    assert list(find_runs(tmp_path / "nowhere")) == []


def test_a_damaged_folder_is_one_of_the_states(tmp_path: Path) -> None:
    make_run(tmp_path / "good")
    (make_run(tmp_path / "bad") / "config.json").write_text("{")
    bad, good = read_states(tmp_path)
    assert isinstance(bad, Unreadable)
    assert "config.json" in bad.problem
    assert isinstance(good, RunState)


def test_hundreds_of_long_runs_are_read_in_seconds(tmp_path: Path) -> None:
    """300 runs of 2,000 rows; only the end of each table is read, so the bound of 20 s is far from what it takes."""
    rows = [f"{100 * row},-9.123456789,-8.123456789,40.5,200,10" for row in range(1, 2_001)]
    for number in range(300):
        make_run(tmp_path / f"run-{number:03d}", *rows)
    began = time.perf_counter()
    assert len(read_states(tmp_path)) == 300
    assert time.perf_counter() - began < 20.0


def test_a_run_that_has_a_state_has_a_page(tmp_path: Path) -> None:
    """An older config without versions has no page, so it has no state either, and both say the same."""
    run = make_run(tmp_path / "run", "100,-9,-8,40,200,10")
    assert read_run(run).doing == read_state(run).doing == "interrupted"
    config = json.loads((run / "config.json").read_text())
    del config["versions"]
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError) as of_page:
        read_run(run)
    with pytest.raises(UserError) as of_state:
        read_state(run)
    assert str(of_page.value) == str(of_state.value)


@pytest.mark.parametrize("name", ["config.json", "metrics.csv", "ending.json", "findings.json"])
def test_a_pipe_is_named_once_and_is_not_called_damaged(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run")
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    with pytest.raises(UserError) as raised:
        read_state(run)
    said = str(raised.value)
    assert said.count(str(run)) == 1 and "a pipe" in said and "damaged" not in said


def test_a_step_beyond_all_numbers_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "1" + "0" * 400 + ",-9,-8,40,200,10")
    with pytest.raises(UserError, match="expected steps from 0 to"):
        read_state(run)


def test_no_older_evaluation_is_the_score_of_a_run_that_has_diverged(tmp_path: Path) -> None:
    score = read_state(make_run(tmp_path / "run", "100,-9,-8,40,200,10", "200,-7,nan,50,400,20")).score
    assert score is not None and score.step == 200 and math.isnan(score.value)
