"""Rows of an unfinished episode that nothing is learned from."""

import numpy as np
import pytest
from recording import GO, TRUNCATE, Recording

from maxent.errors import UserError
from maxent.replay import Dropped, Prioritized, Uniform
from maxent.replay.layout import FINAL, STEP


def played(steps: str, capacity: int = 40, lanes: int = 2) -> Recording:
    """One member; "." is a step of all lanes, "|" one that truncates all episodes."""
    recording = Recording(members=1, lanes=lanes, capacity=capacity)
    for step in steps:
        recording.step([TRUNCATE if step == "|" else GO] * lanes)
    return recording


def kinds(recording: Recording, lane: int) -> list[int]:
    ring = recording.replay.ring
    return recording.replay.columns["kind"][0].tolist()[lane * ring : (lane + 1) * ring]


def test_the_newest_steps_of_one_lane_start_nothing_any_more() -> None:
    recording = played("..|...")
    before = kinds(recording, 0)
    rows = Dropped(recording.replay).drop(1, 3)
    assert kinds(recording, 0) == before
    assert kinds(recording, 1)[:8] == [STEP, STEP, STEP, FINAL, FINAL, FINAL, FINAL, 0]
    assert rows.tolist() == [24, 25, 26]
    rewards = recording.replay.columns["row"][0, :, -1]
    assert (rewards[24:27] == 0.0).all() and (rewards[[0, 1, 4, 20, 21]] != 0.0).all()


@pytest.mark.parametrize("length", [0, 1, 4, 19, 1000])
def test_as_many_as_the_ring_holds(length: int) -> None:
    """After 30 steps a ring of 20 rows holds 19 of them, beside the pending one in row 10."""
    recording = played("." * 30)
    dropped = Dropped(recording.replay)
    rows = dropped.drop(0, length)
    assert len(rows) == min(length, 19)
    newest = [(10 - 1 - back) % 20 for back in range(min(length, 19))]
    assert sorted(rows.tolist()) == sorted(newest)
    assert [row for row in range(20) if kinds(recording, 0)[row] == FINAL] == sorted(newest)


def test_no_sampler_finds_them() -> None:
    """Four of each lane's seven rows that start a transition are left."""
    recording = played("...|...")
    replay = recording.replay
    streams = [np.random.default_rng(0)]
    prioritized = Prioritized(replay, 64, streams, exponent=1.0, correction=0.4)
    assert set(prioritized.sample(0.0).rows[0].tolist()) == {*range(4), 5, 6, 7, *range(20, 24), 25, 26, 27}
    dropped, left = Dropped(replay), {*range(4), *range(20, 24), 25, 26, 27}
    prioritized.forget(dropped.drop(0, 3))
    uniform = Uniform(replay, 64, lambda count: np.random.default_rng(1).random((1, count)), streams)
    for _ in range(20):
        assert set(prioritized.sample(0.0).rows[0].tolist()) <= left
        assert set(uniform.sample(0.0).rows[0].tolist()) <= left
        assert set(replay.sample(64, streams)[0].tolist()) <= left


@pytest.mark.parametrize("later", ["", "....", "." * 12, "." * 40])
def test_a_checkpoint_drops_them_again(later: str) -> None:
    """The rows were written to a file before they were dropped, and some or all may be overwritten since."""
    recording, again = played("..|..."), played("..|...")
    dropped = Dropped(recording.replay)
    dropped.drop(1, 3)
    for _ in later:
        recording.step([GO, GO])
        again.step([GO, GO])
    Dropped(again.replay).restore(dropped.state())
    assert [kinds(again, lane) for lane in range(2)] == [kinds(recording, lane) for lane in range(2)]
    assert len(dropped.state()["spans"]) == (0 if len(later) == 40 else 1)


@pytest.mark.parametrize("span", [[2, 0, 1], [-1, 0, 1], [0, -1, 1], [0, 0, -1], [0, 6, 2], [0, 0, 20]])
def test_spans_that_cannot_be_are_refused(span: list[int]) -> None:
    with pytest.raises(UserError, match="expected dropped rows"):
        Dropped(played("..|...").replay).restore({"spans": np.array([span])})


def test_a_replay_of_dropped_rows_alone_cannot_be_sampled() -> None:
    recording = played("....")
    dropped = Dropped(recording.replay)
    assert recording.replay.can_sample()
    dropped.drop(0, 4)
    assert recording.replay.can_sample()
    dropped.drop(1, 4)
    assert not recording.replay.can_sample()
    recording.step([GO, GO])
    assert recording.replay.can_sample()
