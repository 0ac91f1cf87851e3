"""The table of `maxent list runs`."""

import time
from pathlib import Path

import pytest

from maxent.cli.runs import cells, list_runs, table, when
from maxent.results.state import RunState, Score

TRAINING = RunState(
    folder=Path("runs/Pendulum-v1-sac-20261125-133555"), algorithm="sac", env="Pendulum-v1", members=4, steps=20_000,
    step=12_000, doing="training", created="", wrote=1_000.0, score=Score(-341.23, "evaluation", 12_000), speed=2_672.0,
    log_every=1_000,
)  # fmt: skip


def state(**changes: object) -> RunState:
    from dataclasses import replace

    return replace(TRAINING, **changes)  # type: ignore[arg-type]


def test_the_cells_of_a_run() -> None:
    name = "  Pendulum-v1-sac-20261125-133555"
    assert cells(TRAINING, Path("runs"), 1_000.0) == (
        name, "sac", "training", "12 s left", "4 x 12k/20k", "-341.2 eval", "2,672",
    )  # fmt: skip
    done = state(doing="finished", step=20_000, score=Score(5.0, "training", 1), speed=None)
    assert cells(done, Path("runs"), 1_060.0) == (
        name, "sac", "finished", "60 s ago", "4 x 20k", "5.000 train", "-",
    )  # fmt: skip
    assert cells(state(score=None), Path("runs"), 1_000.0)[5] == "-"
    assert "\x1b" not in "".join(cells(state(algorithm="\x1b[2J", folder=Path("runs/\x1b")), Path("runs"), 0.0))


def test_when_says_the_time_left_silence_or_age() -> None:
    assert when(state(speed=None), 1_000.0) == "starting"
    assert when(TRAINING, 1_700.0) == "12 min silent"
    assert when(state(doing="failed"), 1_700.0) == "12 min ago"
    assert when(state(doing="failed"), 1e6) == time.strftime("%Y-%m-%d", time.localtime(1_000.0))


def test_lines_are_aligned_and_fit() -> None:
    long = state(folder=Path("runs/" + "x" * 90), algorithm="sac-discrete", steps=1_234_567, doing="interrupted")
    lines = table([cells(one, Path("runs"), 1_000.0) for one in (TRAINING, long)])
    assert [len(line) for line in lines] == [100, 100]
    assert lines[0].index("training") == lines[1].index("interrupted")
    assert "…" in lines[1]
    (plain,) = table([cells(TRAINING, Path("runs"), 1_000.0)])
    assert TRAINING.folder.name in plain  # a usual name is whole
    assert len(plain) <= 100


def test_a_folder_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_runs(tmp_path)
    assert capsys.readouterr().out == f"No runs below {tmp_path}/.\n"
