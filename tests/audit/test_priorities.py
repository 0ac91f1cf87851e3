"""Prioritised replay against one dictionary of priorities and one cumulative sum, over random histories.

Lanes terminate and are truncated at random, rings wrap around, and errors vary over five decades.
"""

import numpy as np
import pytest

from maxent.replay import Prioritized, Replay, RowLayout


class Record:
    """What a replay must hold: for each lane whether its rows start a transition, and the priority of each."""

    def __init__(self, lanes: int) -> None:
        self.starts: list[list[bool]] = [[] for _ in range(lanes)]
        self.fresh: list[tuple[int, int]] = []
        self.priority: dict[tuple[int, int], float] = {}

    def step(self, ended: np.ndarray) -> None:
        for lane, over in enumerate(ended):
            self.fresh.append((lane, len(self.starts[lane])))
            self.starts[lane] += [True, False] if over else [True]

    def alive(self, lanes: int, ring: int) -> dict[tuple[int, int], tuple[int, int]]:
        """Return lane and position of each (member, row) that starts a transition and is not overwritten."""
        found = {}
        for lane, starts in enumerate(self.starts):
            for position in range(max(0, len(starts) - ring + 1), len(starts)):
                if starts[position]:
                    found[lane // lanes, lane % lanes * ring + position % ring] = lane, position
        return found


@pytest.mark.parametrize("seed", range(12))
def test_probabilities_and_weights_of_random_histories(seed: int) -> None:
    """The largest error of a weight is 3e-8, float32's; every row and every priority is equal."""
    rng = np.random.default_rng(seed)
    members, lanes, ring, size = (int(rng.integers(*bounds)) for bounds in ((1, 3), (1, 4), (4, 14), (1, 9)))
    exponent, correction, progress = rng.random(3)
    replay = Replay(RowLayout(1, 0, 1), members=members, lanes=lanes, capacity=lanes * ring)
    streams = [np.random.default_rng([seed, p]) for p in range(members)]
    sampler = Prioritized(replay, size, streams, exponent=exponent, correction=correction)
    beta = correction + (1.0 - correction) * progress
    count = members * lanes
    record, largest, seen = Record(count), np.ones(members), {"float": np.zeros((count, 1), np.float32)}
    replay.begin(seen)
    for _ in range(60):
        terminated, truncated = rng.random((2, count)) < 0.15
        action, reward = np.zeros((count, 1), np.float32), np.zeros(count, np.float32)
        replay.add(action, reward, terminated, truncated, seen, seen)
        record.step(terminated | truncated)
        if rng.random() < 0.4:
            continue
        record.priority |= {(lane, position): largest[lane // lanes] for lane, position in record.fresh}
        record.fresh = []
        alive = record.alive(lanes, ring)
        p = np.zeros((members, lanes * ring))
        for place, owner in alive.items():
            p[place] = record.priority[owner]
        copies = [np.random.default_rng() for _ in streams]
        for copy, stream in zip(copies, streams, strict=True):
            copy.bit_generator.state = stream.bit_generator.state
        rows, extras = sampler.sample(progress)
        np.testing.assert_array_equal(sampler._by_lane().reshape(members, -1), p)
        for member, copy in enumerate(copies):
            cumulative = p[member].cumsum()
            shares = (np.arange(size) + copy.random(size)) / size
            np.testing.assert_array_equal(
                rows[member], np.searchsorted(cumulative, shares * cumulative[-1], side="right")
            )
            probability = p[member, rows[member]] / cumulative[-1]
            weight = (np.count_nonzero(p[member]) * probability) ** -beta
            np.testing.assert_allclose(extras["weight"][member], weight / weight.max(), rtol=3e-7)
        error = (rng.normal(size=(members, size)) * np.exp(3.0 * rng.normal())).astype(np.float32)
        sampler.update_priorities(rows, error)
        for member in range(members):
            new = (np.abs(error[member].astype(np.float64)) + 1e-6) ** exponent
            for row, value in zip(rows[member].tolist(), new, strict=True):
                record.priority[alive[member, row]] = value
            largest[member] = max(largest[member], new.max())
