"""Running moments against NumPy over the concatenated data, and the normalisation that they serve."""

import numpy as np
import pytest
import torch
from torch import Tensor

from maxent.moments import (
    Moments,
    batch_moments,
    merge_moments,
    return_scale,
    standardise,
)

EMPTY = Moments(torch.zeros(2, 3).double(), torch.ones(2, 3).double(), torch.zeros(2).double())


def batches(offset: float = 0.0) -> list[Tensor]:
    """Batches [P = 2, B, 3] of different sizes, spread and mean."""
    generator = torch.Generator().manual_seed(0)
    return [
        offset + k + (1.0 + k) * torch.randn(2, size, 3, generator=generator, dtype=torch.float64)
        for k, size in enumerate((1, 7, 2, 100))
    ]


def merged(data: list[Tensor]) -> Moments:
    moments = EMPTY
    for batch in data:
        moments = merge_moments(*moments, *batch_moments(batch))
    return moments


def test_moments_by_hand() -> None:
    """(0, 4) has mean 2 and variance 4; with (6, 6) the four have mean 4 and variance (16 + 0 + 4 + 4)/4 = 6."""
    first, second = torch.tensor([[[0.0], [4.0]]]), torch.tensor([[[6.0], [6.0]]])
    assert batch_moments(first).mean.tolist() == [[2.0]]
    assert batch_moments(first).var.tolist() == [[4.0]]
    mean, var, count = merge_moments(*batch_moments(first), *batch_moments(second))
    assert (mean.item(), var.item(), count.item()) == (4.0, 6.0, 4.0)


# 1e8: the squares alone would lose all sixteen digits of a variance of 1. What is left is the rounding of the data.
@pytest.mark.parametrize(("offset", "rtol"), [(0.0, 1e-12), (1e8, 1e-7)])
def test_merged_batches_are_the_concatenated_data(offset: float, rtol: float) -> None:
    data = batches(offset)
    mean, var, count = merged(data)
    together = torch.cat(data, 1).numpy()
    np.testing.assert_allclose(mean.numpy(), together.mean(1), rtol=rtol)
    np.testing.assert_allclose(var.numpy(), together.var(1), rtol=rtol)
    assert count.tolist() == [110.0, 110.0]


def test_an_empty_past_and_an_empty_batch_change_nothing() -> None:
    own = batch_moments(batches()[3])
    for joined in (merge_moments(*EMPTY, *own), merge_moments(*own, *EMPTY)):
        for name in Moments._fields:
            assert torch.equal(getattr(joined, name), getattr(own, name))
    nothing = merge_moments(*EMPTY, *EMPTY)
    assert torch.equal(nothing.mean, EMPTY.mean)
    assert torch.equal(nothing.var, EMPTY.var)


def test_members_count_by_themselves() -> None:
    """Member 1 sees no data."""
    batch = batch_moments(batches()[1])
    partial = batch._replace(size=torch.tensor([7.0, 0.0]).double())
    mean, var, count = merge_moments(*EMPTY, *partial)
    assert torch.equal(mean[0], batch.mean[0])
    assert torch.equal(mean[1], EMPTY.mean[1])
    assert torch.equal(var[1], EMPTY.var[1])
    assert count.tolist() == [7.0, 0.0]


def test_only_counted_rows_enter() -> None:
    """Member 0 counts rows 1 and 3, member 1 none."""
    x = batches()[1]
    counted = torch.zeros(2, 7, dtype=torch.bool)
    counted[0, [1, 3]] = True
    mean, var, size = batch_moments(x, counted)
    rows = x[0, [1, 3]]
    torch.testing.assert_close(mean[0], rows.mean(0))
    torch.testing.assert_close(var[0], rows.var(0, correction=0))
    assert size.tolist() == [2.0, 0.0]
    assert torch.isfinite(var).all()
    whole = batch_moments(x, torch.ones(2, 7, dtype=torch.bool))
    for own, expected in zip(whole, batch_moments(x), strict=True):
        torch.testing.assert_close(own, expected)


def test_compiled_equals_eager() -> None:
    compiled = torch.compile(merge_moments, fullgraph=True, dynamic=False)
    own, other = batch_moments(batches()[1]), batch_moments(batches()[3])
    for result, expected in zip(compiled(*own, *other), merge_moments(*own, *other), strict=True):
        torch.testing.assert_close(result, expected, atol=0.0, rtol=1e-15)


def test_standardised_data_have_mean_0_and_variance_1() -> None:
    x = batches()[3]
    mean, var, _ = batch_moments(x)
    scaled = standardise(x, mean, var)
    torch.testing.assert_close(scaled.mean(1), torch.zeros(2, 3).double(), atol=1e-12, rtol=0.0)
    torch.testing.assert_close(scaled.var(1, correction=0), torch.ones(2, 3).double(), atol=1e-7, rtol=0.0)


def test_standardise_clips_and_keeps_the_type() -> None:
    """(5 − 1)/√4 = 2; (101 − 1)/2 is clipped to 10; a variance of 0 is no division by 0."""
    x = torch.tensor([[[5.0], [101.0], [-101.0]]])
    result = standardise(x, torch.ones(1, 1).double(), torch.full((1, 1), 4.0).double(), epsilon=0.0)
    assert result.dtype == torch.float32
    assert result.tolist() == [[[2.0], [10.0], [-10.0]]]
    assert standardise(x, x[:, 0], torch.zeros(1, 1))[0, 0].item() == 0.0


def test_return_scale_by_hand() -> None:
    """√4 = 2, and √ε for returns that are all alike."""
    assert return_scale(torch.tensor([4.0]), epsilon=0.0).tolist() == [2.0]
    assert return_scale(torch.zeros(1)).item() == pytest.approx(1e-4)
