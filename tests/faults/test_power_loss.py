"""Power loss at any moment of a run: what was not synced is kept, lost, torn or garbled, and the run goes on equal."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from configurations import agent_of
from power import FATES, PowerCut
from short_runs import assert_equal, contents

from maxent.opening import load, resume_run
from maxent.runs.checkpoint import CheckpointStore
from maxent.training.trainer import Trainer

STEPS = 80


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


def run_without_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, resumed_every: int, states: Callable[[int], range]
) -> Counter[str]:
    """Record a run, build what each power loss leaves, and read it; go on with every `resumed_every`-th state."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with monkeypatch.context() as patch:
        power, save = PowerCut(disk, patch), Trainer._checkpoint

        def checkpoint(trainer: Trainer, *arguments: object) -> None:
            save(trainer, *arguments)  # type: ignore[arg-type]
            power.done = trainer.progress.step

        patch.setattr(Trainer, "_checkpoint", checkpoint)
        agent = agent_of(name)
        agent.learn(STEPS, run_dir=disk / "run")
        agent.close()
        power.capture()
    expected, rows = contents(disk / "run"), (disk / "run" / "metrics.csv").read_bytes().splitlines(keepends=True)
    found = Counter[str]()
    for fate in FATES:
        for number in states(len(power.moments)):
            moment, left = power.moments[number], tmp_path / f"{fate}-{number}"
            power.restore(moment, left, Random(number), fate)
            run = left / "run"
            found["states"] += 1
            if not (run / "config.json").exists():  # before the run had anything to lose
                assert moment.done == 0
                found["nothing yet"] += 1
                continue
            snapshot = CheckpointStore(run).latest()  # checks every hash
            step = 0 if snapshot is None else snapshot.plain["parts"]["progress"]["step"]
            assert step >= moment.done, f"{fate}, moment {number}: the checkpoint of step {moment.done} is lost"
            before = [row for row in rows[1:] if int(row.split(b",")[0]) <= step]
            left_rows = (run / "metrics.csv").read_bytes().splitlines(keepends=True) if step else []
            assert step == 0 or left_rows[: 1 + len(before)] == [rows[0], *before], f"{fate}, {number}: rows are lost"
            found["older checkpoints" if step < STEPS else "the last checkpoint"] += 1
            if found["states"] % resumed_every == 0:
                resume_run(run, verbose=False)
                assert_equal(contents(run), expected)
                found["resumed equal"] += 1
    power.end()
    assert len(found) == 5
    return found


def save_without_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: Callable[[int], range]) -> int:
    """Record `Agent.save` over an agent that was saved before; the old or the new one loads whole, and stays."""
    disk = tmp_path / "saves"
    disk.mkdir()
    agent, replayed = agent_of("prioritised"), {}
    with monkeypatch.context() as patch:
        power = PowerCut(disk, patch)
        for steps in (24, 6, 6):
            agent.learn(steps)
            agent.save(disk / "agent")
            power.done = agent.num_timesteps
            trainer = agent._trainer
            assert trainer is not None
            replayed[power.done] = {name: column.clone() for name, column in trainer.replay.columns.items()}
        power.capture()
    agent.close()
    count = 0
    for fate in FATES:
        for number in states(len(power.moments)):
            moment, left = power.moments[number], tmp_path / f"saved-{fate}-{number}"
            power.restore(moment, left, Random(number), fate)
            count += 1
            if moment.done == 0:
                continue
            back = load(left / "agent", verbose=False)
            assert back.num_timesteps >= moment.done
            trainer = back._trainer
            assert trainer is not None
            for name, column in trainer.replay.columns.items():
                assert column.equal(replayed[back.num_timesteps][name])
            back.close()
    power.end()
    return count


def test_power_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promise: Callable[[str], None]) -> None:
    found = run_without_power(tmp_path, monkeypatch, "sac", 17, lambda count: range(1, count, 4))
    saves = save_without_power(tmp_path, monkeypatch, lambda count: range(0, count, 4))
    promise(
        f"power loss: {found['states']} states of a run, {found['resumed equal']} resumed equal, and {saves} states of "
        "an agent being saved: none half loaded, no checkpoint and no row before it lost"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prioritised", "reinforce", "hindsight"])
def test_power_loss_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promise: Callable[[str], None], name: str
) -> None:
    found = run_without_power(tmp_path, monkeypatch, name, 5, range)
    promise(
        f"power loss, {name}: {found['states']} states at every sync, {found['resumed equal']} resumed equal: "
        "none half loaded, no checkpoint and no row before it lost"
    )


@pytest.mark.slow
def test_power_loss_at_every_moment_of_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promise: Callable[[str], None]
) -> None:
    saves = save_without_power(tmp_path, monkeypatch, range)
    promise(f"power loss: {saves} states of an agent being saved over another: the old or the new one loads whole")
