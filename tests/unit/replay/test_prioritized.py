"""Priorities, sampling by priority, and the weights that correct for it, on rows with numbered observations."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import BOTH, GO, TERMINATE, TRUNCATE, Recording
from scipy.stats import chisquare

from maxent.replay import Prioritized, Replay
from maxent.replay.layout import STEP, TERMINAL
from maxent.replay.prioritized import EPSILON, TOPS, SumTree


def sampler(
    replay: Replay, batch_size: int, *seeds: int, exponent: float = 1.0, correction: float = 0.4
) -> Prioritized:
    streams = [np.random.default_rng(seed) for seed in seeds or range(replay.members)]
    return Prioritized(replay, batch_size, streams, exponent=exponent, correction=correction)


def ids(replay: Replay, rows: np.ndarray) -> np.ndarray:
    """The numbers of the observations in rows [P, B]."""
    return np.take_along_axis(replay.columns["row"].numpy()[..., 0], rows, 1).astype(int)


def play(outcomes: list[int], capacity: int = 100) -> Recording:
    """One lane from observation 1 on."""
    recording = Recording(members=1, lanes=1, capacity=capacity)
    for outcome in outcomes:
        recording.step([outcome])
    return recording


def give(prioritized: Prioritized, priority: Callable[[np.ndarray], np.ndarray]) -> None:
    """Set the priority of every transition to a function of its observation's number."""
    replay = prioritized.replay
    prioritized.sample(0.0)  # adds the new rows
    kind = replay.columns["kind"].numpy()
    for p in range(replay.members):
        start = np.flatnonzero(np.isin(kind[p], (STEP, TERMINAL)))
        rows = np.zeros((replay.members, len(start)), np.int64)
        for other in range(replay.members):
            rows[other] = start if other == p else np.flatnonzero(np.isin(kind[other], (STEP, TERMINAL)))[0]
        prioritized.update_priorities(rows, (priority(ids(replay, rows)) - EPSILON).astype(np.float32))


class TestSumTree:
    @given(
        values=st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1, max_size=70),
        shares=st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=1, max_size=20),
        padding=st.sampled_from([0, 3 * TOPS]),
    )
    @settings(max_examples=200, deadline=None)
    def test_a_share_of_the_sum_is_found_where_the_sum_reaches_it(
        self, values: list[float], shares: list[float], padding: int
    ) -> None:
        """Against one cumulative sum; padding with zeros adds levels of nodes below the first search."""
        values = [*values, 1.0, *[0.0] * padding]
        tree = SumTree(1, len(values))
        tree.put(np.arange(len(values)), np.array(values))
        leaf, value = tree.find(np.array([shares]))
        sums = np.cumsum(values)
        assert (value > 0.0).all()
        assert value[0].tolist() == [values[k] for k in leaf[0]]
        for k, share in zip(leaf[0], shares, strict=True):
            slack = 1e-12 * sums[-1]
            assert sums[k] - values[k] - slack <= share * sums[-1] <= sums[k] + slack

    @pytest.mark.parametrize("leaves", [1, 2, 5, TOPS, 5 * TOPS + 3])
    def test_changing_leaves_one_by_one_or_all_at_once_makes_the_same_tree(self, leaves: int) -> None:
        stream, trees = np.random.default_rng(0), [SumTree(2, leaves), SumTree(2, leaves)]
        share = stream.random((2, 50))
        values = np.zeros(2 * leaves)
        for _ in range(30):
            chosen = stream.integers(0, 2 * leaves, 7)
            new = stream.exponential(size=7)
            values[chosen] = new  # of two values for one leaf the last is used by both
            values[[0, leaves]] = 1.0
            trees[0].put(np.append(chosen, [0, leaves]), np.append(new, [1.0, 1.0]))
            trees[0].find(share)
        trees[1].put(np.arange(2 * leaves), values)
        for own, other in zip(trees[0].find(share), trees[1].find(share), strict=True):
            np.testing.assert_array_equal(own, other)
        np.testing.assert_array_equal(trees[0].leaves.reshape(-1), values)
        np.testing.assert_array_equal(trees[0]._nodes, trees[1]._nodes)

    def test_the_end_of_the_sum_is_the_last_leaf_that_is_not_zero(self) -> None:
        """0.1 + 0.2 rounds up, and the largest number below 1 times a sum may round to the sum."""
        tree = SumTree(1, 4 * TOPS)
        tree.put(np.arange(3), np.array([0.1, 0.2, 0.0]))
        leaf, value = tree.find(np.full((1, 1), np.nextafter(1.0, 0.0)))
        assert (leaf.item(), value.item()) == (1, 0.2)


