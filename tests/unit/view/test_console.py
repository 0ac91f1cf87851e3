import io
import os
import re
import sys

import numpy as np
import pytest
from rich.console import Console as Terminal

from maxent.errors import UserError
from maxent.findings import Finding
from maxent.runs.observer import Record, RunHeader
from maxent.view import live
from maxent.view.console import Plain, Quiet, make_console
from maxent.view.live import Live


def header(members=2, steps=1000):
    return RunHeader("sac", "Pendulum-v1", members, "cpu", compiled=True, steps=steps, folder="runs/p")


def record(step, members=2, **values):
    names = {
        "train": "rollout/ep_rew_mean",
        "eval": "eval/mean_reward",
        "entropy": "train/entropy",
        "target": "train/target_entropy",
        "updates": "time/updates_per_second",
    }
    return Record(step, {names[name]: np.asarray(value, dtype=np.float64) for name, value in values.items()})


class Clock:
    """A clock that tests move by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def hand_clock(monkeypatch):
    hands = Clock()
    monkeypatch.setattr(live.time, "perf_counter", hands)
    return hands


def live_view(width=100, height=40):
    out = io.StringIO()
    return Live(Terminal(file=out, width=width, height=height, force_terminal=True, color_system=None)), out


def screen(out):
    """What the terminal shows at the end: each redrawing first erases the lines of the view before it."""
    lines = []
    for line in re.sub(r"\x1b\[\?25[lh]", "", out.getvalue()).split("\n"):
        erased = line.count("\x1b[1A")
        del lines[len(lines) - erased :]
        lines.append(re.sub(r"\x1b\[\d*[A-Za-z]|\r", "", line).rstrip())
    return lines


def row(lines, name):
    """The cells of a member's row."""
    return next(line.split()[1:] for line in lines if line.split()[:1] == [name])


def test_auto_is_plain_where_output_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert isinstance(make_console("auto"), Plain)


@pytest.mark.parametrize(("term", "expected"), [("xterm-256color", Live), ("dumb", Plain)])
def test_auto_is_live_in_a_terminal_that_can_show_it(monkeypatch, term, expected):
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setenv("TERM", term)
        assert isinstance(make_console("auto"), expected)
    os.close(master)


def test_modes_are_as_asked():
    assert isinstance(make_console("quiet"), Quiet)
    assert isinstance(make_console("plain"), Plain)
    assert isinstance(make_console("live"), Live)
    with pytest.raises(UserError, match="got 'loud'"):
        make_console("loud")


def test_quiet_prints_nothing(capsys):
    view = Quiet()
    view.on_start(header())
    view.on_step(1)
    view.on_record(record(1, train=[1, 2]))
    view.on_message("checkpoint written")
    view.on_end("end")
    assert capsys.readouterr() == ("", "")


def test_plain_prints_one_ascii_line_per_record(capsys):
    view = Plain()
    view.on_start(header())
    for step in range(1, 1001):
        view.on_step(step)
    view.on_record(record(500, train=[-100.0, -300.0], eval=[-50.0, -60.0]))
    view.on_message("checkpoint written")
    view.on_record(record(1000, train=[-10.0, np.nan]))
    view.on_end("end")
    first, second, third, fourth = capsys.readouterr().out.splitlines()
    assert first == "sac on Pendulum-v1: 1,000 steps, 2 members, cpu, compiled"
    assert second.isascii()
    assert re.sub(" +", " ", second).startswith("step 500/1,000 | return -200.0 | eval -55.00 |")
    assert third == "checkpoint written"
    # A member without a return leaves their mean unknown: the last known ones stay.
    assert re.sub(" +", " ", fourth).startswith("step 1,000/1,000 | return -200.0 | eval -55.00 |")
    assert fourth.endswith("0:00:00 left")


def test_plain_survives_a_record_before_the_start(capsys):
    Plain().on_record(record(1, train=[1.0, 2.0]))
    assert capsys.readouterr().out == ""


def test_live_shows_members_and_their_mean():
    view, out = live_view()
    view.on_start(header())
    view.on_record(record(400, train=[-100.0, -300.0], eval=[-50.0, -70.0], entropy=[0.5, 1.5]))
    view.on_record(record(500, train=[-90.0, -210.0]))
    view.on_step(600)
    view.on_end("end")
    lines = screen(out)
    assert any("sac on Pendulum-v1" in line and "2 members · cpu · compiled · runs/p" in line for line in lines)
    assert any("600 / 1,000  60 %" in line for line in lines)
    assert row(lines, "0")[:4] == ["-90.0", "-50.00", "-", "0.500"]
    assert row(lines, "1")[:4] == ["-210.0", "-70.00", "-", "1.500"]
    assert row(lines, "mean")[:4] == ["-150.0", "-60.00", "-", "1.000"]
    assert any("evaluation: step 400" in line for line in lines)


