"""`maxent resume`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import Said

import maxent
from maxent.runs.folder import RunFolder


class TestResume:
    def test_a_run_that_is_being_written_is_neither_read_nor_changed(
        self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = (run / "config.json").read_bytes()
        monkeypatch.setattr("maxent.opening.open_trainer", lambda *_: pytest.fail("it was read"))
        writer = RunFolder.open(run)
        writer.lock()
        said = say("resume", run, "--steps", 90)
        writer.unlock()
        assert said.code == 2
        assert "is being written by another process" in said.err
        assert (run / "config.json").read_bytes() == before

    def test_a_run_goes_on_to_more_steps(self, say: Callable[..., Said], run: Path) -> None:
        said = say("resume", run, "--steps", 90)
        assert (said.code, said.err) == (0, "")
        assert "step 90/90" in said.out
        assert maxent.load(run, verbose=False).num_timesteps == 90

    def test_a_finished_run_stays_as_it_is(self, say: Callable[..., Said], run: Path) -> None:
        before = maxent.load(run, verbose=False)._learner.state["actor"]
        metrics = (run / "metrics.csv").read_bytes()
        assert say("resume", run, "--quiet") == Said(0, "", "")
        assert np.array_equal(maxent.load(run, verbose=False)._learner.state["actor"], before)
        assert (run / "metrics.csv").read_bytes() == metrics