class TestDraws:
    @pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("lanes", [1, 3])
    def test_as_often_as_the_priority_says(self, exponent: float, lanes: int) -> None:
        """The error of transition i is 1 + i mod 7; a batch of one is a single stratum, so draws are independent."""
        recording = Recording(members=1, lanes=lanes, capacity=12 * lanes)
        stream = np.random.default_rng(0)
        for _ in range(40):
            recording.step(stream.choice([GO, TERMINATE, TRUNCATE, BOTH], lanes, p=[0.7, 0.1, 0.1, 0.1]))
        prioritized = sampler(recording.replay, 1, exponent=exponent)
        give(prioritized, lambda number: 1.0 + number % 7)
        held = np.array(sorted(recording.transitions(0)))
        drawn = np.array([ids(recording.replay, prioritized.sample(0.0).rows).item() for _ in range(4000)])
        number, count = np.unique(drawn, return_counts=True)
        assert set(number) <= set(held)
        weight = (1.0 + held % 7) ** exponent
        expected = 4000 * weight / weight.sum()
        seen = np.zeros(len(held))
        seen[np.searchsorted(held, number)] = count
        assert chisquare(seen, expected).pvalue > 1e-3

    def test_a_batch_takes_one_from_each_equal_share_of_the_sum(self) -> None:
        """Equal priorities, as many draws as transitions: each is drawn once. One with 9/16 of the sum: 4 to 6 of 8."""
        recording = play([GO] * 8)
        prioritized = sampler(recording.replay, 8)
        assert sorted(ids(recording.replay, prioritized.sample(0.0).rows)[0]) == list(range(1, 9))
        give(prioritized, lambda number: np.where(number == 3, 9.0, 1.0))  # 9 of 16 parts of the sum: 4.5 of 8
        for _ in range(20):
            assert 4 <= (ids(recording.replay, prioritized.sample(0.0).rows) == 3).sum() <= 6

    def test_a_new_transition_enters_with_the_largest_priority_so_far(self) -> None:
        """At first it is 1; it does not fall when the error does."""
        recording = play([GO, GO])
        prioritized = sampler(recording.replay, 2)
        rows = prioritized.sample(0.0).rows
        assert prioritized.state()["priority"][0, 0].tolist() == [1.0, 1.0, 0.0]
        prioritized.update_priorities(rows, np.array([[0.25, 5.0]], np.float32) - np.float32(EPSILON))
        prioritized.update_priorities(rows, np.array([[0.25, 0.5]], np.float32) - np.float32(EPSILON))
        recording.step([GO])
        recording.step([GO])
        prioritized.sample(0.0)
        np.testing.assert_allclose(prioritized.state()["priority"][0, 0], [0.25, 0.5, 5.0, 5.0, 0.0], rtol=1e-6)

    def test_for_a_row_sampled_twice_the_last_error_is_used_without_its_sign(self) -> None:
        recording = play([GO, GO])
        prioritized = sampler(recording.replay, 3, exponent=0.5)
        prioritized.sample(0.0)
        prioritized.update_priorities(np.array([[0, 1, 0]]), np.array([[4.0, -16.0, 9.0]], np.float32))
        np.testing.assert_allclose(prioritized.state()["priority"][0, 0], [3.0, 4.0, 0.0], rtol=1e-6)

    @given(data=st.data())
    @settings(max_examples=60, deadline=None)
    def test_exactly_the_transitions_have_a_priority(self, data: st.DataObject) -> None:
        """For samples at any time, with rings that overwrite their rows, and any kind of episode end."""
        members, lanes = data.draw(st.integers(1, 2), "members"), data.draw(st.integers(1, 3), "lanes")
        ring, later = data.draw(st.integers(3, 12), "ring"), data.draw(st.booleans(), "resets later")
        outcome = st.sampled_from([GO, GO, GO, TERMINATE, TRUNCATE, BOTH])
        steps = data.draw(st.lists(st.tuples(*[outcome] * (members * lanes)), min_size=1, max_size=40), "steps")
        sampled = data.draw(st.sets(st.integers(0, len(steps))), "sampled after")
        cut = data.draw(st.integers(0, len(steps)), "cut off before")
        recording = Recording(members, lanes, capacity=ring * lanes)
        prioritized = sampler(recording.replay, 4)
        for number, outcomes in enumerate(steps):
            if number == cut:
                recording.cut_off(range(0, members * lanes, 2))
            (recording.step_resetting_later if later else recording.step)(outcomes)
            if number in sampled or number == len(steps) - 1:
                rows = prioritized.sample(0.0).rows
                for member in range(members):
                    assert set(ids(recording.replay, rows)[member]) <= set(recording.transitions(member))
        positive = prioritized._tree.leaves > 0.0
        np.testing.assert_array_equal(positive, np.isin(recording.replay.columns["kind"].numpy(), (STEP, TERMINAL)))


