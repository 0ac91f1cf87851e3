import math

import numpy as np
import pytest
import torch

from maxent.errors import UserError
from maxent.nn.acting import fast_actor
from maxent.nn.heads import GaussianActor
from maxent.nn.layers import relu_layers
from maxent.nn.log_std import ClippedLogStd, TanhLogStd


def test_clipping_leaves_what_is_inside() -> None:
    out = torch.tensor([-30.0, -19.5, 1.5, 2.5])
    assert ClippedLogStd()(out).tolist() == [-20.0, -19.5, 1.5, 2.0]
    assert ClippedLogStd(-1.0, 1.0)(out).tolist() == [-1.0, -1.0, 1.0, 1.0]


def test_tanh_goes_from_bound_to_bound() -> None:
    """0 is the middle, −1.5; tanh(x) = ½ at x = ½ log 3 is three quarters of the way, −5 + ¾ · 7 = 0.25."""
    out = torch.tensor([-50.0, 0.0, 0.5 * math.log(3.0), 50.0], dtype=torch.float64)
    torch.testing.assert_close(TanhLogStd()(out), torch.tensor([-5.0, -1.5, 0.25, 2.0], dtype=torch.float64))


@pytest.mark.parametrize("bound", [ClippedLogStd(), TanhLogStd(), TanhLogStd(-3.0, 0.5)], ids=str)
def test_acting_in_numpy_has_the_same_bound(bound: ClippedLogStd | TanhLogStd) -> None:
    actor = GaussianActor(1, 3, 2, relu_layers((8,)), bound)
    draw = torch.Generator().manual_seed(0)
    parameters = 3.0 * torch.randn(1, actor.network.size, generator=draw)
    obs, noise = torch.randn(1, 5, 3, generator=draw), torch.randn(1, 5, 2, generator=draw)
    fast = fast_actor(actor, parameters)
    assert fast is not None
    np.testing.assert_allclose(
        fast.act(obs.numpy(), noise.numpy()), actor(parameters, obs).draw(noise).numpy(), atol=1e-5
    )


@pytest.mark.parametrize("kind", [ClippedLogStd, TanhLogStd])
@pytest.mark.parametrize(("low", "high"), [(2.0, 2.0), (3.0, -3.0), (float("nan"), 2.0), (-float("inf"), 2.0)])
def test_bounds_in_the_wrong_order_are_refused(
    kind: type[ClippedLogStd] | type[TanhLogStd], low: float, high: float
) -> None:
    with pytest.raises(UserError, match="log_std: expected low < high, both finite, got low="):
        kind(low, high)
