"""Random streams belong to one member and one purpose, and can be put back where they were."""

import json

import numpy as np
import pytest
import torch

from maxent.engine.streams import ACTING, AHEAD, INIT, NOISE, SAMPLING, UNIFORM, Streams, numpy_stream, torch_stream
from maxent.stateful import Saved

SEEDS = (3, 4, 5)


def draw(streams: Streams) -> dict[str, np.ndarray]:
    """Return what a step of a run draws from every stream, each [P, …]."""
    return {
        "noise": streams.normal(7).numpy(),
        "acting": np.stack([stream.standard_normal(8) for stream in streams.acting]),
        "sampling": np.stack([stream.integers(0, 1_000_000, 8) for stream in streams.sampling]),
        "uniform": streams.uniform(9),
    }


def test_member_k_of_a_run_draws_what_the_run_with_its_seed_draws() -> None:
    together, alone = Streams(SEEDS), [Streams([seed]) for seed in SEEDS]
    for _ in range(3):
        population, solos = draw(together), [draw(streams) for streams in alone]
        for name, values in population.items():
            np.testing.assert_array_equal(values, np.concatenate([solo[name] for solo in solos]))


def test_a_member_does_not_notice_how_much_the_others_draw() -> None:
    disturbed = Streams(SEEDS)
    disturbed.acting[1].standard_normal(17)
    disturbed.sampling[1].integers(0, 9, 17)
    torch.randn(17, generator=disturbed.noise[1])
    after, undisturbed = draw(disturbed), draw(Streams(SEEDS))
    np.testing.assert_array_equal(after.pop("uniform"), undisturbed.pop("uniform"))  # a stream that no one else uses
    for name, values in undisturbed.items():
        np.testing.assert_array_equal(after[name][[0, 2]], values[[0, 2]])
        assert not np.array_equal(after[name][1], values[1])


def test_seeds_and_purposes_have_streams_of_their_own() -> None:
    purposes = (INIT, NOISE, ACTING, SAMPLING, UNIFORM)
    assert len(set(purposes)) == 5
    numpy_draws = {numpy_stream(seed, purpose).integers(2**63) for seed in range(50) for purpose in purposes}
    torch_draws = {torch_stream(seed, purpose).initial_seed() for seed in range(50) for purpose in purposes}
    assert len(numpy_draws) == len(torch_draws) == 250
    # and the same seed and purpose give the same stream again
    assert torch.equal(torch.randn(5, generator=torch_stream(1, INIT)), torch.randn(5, generator=torch_stream(1, INIT)))
    assert numpy_stream(1, ACTING).random() == numpy_stream(1, ACTING).random()


def test_noise_is_standard_normal() -> None:
    """Of n = 100,000 draws the mean has standard deviation 1/√n, the mean square √(2/n): four of each."""
    noise = Streams([0]).normal(100_000)
    assert noise.shape == (1, 100_000)
    assert noise.dtype == torch.float32
    assert abs(noise.mean().item()) < 4.0 * 100_000**-0.5
    assert abs(noise.square().mean().item() - 1.0) < 4.0 * (2.0 / 100_000) ** 0.5


def test_the_draws_of_an_update_and_of_the_next_ones_do_not_overlap() -> None:
    """Also where one block of draws ends and the next begins."""
    streams, updates = Streams(SEEDS), AHEAD // 10_000 + 2
    draws = torch.stack([streams.normal(10_000) for _ in range(updates)])
    assert draws.shape == (updates, 3, 10_000)
    repeated = draws.numel() - len(draws.unique())
    assert repeated < 0.03 * draws.numel()  # by chance; one update's would be a fifth


def test_uniform_draws_are_uniform() -> None:
    """Of n = 100,000 draws the mean is within four of its standard deviations, 1/√(12n), of ½; all are in [0, 1)."""
    draws = Streams([0]).uniform(100_000)
    assert draws.shape == (1, 100_000)
    assert draws.dtype == np.float64
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    assert abs(draws.mean() - 0.5) < 4.0 * (12.0 * 100_000) ** -0.5


def test_uniform_draws_are_those_of_the_stream_in_order() -> None:
    """Where a block ends makes no difference; the stream of a seed is fixed."""
    streams, updates = Streams(SEEDS), AHEAD // 10_000 + 2
    draws = np.stack([streams.uniform(10_000) for _ in range(updates)], axis=1)
    expected = [numpy_stream(seed, UNIFORM).random((updates, 10_000)) for seed in SEEDS]
    np.testing.assert_array_equal(draws, expected)


def test_algorithms_without_noise_draw_none() -> None:
    streams = Streams(SEEDS)
    before = streams.state().tensors["noise"]
    assert streams.normal(0).shape == (3, 0)
    assert torch.equal(streams.state().tensors["noise"], before)


def test_streams_without_uniform_draws_stay_where_they_are() -> None:
    """As with prioritized replay and on-policy algorithms."""
    streams, fresh = Streams(SEEDS), Streams(SEEDS)
    for _ in range(3):
        streams.normal(7)
    plain, expected = streams.state().plain, fresh.state().plain
    assert (plain["uniform"], plain["uniform_used"]) == (expected["uniform"], 0)


@pytest.mark.parametrize("used", [0, 1, 2, 3, 4, 7])
def test_draws_go_on_from_any_place_of_a_block(used: int) -> None:
    """A block has the numbers of three updates, so the places are at its beginning, inside, and at its end."""
    count = AHEAD // 3
    streams = Streams(SEEDS)
    for _ in range(used):
        streams.normal(count)
        streams.uniform(count)
    saved = through_json(streams.state())
    restored = Streams((7, 8, 9))
    restored.restore(saved)
    again = restored.state()  # before anything was drawn
    assert again.plain == saved.plain
    assert torch.equal(again.tensors["noise"], saved.tensors["noise"])
    for _ in range(5):
        assert torch.equal(restored.normal(count), streams.normal(count))
        np.testing.assert_array_equal(restored.uniform(count), streams.uniform(count))


def test_blocks_of_noise_and_of_uniform_numbers_are_used_independently() -> None:
    streams = Streams(SEEDS)
    for _ in range(4):
        streams.normal(AHEAD // 3)
    streams.uniform(AHEAD // 2)
    restored = Streams((7, 8, 9))
    restored.restore(streams.state())
    assert torch.equal(restored.normal(AHEAD // 3), streams.normal(AHEAD // 3))
    for _ in range(3):
        np.testing.assert_array_equal(restored.uniform(AHEAD // 2), streams.uniform(AHEAD // 2))


def test_restored_streams_go_on_where_the_others_were() -> None:
    """Through JSON, as in a checkpoint; an odd number of normal draws leaves one of a pair in the generator."""
    streams = Streams(SEEDS)
    draw(streams)
    saved = through_json(streams.state())
    expected = draw(streams)
    restored = Streams((7, 8, 9))
    draw(restored)
    restored.restore(saved)
    for name, values in draw(restored).items():
        np.testing.assert_array_equal(values, expected[name])


def through_json(saved: Saved) -> Saved:
    """Return a copy whose plain data went through JSON."""
    tensors = {name: tensor.clone() for name, tensor in saved.tensors.items()}
    return Saved(json.loads(json.dumps(saved.plain)), tensors)
