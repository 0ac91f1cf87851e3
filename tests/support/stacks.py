"""Networks with random parameters, and one of their groups as torch.nn modules."""

import torch
from flat import flatten
from torch import Tensor, nn

from maxent.nn.layers import Views
from maxent.nn.network import Network

TOLERANCE = {"atol": 1e-12, "rtol": 1e-12}  # float64: the two sides add in different orders


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def random_parameters(network: Network, seed: int = 0) -> Tensor:
    """Parameters in float64 of which none has its initial value: LayerNorm scales and shifts differ from 1 and 0."""
    views = network.views(torch.zeros(*network.groups, network.size, dtype=torch.float64))
    (generator,) = generators(seed)
    return flatten(network, {
        name: torch.randn(view.shape, dtype=torch.float64, generator=generator) * 0.5 for name, view in views.items()
    })  # fmt: skip


def stack(network: Network, views: Views, group: int) -> nn.Sequential:
    """One group as torch.nn modules. Their weights are [out, in], ours [in, out]."""
    modules: list[nn.Module] = []
    weights = [shape for name, shape in network.shapes.items() if name.endswith(".weight")]
    layer_norm, last = "norm_0.scale" in network.shapes, len(weights) - 1
    for i, (rows, columns) in enumerate(weights):
        linear = nn.Linear(rows, columns, dtype=torch.float64)
        linear.weight.data = views[f"layer_{i}.weight"][group].T
        linear.bias.data = views[f"layer_{i}.bias"][group, 0]
        modules.append(linear)
        if i < last and layer_norm:
            norm = nn.LayerNorm(columns, dtype=torch.float64)
            norm.weight.data = views[f"norm_{i}.scale"][group, 0]
            norm.bias.data = views[f"norm_{i}.shift"][group, 0]
            modules.append(norm)
        if i < last:
            modules.append(nn.ReLU())
    return nn.Sequential(*modules)
