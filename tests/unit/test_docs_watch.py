"""The page on watching runs: its numbers are those of the code."""

import re
from pathlib import Path
from typing import get_args

from maxent.cli.watch import PORT, WatchCommand
from maxent.report.frames import GIF_FPS, GIF_FRAMES, GIF_SIDE, SHOWN
from maxent.results.state import SILENT, Doing
from maxent.server.feeds import COST, INTERVAL

PAGE = (Path(__file__).parents[2] / "docs" / "watch.md").read_text("utf-8")


def test_the_states_are_those_of_the_code() -> None:
    assert re.findall(r"^\| (\w+) \| (?!meaning)", PAGE, re.MULTILINE) == list(get_args(Doing))


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"http://127.0.0.1:{PORT}/" in PAGE
    assert (WatchCommand().host, WatchCommand().port) == ("127.0.0.1", PORT)
    assert set(re.findall(r"\b8\d\d\d\b", PAGE)) == {str(PORT)}
    assert (SILENT, INTERVAL, COST) == (60.0, 1.0, 1 / 20)
    assert f"at most {GIF_SIDE} pixels a side and half a minute" in PAGE
    assert GIF_FRAMES / GIF_FPS == 30
    assert f"filmstrip of {['eight'][SHOWN - 8]} frames" in PAGE
