"""Power loss at any moment: before each sync of a file or folder, with the names since the last sync kept or lost."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from power import FATES, Fate, PowerCut
from stores import advance, fresh_replay, recover, save

from maxent.errors import UserError
from maxent.findings import Finding
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.findings import read_findings
from maxent.runs.folder import RunFolder
from maxent.runs.observer import Record, RunHeader
from maxent.runs.policy import read_policy

STEPS = (5, 10, 20, 25, 25, 40)
TAGS = ("eval/mean_reward",)


@pytest.mark.parametrize("fate", FATES)
def test_a_checkpoint_that_was_written_is_never_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fate: Fate
) -> None:
    """And what is there is whole; rows of metrics and findings up to the checkpoint are there as well."""
    (tmp_path / "disk").mkdir()
    run, dice = tmp_path / "disk" / "run", Random(FATES.index(fate))
    with monkeypatch.context() as patch:
        power = PowerCut(tmp_path / "disk", patch)
        folder, replay = RunFolder.create(run), fresh_replay()
        folder.write_config({})
        sinks = folder.sinks(TAGS)
        for sink in sinks:
            sink.on_start(RunHeader("sac", "Pendulum-v1", 1, "cpu", compiled=False, steps=40))
        for before, step in zip((0, *STEPS), STEPS, strict=False):
            advance(replay, before, step)
            for sink in sinks:
                sink.on_record(Record(step, {"eval/mean_reward": np.array([float(step)])}))
                sink.on_finding(Finding("rule", "note", "what", "measured", "why", "change"), step)
                sink.flush()
            save(folder.checkpoints, step, replay)
            power.done = step
        for sink in sinks:
            sink.on_end("end")
        power.capture()
    reached = []
    for number, moment in enumerate(power.moments):
        left = tmp_path / str(number)
        power.restore(moment, left, dice, fate)
        _, step, _ = recover(left / "run")  # checks every row and tensor
        assert step >= moment.done
        reached.append(step)
        if step:
            assert RunFolder.open(left / "run").read_config()["format"] == 2
            rows = (left / "run" / "metrics.csv").read_text(errors="replace").splitlines()
            assert rows[0] == "step,eval/mean_reward"
            wanted = STEPS[: STEPS.index(step) + 1]
            assert [int(row.split(",")[0]) for row in rows[1 : 1 + len(wanted)]] == list(wanted)
            found = read_findings(RunFolder.open(left / "run").findings)
            assert [one["step"] for one in found][: len(wanted)] == list(wanted)
    power.end()
    assert len(reached) > 50
    assert set(reached) == {0, *STEPS}


@pytest.mark.parametrize("fate", FATES)
def test_a_policy_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fate: Fate) -> None:
    (tmp_path / "disk").mkdir()
    dice = Random(FATES.index(fate))
    with monkeypatch.context() as patch:
        power = PowerCut(tmp_path / "disk", patch)
        for step in (1, 2, 3):
            tensors = {"x": torch.full((3,), step / 7)}
            RunFolder(tmp_path / "disk").write_policy("best", learner={}, tensors=tensors, step=step, scores=np.ones(1))
            power.done = step
        power.capture()
    found = []
    for number, moment in enumerate(power.moments):
        left = tmp_path / str(number)
        power.restore(moment, left, dice, fate)
        try:
            file = read_policy(left / "best")
        except UserError:
            continue
        assert torch.equal(file.tensors["x"], torch.full((3,), file.step / 7))
        found.append(file.step)
    power.end()
    assert found[-1] == 3
    assert found == sorted(found)


def test_the_simulated_disk_loses_what_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a single sync nothing is left of a checkpoint, or names without contents."""
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr("maxent.runs.checkpoint.sync", lambda _: None)
    monkeypatch.setattr("maxent.runs.files.sync", lambda _: None)
    power = PowerCut(tmp_path / "disk", monkeypatch)
    save(CheckpointStore(tmp_path / "disk"), 5, None)
    power.capture()
    power.restore(power.moments[-1], tmp_path / "none", Random(0), "lost")
    power.restore(power.moments[-1], tmp_path / "names", Random(0), "torn")
    power.end()
    assert list((tmp_path / "none").iterdir()) == []
    assert (tmp_path / "names" / "checkpoints" / "000000000005" / "state.json").exists()
    with pytest.raises(UserError, match="Every checkpoint of this run is damaged"):
        CheckpointStore(tmp_path / "names").latest()