def test_live_shows_speed_and_entropy_target(hand_clock):
    view, out = live_view()
    view.on_start(header())
    view.on_record(record(500, target=[-1.0, -1.0], updates=[1200.0, 1200.0]))
    hand_clock.now = 10.0
    view.on_step(500)
    view.on_end("end")
    # 500 steps of 2 members in 10 s; the other 500 take as long.
    assert any(line.startswith(" 100 steps/s   1,200 updates/s") for line in screen(out))
    assert any("50 %  0:00:10 left" in line for line in screen(out))
    assert any("entropy target: -1.000" in line for line in screen(out))


def test_live_of_one_member_has_no_mean():
    view, out = live_view()
    view.on_start(header(members=1))
    view.on_record(record(400, train=[-100.0]))
    view.on_end("end")
    assert row(screen(out), "0")[0] == "-100.0"
    assert not any(line.split()[:1] == ["mean"] for line in screen(out))


@pytest.mark.parametrize(("members", "height"), [(64, 60), (10, 20)])
def test_live_summarises_more_members_than_fit(members, height):
    view, out = live_view(height=height)
    view.on_start(header(members=members))
    returns = np.arange(members) - 3.0  # -3, -2, …
    view.on_record(record(400, train=returns))
    view.on_end("end")
    lines = screen(out)
    assert f"of {members}" in next(line for line in lines if "entropy" in line)
    assert float(row(lines, "lowest")[0]) == -3.0
    assert float(row(lines, "highest")[0]) == members - 4
    assert float(row(lines, "median")[0]) == (members - 7) / 2  # midway between -3 and members - 4
    assert float(row(lines, "mean")[0]) == (members - 7) / 2
    assert len(lines) < height


@pytest.mark.parametrize("width", [40, 80, 200])
def test_live_never_wraps(width):
    view, out = live_view(width=width)
    view.on_start(header(members=10))
    view.on_record(record(400, train=-1e5 * np.arange(1, 11)))
    view.on_end("end")
    assert max(len(line) for line in screen(out)) <= width
    assert sum("Pendulum" in line for line in screen(out)) == 1


def test_live_messages_stay_above_the_view():
    view, out = live_view(width=40)
    path = "/a/long/path/" + "x" * 60
    view.on_message("before")
    view.on_start(header())
    view.on_message(f"checkpoint written: [red]{path}")
    view.on_step(1)
    view.on_end("end")
    view.on_message("after")
    lines = screen(out)
    said = [line for line in lines if line.startswith(("before", "checkpoint", "after"))]
    assert said == ["before", f"checkpoint written: [red]{path}", "after"]  # neither wrapped nor taken for markup
    assert lines.index(said[1]) < next(i for i, line in enumerate(lines) if "Pendulum" in line)


def test_live_gives_the_cursor_back_and_stops_once():
    view, out = live_view()
    view.on_start(header())
    view.on_end("end")
    ended = out.getvalue()
    view.on_end("end")
    view.on_step(1)
    assert out.getvalue() == ended
    assert ended.rindex("\x1b[?25h") > ended.rindex("\x1b[?25l")


def test_live_draws_by_the_clock_and_not_by_the_step(hand_clock):
    view, out = live_view()
    view.on_start(header())
    begun = len(out.getvalue())
    for step in range(1000):
        hand_clock.now += 0.9 * live.REFRESH_SECONDS / 1000
        view.on_step(step)
    view.on_record(record(999, train=[1.0, 2.0]))
    assert len(out.getvalue()) == begun
    hand_clock.now += live.REFRESH_SECONDS
    view.on_step(1000)
    assert len(out.getvalue()) > begun
    view.on_end("end")


def test_live_draws_less_often_where_drawing_is_slow(hand_clock, monkeypatch):
    view, _ = live_view()
    view.on_start(header(steps=100_000))
    drawn = []

    def slow_draw():
        drawn.append(hand_clock.now)
        hand_clock.now += 0.1

    monkeypatch.setattr(view, "_draw", slow_draw)
    while hand_clock.now < 200.0:
        hand_clock.now += 0.01
        view.on_step(0)
    # Drawing takes 0.1 s, and COST = 0.5 % of the time: once in 20 s.
    assert live.COST == 0.005
    assert np.diff(drawn) == pytest.approx(20.0, abs=0.02)
    assert 0.1 * len(drawn) / 200.0 < 0.01


def test_a_finding_is_one_line_in_both_views(capsys):
    finding = Finding("q-too-high", "warning", "Q is too high", "mean Q 801", "why", "use more critics")
    line = "step 5,000: warning, q-too-high: Q is too high (mean Q 801); use more critics"
    Plain().on_finding(finding, 5_000)
    assert capsys.readouterr().out == f"{line}\n"
    view, out = live_view()
    view.on_start(header())
    view.on_finding(finding, 5_000)
    view.on_end("finished")
    assert screen(out)[0].rstrip() == line
    Quiet().on_finding(finding, 5_000)
    assert capsys.readouterr().out == ""
