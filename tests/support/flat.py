"""The inverse of `Network.views`."""

from collections.abc import Mapping

import torch
from torch import Tensor

from maxent.nn.network import Network


def flatten(network: Network, views: Mapping[str, Tensor]) -> Tensor:
    """One flat vector [*groups, size] with these parameters, or gradients, where `views` would find them."""
    dtype = next((view.dtype for view in views.values()), torch.float64)
    flat = torch.zeros(*network.groups, network.size, dtype=dtype)
    windows = network.views(flat)
    assert windows.keys() == views.keys()
    for name, window in windows.items():
        window.copy_(views[name].reshape(window.shape))
    return flat