class TestWeights:
    def test_by_hand(self) -> None:
        """Priorities 2, 2, 8 of three transitions: P = 1/6, 1/6, 2/3 and (3 · P)^(−½) = √2, √2, 1/√2; divided by the
        largest: 1, 1, ½. With β = 1 it is 1, 1, ¼."""
        recording = play([GO, GO, TERMINATE])
        prioritized = sampler(recording.replay, 6, correction=0.5)
        give(prioritized, lambda number: np.where(number == 2, 8.0, 2.0))
        for progress, small in [(0.0, 0.5), (0.5, 0.25**0.75), (1.0, 0.25)]:
            rows, extras = prioritized.sample(progress)
            number, weight = ids(recording.replay, rows), extras["weight"]
            assert (weight.shape, weight.dtype) == ((1, 6), np.float32)
            assert set(number[0]) == {1, 2, 3}  # transition 2 has two thirds of the sum
            np.testing.assert_allclose(weight, np.where(number == 2, small, 1.0), rtol=1e-6)

    def test_weighted_draws_are_uniform_on_average(self) -> None:
        """With β = 1, Σ P_i w_i x_i ∝ Σ x_i: over all draws each transition counts the same."""
        recording = play([GO] * 5)
        prioritized = sampler(recording.replay, 400, correction=1.0)
        give(prioritized, lambda number: number.astype(float))
        total = np.zeros(6)
        for _ in range(100):
            rows, extras = prioritized.sample(0.0)
            np.add.at(total, ids(recording.replay, rows)[0], extras["weight"][0].astype(float))
        np.testing.assert_allclose(total[1:] / total.sum(), 0.2, rtol=0.02)


class TestResume:
    @given(
        marks=st.lists(st.integers(0, 40), max_size=6), saved=st.integers(0, 40), lanes=st.integers(1, 3),
        ring=st.integers(3, 12),
    )  # fmt: skip
    @settings(max_examples=60, deadline=None)
    def test_a_restored_sampler_continues_exactly(self, marks: list[int], saved: int, lanes: int, ring: int) -> None:
        """Saved after any step, between samples and rows, and compared with a sampler that was not interrupted."""
        recording = Recording(2, lanes, capacity=ring * lanes)
        whole, back = sampler(recording.replay, 5, exponent=0.6), None
        outcomes, errors = np.random.default_rng(1), np.random.default_rng(2)
        for step in range(41):
            recording.step(outcomes.choice([GO, GO, GO, TERMINATE, TRUNCATE], 2 * lanes))
            if step in marks or step == 40:
                error = errors.exponential(size=(2, 5)).astype(np.float32)
                sample = whole.sample(step / 40)
                whole.update_priorities(sample.rows, error)
                if back is not None:
                    again = back.sample(step / 40)
                    np.testing.assert_array_equal(again.rows, sample.rows)
                    np.testing.assert_array_equal(again.extras["weight"], sample.extras["weight"])
                    back.update_priorities(again.rows, error)
            if step == saved:
                back = sampler(recording.replay, 5, exponent=0.6)
                back.restore(whole.state())
                for stream, other in zip(back.streams, whole.streams, strict=True):
                    stream.bit_generator.state = other.bit_generator.state
        assert back is not None
        own, other = whole.state(), back.state()
        assert own.keys() == other.keys()
        for name, array in own.items():
            np.testing.assert_array_equal(array, other[name])

    def test_only_rows_that_were_filled_are_kept(self) -> None:
        recording = play([GO] * 5)
        prioritized = sampler(recording.replay, 4)
        prioritized.sample(0.0)
        assert prioritized.state()["priority"].shape == (1, 1, 6)


def test_members_equal_single_runs() -> None:
    both, alone = Recording(2, 2, capacity=24), Recording(1, 2, capacity=24)
    pair, single = sampler(both.replay, 16, 7, 8), sampler(alone.replay, 16, 8)
    stream = np.random.default_rng(3)
    for _ in range(40):
        outcomes = stream.choice([GO, GO, TERMINATE, TRUNCATE], 4)
        both.step(outcomes)
        alone.step(outcomes[2:])
        own, other = pair.sample(0.3), single.sample(0.3)
        np.testing.assert_array_equal(own.rows[1], other.rows[0])
        np.testing.assert_array_equal(own.extras["weight"][1], other.extras["weight"][0])
        error = stream.exponential(size=(2, 16)).astype(np.float32)
        pair.update_priorities(own.rows, error)
        single.update_priorities(other.rows, error[1:])
