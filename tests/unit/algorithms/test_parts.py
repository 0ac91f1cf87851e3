"""The temperature as a part of its own."""

import pytest
import torch

from maxent.algorithms.parts import Temperature
from maxent.nn.optimiser import State


@pytest.mark.parametrize(("highest", "expected"), [(0.5, 0.5), (None, 4.0)])
def test_a_bound_keeps_a_learned_alpha_below_it(highest: float | None, expected: float) -> None:
    """The first step of Adam is its step size, here log 10 upwards, from α = 0.4."""
    temperature = Temperature(2, 0.4, step_size=torch.tensor(10.0).log().item(), highest=highest)
    state: State = {}
    temperature.init(state, [torch.Generator()] * 2)
    with torch.no_grad():
        temperature.fit(state, torch.ones(2, 3), target_entropy=0.0)  # entropy −1 is below its target 0
    assert temperature(state).tolist() == [[pytest.approx(expected, rel=1e-5)]] * 2
