"""The draws of exploring actions: their distributions, their streams, and their state."""

import numpy as np
import pytest

from maxent.algorithms.base import Exploration, Fresh, Held, OrnsteinUhlenbeck
from maxent.training.acting_noise import acting_noise

SHAPE = (2, 3)  # environments of a member, draws of each


def streams(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


@pytest.mark.parametrize("exploration", [Fresh(), Held(16), OrnsteinUhlenbeck(2)], ids=str)
def test_members_have_the_draws_of_runs_of_their_own_and_go_on_after_restoring(exploration: Exploration) -> None:
    together, alone, later = (acting_noise(exploration, (members, *SHAPE)) for members in (2, 1, 2))
    both, second, third = streams(5, 6), streams(6), streams(0, 0)
    for step in range(40):
        draws = together(both)
        np.testing.assert_array_equal(draws[1], alone(second)[0])
        assert draws.dtype == np.float32
        assert draws.shape == (2, *SHAPE)
        if step == 20:
            later.restore({name: array.copy() for name, array in together.state().items()})
            third = streams(0, 0)
            for mine, theirs in zip(third, both, strict=True):
                mine.bit_generator.state = theirs.bit_generator.state
        if step > 20:
            np.testing.assert_array_equal(later(third), draws)


def test_draws_are_held_for_n_steps_with_a_probability_of_one_over_n_squared() -> None:
    """P(n) = n⁻²/Σ_k k⁻² up to 4: 1, 1/4, 1/9, 1/16 over 205/144."""
    noise, lengths, last = acting_noise(Held(4), (1, 1, 1)), [0], None
    stream = streams(0)
    for _ in range(30_000):
        draws = noise(stream)[0, 0, 0]
        if draws == last:
            lengths[-1] += 1
        else:
            lengths.append(1)
        last = draws
    counts = np.bincount(lengths[1:-1], minlength=5)[1:]
    expected = np.array([1.0, 1 / 4, 1 / 9, 1 / 16]) / (205 / 144)
    error = np.sqrt(expected * (1 - expected) / counts.sum())
    assert (np.abs(counts / counts.sum() - expected) < 4 * error).all()


def test_the_process_of_ornstein_and_uhlenbeck_by_its_recursion() -> None:
    """x₀ = ε₀ and x_t = 0.85 x_{t−1} + ε_t for the last two draws; the first is independent."""
    noise, stream, same = acting_noise(OrnsteinUhlenbeck(2), (1, *SHAPE)), streams(3), streams(3)
    x = np.zeros((1, *SHAPE), np.float32)[..., 1:]
    for _ in range(5):
        fresh = same[0].standard_normal(SHAPE, np.float32)[None]
        x = np.float32(0.85) * x + fresh[..., 1:]
        draws = noise(stream)
        np.testing.assert_array_equal(draws[..., :1], fresh[..., :1])
        np.testing.assert_allclose(draws[..., 1:], x, rtol=1e-6)
