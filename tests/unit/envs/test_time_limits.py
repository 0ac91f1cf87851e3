"""The time limit of environments in worker processes: steps, resets, replacements and recorded actions."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_envs import Drift
from worker_lanes import STILL, open_workers


class SlowSecond(Drift):
    """Hangs in every reset but the first."""

    resets = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.resets += 1
        if self.resets > 1:
            time.sleep(60)
        return super().reset(seed=seed, options=options)


def test_the_time_limit_is_for_resets_too() -> None:
    lanes, _ = open_workers(SlowSecond, timeout=1.0)
    while not (step := lanes.step(STILL)).failures:
        pass
    assert "expected the end of the step within 1 s (step_timeout)" in step.failures[0].text
    assert step.failures[0].length == 0  # the episode before had ended in order
    assert lanes.step(STILL).live.all()
    lanes.close()


class HangsWhileMade(Drift):
    """Its constructor hangs once if a file exists, and removes the file before."""

    def __init__(self, path: Path) -> None:
        super().__init__(limit=np.inf)
        if path.exists():
            path.unlink()
            time.sleep(300)


def test_the_time_limit_is_for_making_a_replacement_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.envs.worker.START_FACTOR", 2.0)
    lanes, fleet = open_workers(partial(HangsWhileMade, tmp_path / "hang"), timeout=1.0)
    lanes.step(STILL)
    (tmp_path / "hang").touch()
    fleet.processes[0].kill()
    killed, hung, *_ = lanes.step(STILL).failures
    assert "ended by signal 9" in killed.text
    assert "reset of episode 1: expected its environment within " in hung.text and "(step_timeout)" in hung.text
    assert not (tmp_path / "hang").exists()
    assert lanes.step(STILL).live.all()
    lanes.close()


class HangsLater(Drift):
    """Its third step hangs if a file exists."""

    def __init__(self, path: Path) -> None:
        super().__init__(limit=np.inf)
        self.path = path

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.time == 2 and self.path.exists():
            time.sleep(300)
        return super().step(action)


def test_the_time_limit_is_for_recorded_actions_too(tmp_path: Path) -> None:
    env = partial(HangsLater, tmp_path / "hang")
    lanes, _ = open_workers(env)
    steps = [lanes.step(STILL) for _ in range(5)]
    state = lanes.state()
    lanes.close()
    again, _ = open_workers(env, timeout=1.0)
    assert again.restore(state, steps[-1].obs).fresh == ()
    (tmp_path / "hang").touch()
    report = again.restore(state, steps[-1].obs)
    assert report.fresh == (0, 1)
    np.testing.assert_array_equal(report.obs["float"][:, 1], [0, 0])  # the time of new episodes
    again.close()
