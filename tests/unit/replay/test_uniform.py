"""Uniform replay: the distribution of rows, independent members, and exact resume."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from recording import BOTH, GO, TERMINATE, TRUNCATE, Recording
from scipy.stats import chisquare

from maxent.engine.streams import AHEAD, Streams
from maxent.replay import Uniform, uniform
from maxent.stateful import Saved


def sampler(recording: Recording, batch_size: int, seeds: Sequence[int]) -> Uniform:
    """Return a sampler whose member p has the streams of seeds[p]."""
    streams = Streams(seeds)
    return Uniform(recording.replay, batch_size, streams.uniform, streams.sampling)


def sampled_ids(recording: Recording, rows: np.ndarray) -> np.ndarray:
    """Return the numbers of the observations in rows [P, B]."""
    return np.take_along_axis(recording.replay.columns["row"].numpy()[:, :, 0], rows, axis=1)


def continue_recording(recording: Recording, steps: int, seed: int = 0, *, later: bool = False) -> None:
    """Record steps whose episodes end at random."""
    stream = np.random.default_rng(seed)
    for _ in range(steps):
        outcomes = stream.choice([GO, TERMINATE, TRUNCATE, BOTH], recording.count, p=[0.7, 0.1, 0.1, 0.1])
        (recording.step_resetting_later if later else recording.step)(outcomes)


def assert_uniform(recording: Recording, *, batch_size: int = 500, draws_each: int = 2000) -> None:
    """Assert that samples hold exactly the transitions of member 0, each as often as the others."""
    held = recording.transitions(0)
    drawn = sampler(recording, batch_size, range(recording.members))
    batches = draws_each * len(held) // batch_size
    ids = np.concatenate([sampled_ids(recording, drawn.sample(0.0).rows)[0] for _ in range(batches)])
    number, count = np.unique(ids, return_counts=True)
    assert set(number) == set(held)
    assert chisquare(count).pvalue > 1e-3


class TestDistribution:
    @pytest.mark.parametrize("lanes", [1, 3])
    @pytest.mark.parametrize("steps", [9, 100])  # before and after the rings are full
    @pytest.mark.parametrize("later", [False, True])
    def test_uniform_over_exactly_the_transitions(self, lanes: int, steps: int, later: bool) -> None:
        recording = Recording(members=1, lanes=lanes, capacity=16 * lanes)
        continue_recording(recording, steps, later=later)
        assert_uniform(recording)

    @pytest.mark.parametrize("length", [1, 2, 5])
    @pytest.mark.parametrize("lanes", [1, 2])
    @pytest.mark.parametrize("steps", [6, 80])
    def test_short_episodes(self, length: int, lanes: int, steps: int) -> None:
        """Up to half of the rows start nothing, so rows come from all passes."""
        recording = Recording(members=1, lanes=lanes, capacity=20 * lanes)
        for step in range(steps):
            recording.step([TERMINATE if (step + lane) % length == 0 else GO for lane in range(lanes)])
        assert_uniform(recording)

    def test_without_the_second_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As for more than 2^20 rows: a row that starts nothing takes a fresh number at once."""
        monkeypatch.setattr(uniform, "MOST_ROWS_FOR_FRACTIONS", 15)
        recording = Recording(members=1, lanes=1, capacity=16)
        recording.step([GO])  # rows STEP and PENDING: 0.6 · 2 = 1.2 → PENDING
        stream, same = np.random.default_rng(0), np.random.default_rng(0)
        rows = Uniform(recording.replay, 1, lambda count: np.full((1, count), 0.6), [stream]).sample(0.0).rows
        assert rows.tolist() == [[0]]
        while same.random() >= 0.5:
            pass
        assert stream.bit_generator.state == same.bit_generator.state != np.random.default_rng(0).bit_generator.state
        continue_recording(recording, 40)
        assert_uniform(recording)

    def test_lanes_with_fewer_rows_are_drawn_less(self) -> None:
        """Cut-off episodes fill one lane of two with more rows; all transitions are still equally likely."""
        recording = Recording(members=1, lanes=2, capacity=40)
        for _ in range(10):
            recording.cut_off([0])
            recording.step([GO, GO])
        assert recording.replay.written.tolist() == [20, 10]
        assert_uniform(recording)

    def test_the_smallest_buffer(self) -> None:
        """Every step overwrites rows, and at times a single transition is left."""
        recording = Recording(members=1, lanes=1, capacity=3)
        drawn = sampler(recording, 32, [0])
        for outcome in [TERMINATE, TERMINATE, TRUNCATE, GO, GO, TERMINATE, BOTH] * 3:
            recording.step([outcome])
            assert set(sampled_ids(recording, drawn.sample(0.0).rows)[0]) == set(recording.transitions(0))

    def test_rows_follow_the_ring(self) -> None:
        """The same sampler, from the first step until the rings have wrapped around twice."""
        recording = Recording(members=2, lanes=2, capacity=16)
        drawn = sampler(recording, 200, [0, 1])
        for step in range(40):
            continue_recording(recording, 1, seed=step)
            ids = sampled_ids(recording, drawn.sample(0.0).rows)
            for member in range(2):
                assert set(ids[member]) == set(recording.transitions(member))

    def test_passes_by_hand(self) -> None:
        """Rows 0 to 3 are STEP, TERMINAL, FINAL, PENDING; n = 4."""
        recording = Recording(members=1, lanes=1, capacity=8)
        recording.step([GO])
        recording.step([TERMINATE])
        # u · n    0.0 → 0    1.96 → 1    2.2 → FINAL, 0.2 · 4 → 0    3.4 → PENDING, 0.4 · 4 → 1
        # u · n    2.6 → FINAL, 0.6 · 4 = 2.4 → FINAL, then from the stream
        numbers = np.array([[0.0, 0.49, 0.55, 0.85, 0.65]])
        stream, same = np.random.default_rng(0), np.random.default_rng(0)
        rows = Uniform(recording.replay, 5, lambda count: numbers[:, :count], [stream]).sample(0.0).rows
        assert rows[0, :4].tolist() == [0, 1, 0, 1]
        fresh = (int(4 * same.random()) for _ in range(100))
        assert rows[0, 4] == next(row for row in fresh if row < 2)
        assert stream.bit_generator.state == same.bit_generator.state

    def test_lanes_by_hand(self) -> None:
        """Two lanes with 2 of 8 rows filled: n = 4, and positions 2 and 3 are rows 8 and 9."""
        recording = Recording(members=1, lanes=2, capacity=16)
        recording.step([GO, GO])
        # u · n    0.4 → 0    2.4 → 8    1.7 → PENDING, 0.7 · 4 → 8    3.1 → PENDING, 0.1 · 4 → 0
        numbers = np.array([[0.1, 0.6, 0.425, 0.775]])
        rows = Uniform(recording.replay, 4, lambda count: numbers[:, :count], []).sample(0.0).rows
        assert rows[0].tolist() == [0, 8, 8, 0]

    @pytest.mark.parametrize("rows", [3, 7, 1000, 2**20 - 1, 2**20])
    def test_the_largest_number_stays_inside(self, rows: int) -> None:
        """u < 1 has u · n < n also after rounding."""
        assert (1.0 - 2.0**-53) * np.float64(rows) < rows

    def test_a_member_without_transitions_is_refused(self) -> None:
        recording = Recording(members=2, lanes=1, capacity=12)
        recording.step([GO, GO])
        for _ in range(12):
            recording.cut_off([1])
        with pytest.raises(RuntimeError, match="expected transitions to sample from, got none for member 1"):
            sampler(recording, 4, [0, 1]).sample(0.0)


