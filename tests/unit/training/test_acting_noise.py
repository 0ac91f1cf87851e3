"""Draws that are held for a random number of steps."""

import numpy as np
import pytest

from maxent.training.acting_noise import Fresh, Repeated


def streams(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def test_lengths_have_probabilities_as_one_over_their_square() -> None:
    """Of N draws the share of n has a standard error √(p (1 − p) / N); five of them are allowed."""
    noise, own = Repeated(1, 4), streams(0)
    values = np.array([noise(own, (1, 1))[0, 0, 0] for _ in range(20_000)])
    starts = np.flatnonzero(np.diff(values, prepend=np.inf))
    lengths = np.diff(starts)
    expected = np.array([1.0, 1 / 4, 1 / 9, 1 / 16])
    expected /= expected.sum()
    shares = np.bincount(lengths, minlength=5)[1:] / len(lengths)
    assert len(shares) == 4
    assert (np.abs(shares - expected) < 5.0 * np.sqrt(expected * (1.0 - expected) / len(lengths))).all()
    held = values[starts]
    assert abs(held.mean()) < 5.0 / np.sqrt(len(held)) and abs(held.std() - 1.0) < 5.0 / np.sqrt(2 * len(held))


def test_a_member_has_the_draws_it_has_alone() -> None:
    noise, alone, own, single = Repeated(2, 16), Repeated(1, 16), streams(3, 4), streams(4)
    for _ in range(60):
        assert np.array_equal(noise(own, (2, 3))[1], alone(single, (2, 3))[0])


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_restored_draws_go_on(steps: int) -> None:
    noise, own = Repeated(2, 16), streams(5, 6)
    for _ in range(steps):
        noise(own, (1, 2))
    other, later = Repeated(2, 16), streams(0, 0)
    other.restore({name: array.copy() for name, array in noise.state().items()})
    for stream, copied in zip(own, later, strict=True):
        copied.bit_generator.state = stream.bit_generator.state
    for _ in range(40):
        assert np.array_equal(noise(own, (1, 2)), other(later, (1, 2)))


def test_one_step_is_fresh_draws_every_time() -> None:
    noise, own = Repeated(1, 1), streams(1)
    values = [float(noise(own, (1, 1))[0, 0, 0]) for _ in range(50)]
    assert len(set(values)) == 50
    assert Fresh().state() == {}
