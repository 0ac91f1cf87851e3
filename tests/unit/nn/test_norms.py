"""Batch renormalisation against the formula of its paper, and the statistics of dropout's masks."""

import pytest
import torch
from torch import Tensor

from maxent.nn.layers import BatchRenorm, Dropout

SHIFT = torch.tensor([[[0.5, -1.0, 0.0]]], dtype=torch.float64)
SCALE = torch.tensor([[[2.0, 1.0, -1.0]]], dtype=torch.float64)


def views(passes: float) -> dict[str, Tensor]:
    mean, var = torch.tensor([[[0.0, 1.0, 30.0]]]).double(), torch.tensor([[[1.0, 4.0, 1.0]]]).double()
    count = torch.full((1, 1, 1), passes, dtype=torch.float64)
    return {"scale": SCALE, "shift": SHIFT, "mean": mean, "var": var, "passes": count}


def rows() -> Tensor:
    x = torch.randn(1, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x * torch.tensor([1.2, 30.0, 0.01]) + torch.tensor([0.3, 2.0, 0.0])


def by_the_paper(layer: BatchRenorm, x: Tensor, own: dict[str, Tensor]) -> Tensor:
    """1702.03275 algorithm 1. Of the three features the first is inside both bounds, r of the others is clipped."""
    mean, std = x.mean(1, keepdim=True), (x.var(1, keepdim=True, correction=0) + layer.epsilon).sqrt()
    old = (own["var"] + layer.epsilon).sqrt()
    r = (std / old).detach().clamp(1 / layer.r_max, layer.r_max)
    d = ((mean - own["mean"]) / old).detach().clamp(-layer.d_max, layer.d_max)
    return own["scale"] * ((x - mean) / std * r + d) + own["shift"]


@pytest.mark.parametrize("passes", [5.0, 9.0])
def test_renormalisation_is_the_formula_of_the_paper(passes: float) -> None:
    layer, own = BatchRenorm(momentum=0.1, epsilon=1e-3, warmup=5), views(passes)
    x, y = rows().requires_grad_(), rows().requires_grad_()
    moved: dict[str, Tensor] = {}
    out, expected = layer.forward(own, x, moved), by_the_paper(layer, y, own)
    torch.testing.assert_close(out, expected, atol=1e-9, rtol=1e-9)
    weight = torch.arange(21.0, dtype=torch.float64).reshape(1, 7, 3).sin()
    (out * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-8, rtol=1e-8)  # r and d are constants
    torch.testing.assert_close(moved["mean"], 0.9 * own["mean"] + 0.1 * rows().mean(1, keepdim=True))
    torch.testing.assert_close(moved["var"], 0.9 * own["var"] + 0.1 * rows().var(1, keepdim=True))


def test_within_the_bounds_training_is_evaluation() -> None:
    layer, own, x = BatchRenorm(warmup=0), views(0.0), rows()
    torch.testing.assert_close(layer.forward(own, x, {})[..., 0], layer.forward(own, x, None)[..., 0])
    assert not torch.allclose(layer.forward(own, x, {})[..., 1:], layer.forward(own, x, None)[..., 1:])


def test_before_the_warm_up_ends_it_is_batch_normalisation() -> None:
    layer, x = BatchRenorm(epsilon=1e-3, warmup=5), rows()
    moved: dict[str, Tensor] = {}
    out = layer.forward(views(4.0), x, moved)
    peer = torch.nn.functional.batch_norm(x[0], None, None, SCALE[0, 0], SHIFT[0, 0], training=True, eps=1e-3)
    torch.testing.assert_close(out[0], peer)
    assert moved["passes"].item() == 5.0


def keys(count: int) -> Tensor:
    return torch.randn(count, 1, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_dropout_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    """Of N = 400,000 numbers the share has a standard error √(rate (1 − rate) / N); five of them are allowed."""
    out = Dropout(rate).forward({"draws": keys(20)}, torch.ones(20, 200, 100), None)
    assert out.unique().tolist() == pytest.approx([0.0, 1.0 / (1.0 - rate)])
    error = (rate * (1.0 - rate) / out.numel()) ** 0.5
    assert abs((out == 0.0).double().mean().item() - rate) < 5.0 * error


def test_masks_of_different_keys_are_independent() -> None:
    """Both drop with probability rate²; neighbours in a row and in a column likewise."""
    rate = 0.2
    mask = Dropout(rate).forward({"draws": keys(2)}, torch.ones(2, 400, 500), None) == 0.0
    error = (rate**2 * (1.0 - rate**2) / mask[0].numel()) ** 0.5
    for one, two in ((mask[0], mask[1]), (mask[0, 1:], mask[0, :-1]), (mask[0, :, 1:], mask[0, :, :-1])):
        assert abs((one & two).double().mean().item() - rate**2) < 6.0 * error


def test_a_member_alone_has_the_mask_it_has_among_others() -> None:
    x, drawn = torch.randn(3, 8, 6, generator=torch.Generator().manual_seed(2)), keys(3)
    every = Dropout(0.3).forward({"draws": drawn}, x, None)
    for p in range(3):
        assert torch.equal(Dropout(0.3).forward({"draws": drawn[p : p + 1]}, x[p : p + 1], None), every[p : p + 1])


def test_dropout_does_nothing_in_evaluation() -> None:
    x = rows()
    assert torch.equal(Dropout(0.5).forward({}, x, None), x)