class TestMembers:
    @pytest.mark.parametrize("lanes", [1, 3])
    def test_members_together_sample_as_each_alone(self, lanes: int) -> None:
        """While the rings fill at different speeds, wrap around, and with fresh numbers after the second pass."""
        seeds = (5, 6, 7)
        together = Recording(members=3, lanes=lanes, capacity=12 * lanes)
        alone = [Recording(members=1, lanes=lanes, capacity=12 * lanes) for _ in seeds]
        population = sampler(together, 64, seeds)
        solos = [sampler(recording, 64, [seed]) for recording, seed in zip(alone, seeds, strict=True)]
        stream = np.random.default_rng(3)
        for step in range(40):
            outcomes = stream.choice([GO, TERMINATE, TRUNCATE], 3 * lanes)
            together.step(outcomes)
            for member, recording in enumerate(alone):
                recording.step(outcomes[member * lanes : (member + 1) * lanes])
            if step % 5 == 0:
                together.cut_off([lanes])
                alone[1].cut_off([0])
            expected = np.concatenate([solo.sample(0.0).rows for solo in solos])
            np.testing.assert_array_equal(population.sample(0.0).rows, expected)

    def test_a_member_draws_from_its_own_streams_alone(self) -> None:
        recording = Recording(members=3, lanes=2, capacity=32)
        continue_recording(recording, 40)
        one, other = (sampler(recording, 64, seeds).sample(0.0).rows for seeds in ((5, 6, 7), (5, 8, 7)))
        np.testing.assert_array_equal(one[[0, 2]], other[[0, 2]])
        assert (one[1] != other[1]).any()


class TestResume:
    @pytest.mark.parametrize("used", range(9))
    def test_from_every_place_of_a_block(self, used: int) -> None:
        """A block has the numbers of four updates; a third of the rows start nothing, so streams are used as well."""
        batch_size = AHEAD // 4
        recording = Recording(members=2, lanes=1, capacity=24)
        continue_recording(recording, 30)
        streams = Streams([1, 2])
        drawn = Uniform(recording.replay, batch_size, streams.uniform, streams.sampling)
        for _ in range(used):
            drawn.sample(0.0)
        saved = streams.state()
        restored = Streams([3, 4])
        restored.restore(Saved(json.loads(json.dumps(saved.plain)), saved.tensors))
        resumed = Uniform(recording.replay, batch_size, restored.uniform, restored.sampling)
        for step in range(6):
            np.testing.assert_array_equal(resumed.sample(0.0).rows, drawn.sample(0.0).rows)
            continue_recording(recording, 1, seed=step)  # n changes within a block
