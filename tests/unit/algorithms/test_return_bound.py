"""What rewards are divided by where discounted returns have a bound (FlashSAC, 2604.04539)."""

import math

import pytest
import torch
from cases import Case, generators


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        # mean 0, var(G) = (1 + 1)/2 = 1, largest |G| 1, and 1/5 < 1
        ((-1.0, 1.0), 1.0),
        # ten returns: var = 100 · 0.1 − 1 = 9, largest 10, and 10/5 = 2 < 3
        ((0.0,) * 9 + (10.0,), 3.0),
        # fifty returns: var = 2500/50 − 1 = 49, largest |G| 50, and 50/5 = 10 > 7
        ((0.0,) * 49 + (-50.0,), 10.0),
    ],
)
def test_the_divisor_by_hand(returns: tuple[float, ...], expected: float) -> None:
    perception = Case("flash-sac", "continuous", {"hidden": (6, 6), "critic_hidden": None}).make(2).perception
    state = perception_state(perception)
    other = torch.tensor([3.0, -3.0] * (len(returns) // 2))  # of the second member: var 9
    perception.watch_returns(state, torch.stack([torch.tensor(returns), other]).double())
    divisor = perception.reward_divisor(state, torch.float64)
    torch.testing.assert_close(divisor[:, 0], torch.tensor([expected, 3.0]).double(), atol=1e-3, rtol=1e-3)
    assert math.isclose(state["reward_norm.largest"][0].item(), max(abs(each) for each in returns))


def perception_state(perception) -> dict[str, torch.Tensor]:  # type: ignore[no-untyped-def]
    state: dict[str, torch.Tensor] = {}
    perception.init(state, generators([0, 1]))
    return state
