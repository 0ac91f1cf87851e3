"""The rings: memory, sampling, random streams, and segments for files."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import BOTH, GO, LAYOUT, TERMINATE, TRUNCATE, Recording, observations
from scipy.stats import chisquare

from maxent.errors import UserError
from maxent.replay import Replay, RowLayout
from maxent.replay.layout import STEP, TERMINAL


def streams(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def recorded(steps: int, *, members: int = 1, lanes: int = 3, capacity: int = 48, later: bool = False) -> Recording:
    """Return a recording whose episodes end at random; it depends on the arguments alone."""
    recording = Recording(members, lanes, capacity)
    continue_recording(recording, steps, later=later)
    return recording


def continue_recording(recording: Recording, steps: int, *, later: bool = False) -> None:
    stream = np.random.default_rng(steps)
    for _ in range(steps):
        outcomes = stream.choice([GO, TERMINATE, TRUNCATE, BOTH], recording.count, p=[0.7, 0.1, 0.1, 0.1])
        if later:
            recording.step_resetting_later(outcomes)
        else:
            recording.step(outcomes)


def ids_at(recording: Recording, rows: np.ndarray) -> np.ndarray:
    """Return the numbers of the observations in rows [P, B]."""
    return np.stack([recording.replay.columns["row"].numpy()[member, row, 0] for member, row in enumerate(rows)])


class TestMemory:
    def test_a_million_transitions_of_half_cheetah(self) -> None:
        """17 observations, 6 actions and the reward as float32, and the kind: 4 · 24 + 1 = 97 bytes a row."""
        layout = RowLayout(floats=17, bytes=0, action=6)
        assert layout.nbytes == 97
        assert Replay.nbytes(layout, members=1, capacity=1_000_000) == 97_000_000 <= 105_000_000

    @pytest.mark.parametrize("layout", [LAYOUT, RowLayout(floats=17, bytes=0, action=6)])
    def test_the_stated_bytes_are_those_of_the_storage(self, layout: RowLayout) -> None:
        replay = Replay(layout, members=2, lanes=3, capacity=30)
        held = sum(column.nbytes for column in replay.columns.values())
        assert held == Replay.nbytes(layout, members=2, capacity=replay.capacity)

    def test_bytes_are_stored_as_bytes_and_only_if_there_are_any(self) -> None:
        with_bytes = Replay(RowLayout(floats=0, bytes=12, action=1), members=2, lanes=1, capacity=4).columns
        assert {name: (str(column.dtype), tuple(column.shape)) for name, column in with_bytes.items()} == {
            "row": ("torch.float32", (2, 4, 2)),
            "kind": ("torch.uint8", (2, 4)),
            "byte": ("torch.uint8", (2, 4, 12)),
        }
        assert set(Replay(RowLayout(floats=3, bytes=0, action=1), members=2, lanes=1, capacity=4).columns) == {
            "row",
            "kind",
        }

    def test_columns_share_the_storage(self) -> None:
        recording = Recording(members=1, lanes=1, capacity=4)
        columns = recording.replay.columns
        recording.step([GO])
        assert columns["row"][0, :, 0].tolist() == [1.0, 2.0, 0.0, 0.0]

    def test_capacity_is_rounded_up_to_whole_lanes(self) -> None:
        replay = Replay(LAYOUT, members=1, lanes=3, capacity=10)
        assert (replay.ring, replay.capacity) == (4, 12)

    def test_too_small_a_buffer_is_refused(self) -> None:
        with pytest.raises(UserError, match="buffer_size: expected at least 12 for 4 environments, got 11"):
            Replay(LAYOUT, members=1, lanes=4, capacity=11)

    def test_the_smallest_buffer_always_has_a_transition(self) -> None:
        """Episodes of one step are the worst case: every other row starts a transition."""
        recording = Recording(members=1, lanes=1, capacity=3)
        for outcome in [TERMINATE, TERMINATE, TRUNCATE, GO, GO, TERMINATE, BOTH]:
            recording.step([outcome])
            held = recording.transitions(0)
            assert len(held) >= 1
            assert set(ids_at(recording, recording.replay.sample(8, streams(0)))[0]) == set(held)


class TestSampling:
    @pytest.mark.parametrize("lanes", [1, 3])
    @pytest.mark.parametrize("steps", [9, 100])  # before and after the rings are full
    @pytest.mark.parametrize("later", [False, True])
    def test_uniform_over_exactly_the_transitions(self, lanes: int, steps: int, later: bool) -> None:
        recording = recorded(steps, lanes=lanes, capacity=16 * lanes, later=later)
        held = recording.transitions(0)
        rows = recording.replay.sample(4000 * len(held), streams(0))
        number, count = np.unique(ids_at(recording, rows)[0], return_counts=True)
        assert set(number) == set(held)
        assert chisquare(count).pvalue > 1e-3

    def test_lanes_with_fewer_rows_are_drawn_less(self) -> None:
        """Cut-off episodes fill one lane of two with more rows; all transitions are still equally likely."""
        recording = Recording(members=1, lanes=2, capacity=40)
        for _ in range(10):
            recording.cut_off([0])
            recording.step([GO, GO])
        assert recording.replay.written.tolist() == [20, 10]
        number, count = np.unique(ids_at(recording, recording.replay.sample(80_000, streams(0)))[0], return_counts=True)
        assert set(number) == set(recording.transitions(0))
        assert chisquare(count).pvalue > 1e-3

    @pytest.mark.parametrize("cut_off", [(), (0,)])  # with it, lanes have seen more and less
    @pytest.mark.parametrize("steps", [1, 5, 40])
    @pytest.mark.parametrize(("members", "lanes"), [(1, 1), (3, 1), (1, 4), (2, 3)])
    def test_rows_are_drawn_in_passes(self, members: int, lanes: int, steps: int, cut_off: tuple[int, ...]) -> None:
        """One draw for the batch, then one for the rows that start nothing, until there are none: runs depend on it."""
        recording = recorded(steps, members=members, lanes=lanes, capacity=12 * lanes)
        for lane in cut_off:
            recording.cut_off([lane])
        replay = recording.replay
        sampled, expected = streams(*range(members)), streams(*range(members))
        for batch_size in (1, 64, 64, 7):
            rows = replay.sample(batch_size, sampled)
            for p, stream in enumerate(expected):
                filled = np.minimum(replay.written[p * lanes : (p + 1) * lanes] + 1, replay.ring)
                candidates = np.concatenate([lane * replay.ring + np.arange(n) for lane, n in enumerate(filled)])
                starts = np.isin(replay.columns["kind"][p].numpy(), [STEP, TERMINAL])
                drawn = candidates[stream.integers(0, len(candidates), batch_size)]
                while (wrong := ~starts[drawn]).any():
                    drawn[wrong] = candidates[stream.integers(0, len(candidates), wrong.sum())]
                np.testing.assert_array_equal(rows[p], drawn)
        for ours, reference in zip(sampled, expected, strict=True):
            assert ours.bit_generator.state == reference.bit_generator.state

    def test_a_member_without_transitions_is_refused(self) -> None:
        recording = Recording(members=1, lanes=1, capacity=12)
        for _ in range(3):
            recording.cut_off([0])
        with pytest.raises(RuntimeError, match="expected transitions to sample from, got none for member 0"):
            recording.replay.sample(4, streams(0))

    def test_a_member_draws_from_its_own_stream_alone(self) -> None:
        recording = recorded(40, members=3, lanes=2, capacity=32)
        sampled = recording.replay.sample(64, streams(5, 6, 7))
        other = recording.replay.sample(64, streams(5, 8, 7))
        np.testing.assert_array_equal(sampled[[0, 2]], other[[0, 2]])
        assert (sampled[1] != other[1]).any()

    def test_members_do_not_depend_on_one_another(self) -> None:
        """Member 1 of two stores and samples the same as a member alone."""
        both, alone = Recording(2, 1, capacity=12), Recording(1, 1, capacity=12)
        stream = np.random.default_rng(3)
        for _ in range(30):
            outcomes = stream.choice([GO, TERMINATE, TRUNCATE], 2)
            both.step(outcomes)
            alone.step(outcomes[1:])
        np.testing.assert_array_equal(both.replay.sample(50, streams(1, 2))[1], alone.replay.sample(50, streams(2))[0])


class TestFiles:
    @given(
        marks=st.lists(st.integers(0, 60), max_size=5).map(sorted),
        lanes=st.integers(1, 3),
        ring=st.integers(3, 12),
        later=st.booleans(),
    )
    @settings(max_examples=80, deadline=None)
    def test_segments_restore_the_rings(self, marks: list[int], lanes: int, ring: int, later: bool) -> None:
        """Segments written at any time, before or after the rings are full, give an equal replay."""
        recording = Recording(2, lanes, capacity=ring * lanes)
        written, segments, done = np.zeros(2 * lanes, np.int64), [], 0
        for mark in [*marks, 60]:
            continue_recording(recording, mark - done, later=later)
            done = mark
            segments.append(recording.replay.rows_since(written))
            written = recording.replay.written.copy()
        back = Replay(LAYOUT, members=2, lanes=lanes, capacity=ring * lanes)
        for segment in segments:
            back.put_rows(segment)
        back.begin(observations(recording.newest()))
        np.testing.assert_array_equal(back.written, recording.replay.written)
        for name, column in recording.replay.columns.items():
            np.testing.assert_array_equal(back.columns[name].numpy(), column.numpy())
        np.testing.assert_array_equal(back.sample(20, streams(1, 2)), recording.replay.sample(20, streams(1, 2)))

    def test_a_segment_holds_the_new_rows_alone(self) -> None:
        recording = Recording(members=1, lanes=2, capacity=20)
        for _ in range(3):
            recording.step([GO, GO])
        before = recording.replay.written.copy()
        recording.step([GO, TERMINATE])
        segment = recording.replay.rows_since(before)
        # Lane 0 holds 1, 3, 5, 7, 9 and lane 1 holds 2, 4, 6, 8, 10, where 10 is final; 9 is pending.
        assert segment["first"].tolist() == [3, 3]
        assert segment["count"].tolist() == [1, 2]
        assert segment["row"][:, 0].tolist() == [7.0, 8.0, 10.0]
        assert segment["row"][:, -1].tolist() == [7.125, 8.125, 0.0]

    def test_a_segment_holds_no_more_than_the_ring(self) -> None:
        """Of 30 completed rows a ring of 8 holds the last 7; its eighth row is pending."""
        recording = Recording(members=1, lanes=1, capacity=8)
        for _ in range(30):
            recording.step([GO])
        segment = recording.replay.rows_since(np.zeros(1, np.int64))
        assert segment["row"][:, 0].tolist() == [24.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0]

    def test_nothing_new_is_an_empty_segment(self) -> None:
        recording = recorded(5)
        segment = recording.replay.rows_since(recording.replay.written.copy())
        assert segment["count"].tolist() == [0, 0, 0]
        assert len(segment["row"]) == len(segment["kind"]) == len(segment["byte"]) == 0


SEGMENTS: list[tuple[dict[str, Any], str]] = [
    ({"first": np.array([-1, 0])}, "rows that follow those before"),
    ({"first": np.array([2**62, 0])}, "rows that follow those before"),
    ({"count": np.array([-4, 4])}, "expected row as float32 of shape"),
    ({"count": np.array([2**60, 4])}, "expected row as float32 of shape"),
    ({"count": np.array([4.0, 4.0])}, "expected count as int64"),
    ({"count": np.array([4])}, "expected count as int64 of shape"),
    ({"kind": np.full(8, 7, np.uint8)}, "each a step or a final observation"),
    ({"kind": np.zeros(8, np.uint8)}, "each a step or a final observation"),
    ({"row": np.full((8, 5), np.nan, np.float32)}, "rows of finite numbers"),
    ({"row": np.zeros((8, 4), np.float32)}, "expected row as float32"),
    ({"byte": np.zeros((8, 2), np.int64)}, "expected byte as uint8"),
    ({"more": np.zeros(1)}, "expected the arrays first, count, row, kind, byte, got"),
]


@pytest.mark.parametrize(("change", "message"), SEGMENTS)
def test_rows_that_no_replay_wrote_are_refused(change: dict[str, Any], message: str) -> None:
    recording = Recording(members=1, lanes=2, capacity=24)
    for _ in range(4):
        recording.step([GO, GO])
    parts = recording.replay.rows_since(np.zeros(2, np.int64))
    assert parts["count"].tolist() == [4, 4]
    target = Replay(LAYOUT, members=1, lanes=2, capacity=24)
    with pytest.raises(UserError, match=message):
        target.put_rows(parts | change)
    assert not target.columns["row"].any()
    assert target.written.tolist() == [0, 0]
