"""Objectives of quantile critics: numbers worked out by hand, and shapes that are refused."""

import pytest
import torch

from maxent import objectives


def test_the_largest_quantiles_of_all_critics_together_are_dropped() -> None:
    """Of 5, 1, 9 and 2, 8, 7 the drop of one for each critic takes 9 and 8, both maxima wherever they come from."""
    quantiles = torch.tensor([[[[5.0, 1.0, 9.0]], [[2.0, 3.0, 4.0]]]])  # [1, 2, 1, 3]
    assert objectives.truncated_quantiles(quantiles, 1).tolist() == [[[1.0, 2.0, 3.0, 4.0]]]  # 9 and 5 are one critic's
    assert objectives.truncated_quantiles(quantiles, 0).tolist() == [[[1.0, 2.0, 3.0, 4.0, 5.0, 9.0]]]
    for drop in (-1, 3):
        with pytest.raises(ValueError, match="drop from 0 to below 3"):
            objectives.truncated_quantiles(quantiles, drop)


def test_the_target_has_the_entropy_of_every_quantile() -> None:
    """1 + 0.5 (z − 0.2 · (−3)) = 1 + 0.5 (z + 0.6): 1.3 and 2.3 for z = 0 and 2; r alone where terminated."""
    y = objectives.quantile_td_target(
        torch.tensor([[1.0, 1.0]]), torch.tensor([[0.5, 0.0]]), torch.tensor([[[0.0, 2.0], [0.0, 2.0]]]),
        torch.tensor([[0.2]]), torch.tensor([[-3.0, -3.0]]),
    )  # fmt: skip
    torch.testing.assert_close(y, torch.tensor([[[1.3, 2.3], [1.0, 1.0]]]))


def test_quantile_huber_loss_by_hand() -> None:
    """Quantiles 0 and 1 with τ = ¼, ¾; targets ½ and 3.

    z = 0: u = ½, 3: H = ⅛, 2½, both times ¼: 1/32 + 5/8 = 21/32.
    z = 1: u = −½, 2: H = ⅛, 1½; |¾ − 1| ⅛ = 1/32, ¾ · 1½ = 9/8: 37/32.
    The mean over four pairs is (21 + 37)/128 = 29/64; two equal critics have 29/32, half that with weight ½.
    """
    quantiles = torch.tensor([[[[0.0, 1.0]], [[0.0, 1.0]]]])
    y = torch.tensor([[[0.5, 3.0]]])
    torch.testing.assert_close(objectives.quantile_huber_loss(quantiles, y), torch.tensor([29 / 32]))
    half = objectives.quantile_huber_loss(quantiles, y, torch.tensor([[0.5]]))
    torch.testing.assert_close(half, torch.tensor([29 / 64]))


def test_no_gradient_reaches_the_target() -> None:
    quantiles, y = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.ones(1, 2, 3, requires_grad=True)
    objectives.quantile_huber_loss(quantiles, y).sum().backward()
    assert y.grad is None and quantiles.grad is not None and bool((quantiles.grad < 0.0).all())


def test_shapes_that_would_broadcast_are_refused() -> None:
    quantiles, y = torch.zeros(1, 2, 4, 3), torch.zeros(1, 4, 5)
    with pytest.raises(ValueError, match="y"):
        objectives.quantile_huber_loss(quantiles, y[:, :1])
    with pytest.raises(ValueError, match="weight"):
        objectives.quantile_huber_loss(quantiles, y, torch.zeros(1, 1))
    row = torch.zeros(1, 4)
    with pytest.raises(ValueError, match="discount"):
        objectives.quantile_td_target(row, row[:, :1], y, torch.zeros(1, 1), row)
    with pytest.raises(ValueError, match="next_log_prob"):
        objectives.quantile_td_target(row, row, y, torch.zeros(1, 1), row[:, :1])


@pytest.mark.parametrize(
    ("factor", "value", "slope"), [("log_alpha", -0.5, 0.5), ("alpha", 0.5 / torch.e, 0.5 / torch.e)]
)
def test_both_factors_of_the_loss_of_alpha(factor: objectives.Factor, value: float, slope: float) -> None:
    """log α = −1 and E[log π + H̄] = (1 − 2)/2 = −½: J = −m (−½) = m/2, m = −1 or 1/e, and its slope in log α."""
    log_alpha = torch.tensor([[-1.0]], requires_grad=True)
    loss = objectives.alpha_loss(log_alpha, torch.tensor([[0.0, -3.0]]), 1.0, factor=factor)
    loss.sum().backward()
    torch.testing.assert_close(loss, torch.tensor([value]))
    torch.testing.assert_close(log_alpha.grad, torch.tensor([[slope]]))
