"""Layers against torch.nn in float64: initial values, outputs, gradients, running statistics and projections."""

import math
from typing import Any

import pytest
import torch
from stacks import TOLERANCE, generators, random_parameters
from torch import Tensor, nn

from maxent.errors import UserError
from maxent.nn.layers import ELU, BatchNorm, Layer, LayerNorm, Linear, ReLU, Residual, RMSNorm, SiLU, Tanh, relu_layers
from maxent.nn.network import Network
from maxent.nn.optimiser import Adam, State

G, B, F = 2, 7, 5


def inputs(seed: int = 0, scale: float = 2.0) -> Tensor:
    """Random inputs [G, B, F] whose mean is not zero."""
    return 0.5 + scale * torch.randn(G, B, F, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def single(layer: Layer) -> Network:
    return Network((G,), F, (layer,))


# ------------------------------------------------------------------------------------------------------- initial values


def test_uniform_weights_and_biases_fill_one_over_the_root_of_fan_in() -> None:
    network = Network((1,), 400, (Linear(30),))
    for view in network.views(network.init(generators(0))).values():
        assert view.abs().max().item() <= 1.0 / 20.0
        assert view.abs().max().item() > 0.8 / 20.0
        assert abs(view.mean().item()) < 4.0 * (1.0 / 20.0) / math.sqrt(3.0 * view.numel())


@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (3, 8), (8, 3)])
def test_orthogonal_weights_are_those_of_torch_and_biases_are_zero(rows: int, columns: int) -> None:
    network = Network((2,), rows, (Linear(columns, start="orthogonal"),))
    views = network.views(network.init(generators(3, 4)))
    for group, seed in enumerate((3, 4)):
        weight = views["layer_0.weight"][group]
        (generator,) = generators(seed)
        assert torch.equal(weight, nn.init.orthogonal_(torch.empty(rows, columns), generator=generator))
        small = weight @ weight.T if rows <= columns else weight.T @ weight
        torch.testing.assert_close(small, torch.eye(len(small)), atol=1e-6, rtol=0.0)
    assert bool((views["layer_0.bias"] == 0.0).all())


def test_zero_starts_give_zero_outputs() -> None:
    network = single(Linear(3, start="zero"))
    flat = network.init(generators(0, 1))
    assert not flat.any()
    assert not network(flat, inputs().float()).any()


def test_a_linear_layer_without_bias_has_a_weight_alone() -> None:
    network = single(Linear(3, bias=False))
    assert network.shapes == {"layer_0.weight": (F, 3)}
    assert network.sizes is None  # own compiled layers have biases
    flat, x = random_parameters(network), inputs()
    expected = torch.einsum("gbi,gio->gbo", x, network.views(flat)["layer_0.weight"])
    torch.testing.assert_close(network(flat, x), expected, **TOLERANCE)


@pytest.mark.parametrize("layer", [LayerNorm(), RMSNorm(), BatchNorm()])
def test_normalisations_start_with_scale_one_and_shift_zero(layer: Layer) -> None:
    views = single(layer).views(single(layer).init(generators(0, 1)))
    assert bool((views.pop("norm_0.scale") == 1.0).all())
    assert not any(view.any() for view in views.values())


# ------------------------------------------------------------------------------------------------ outputs and gradients


def peer_of(layer: Layer, network: Network, flat: Tensor, group: int) -> nn.Module:
    """Return torch's module for a layer, with the parameters of one group."""
    views = {name.partition(".")[2]: view[group, 0] for name, view in network.views(flat).items()}
    module: Any
    if isinstance(layer, Linear):
        module = nn.Linear(F, layer.units, dtype=torch.float64)
        module.weight.data = network.views(flat)["layer_0.weight"][group].T.clone()
        module.bias.data = views["bias"].clone()
        return module
    if isinstance(layer, LayerNorm):
        module = nn.LayerNorm(F, eps=layer.epsilon, dtype=torch.float64)
    elif isinstance(layer, RMSNorm):
        module = nn.RMSNorm(F, eps=layer.epsilon, dtype=torch.float64)
    elif isinstance(layer, BatchNorm):
        module = nn.BatchNorm1d(F, eps=layer.epsilon, momentum=layer.momentum, dtype=torch.float64)
    else:
        return {ReLU: nn.ReLU, ELU: nn.ELU, SiLU: nn.SiLU, Tanh: nn.Tanh}[type(layer)]()
    module.weight.data = views["scale"].clone()
    if "shift" in views:
        module.bias.data = views["shift"].clone()
    return module


def gradient_of(module: nn.Module, name: str) -> Tensor:
    """Return torch's gradient of the parameter that a layer calls by this name, in the layer's shape."""
    weight, bias = module.weight.grad, getattr(module, "bias", None)
    if name == "weight":
        return weight.T
    if name == "scale":
        return weight[None]
    assert bias is not None
    return bias.grad[None]


ALL = [
    Linear(3), LayerNorm(), LayerNorm(epsilon=0.1), RMSNorm(), RMSNorm(epsilon=0.1), BatchNorm(),
    BatchNorm(momentum=0.3, epsilon=0.1), ReLU(), ELU(), SiLU(), Tanh(),
]  # fmt: skip


@pytest.mark.parametrize("layer", ALL, ids=repr)
def test_outputs_and_gradients_in_training_are_those_of_torch(layer: Layer) -> None:
    network = single(layer)
    flat = random_parameters(network).requires_grad_()
    x = inputs().requires_grad_()
    buffers = network.init_buffers().double() if network.buffer_size else None
    out, _ = network.train(flat, x, buffers)
    weights = torch.randn(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (out * weights).sum().backward()
    for group in range(G):
        module, own = peer_of(layer, network, flat.detach(), group), x.detach()[group].clone().requires_grad_()
        expected = module(own)
        (expected * weights[group]).sum().backward()
        torch.testing.assert_close(out[group], expected, **TOLERANCE)
        torch.testing.assert_close(x.grad[group], own.grad, **TOLERANCE)
        for name, gradient in network.views(flat.grad).items() if network.shapes else ():
            expected_gradient = gradient_of(module, name.partition(".")[2])
            torch.testing.assert_close(gradient[group], expected_gradient, **TOLERANCE)


def test_layers_without_buffers_are_the_same_in_training_and_evaluation() -> None:
    for layer in ALL:
        network = single(layer)
        if network.buffer_size:
            continue
        flat, x = random_parameters(network), inputs()
        out, moved = network.train(flat, x)
        assert moved is None
        assert torch.equal(out, network(flat, x))


# ----------------------------------------------------------------------------------------------------------- BatchNorm


def test_running_statistics_and_evaluation_are_those_of_torch() -> None:
    """Five batches in training, then one in evaluation: means, unbiased variances, and outputs."""
    layer = BatchNorm(momentum=0.2)
    network = single(layer)
    flat, buffers = random_parameters(network), network.init_buffers().double()
    peers = [peer_of(layer, network, flat, group).train() for group in range(G)]
    for batch in range(5):
        x = inputs(batch)
        out, moved = network.train(flat, x, buffers)
        assert moved is not None
        for group, peer in enumerate(peers):
            torch.testing.assert_close(out[group], peer(x[group]), **TOLERANCE)
        assert not moved.requires_grad
        buffers = moved
    views = network.buffer_views(buffers)
    for group, peer in enumerate(peers):
        torch.testing.assert_close(views["norm_0.mean"][group, 0], peer.running_mean, **TOLERANCE)
        torch.testing.assert_close(views["norm_0.var"][group, 0], peer.running_var, **TOLERANCE)
        x = inputs(9)
        torch.testing.assert_close(network(flat, x, buffers)[group], peer.eval()(x[group]), **TOLERANCE)


def test_the_running_variance_is_unbiased() -> None:
    """Of 0 and 2 the variance is 2 with n − 1 in the denominator; from 1 by a tenth of the way: 1.1; the mean 0.1."""
    network = Network((1,), 1, (BatchNorm(momentum=0.1),))
    flat, buffers = network.init(generators(0)), network.init_buffers()
    _, moved = network.train(flat, torch.tensor([[[0.0], [2.0]]]), buffers)
    assert moved is not None
    views = network.buffer_views(moved)
    assert views["norm_0.mean"].item() == pytest.approx(0.1)
    assert views["norm_0.var"].item() == pytest.approx(1.1)
    assert network.buffer_views(buffers)["norm_0.mean"].item() == 0.0  # the old ones are left alone


def test_a_batch_of_one_row_keeps_statistics_finite() -> None:
    network = single(BatchNorm())
    _, moved = network.train(network.init(generators(0, 1)), inputs().float()[:, :1], network.init_buffers())
    assert moved is not None
    assert bool(torch.isfinite(moved).all())


def test_a_residual_block_adds_its_input() -> None:
    """x + W₂ relu(norm(x) W₁ + b₁) + b₂ against torch.nn, with the gradients of all four."""
    block = Residual((LayerNorm(), Linear(8), ReLU(), Linear(F)))
    network = Network((G,), F, (block, Tanh()))
    assert set(network.shapes) == {
        "layer_0.weight", "layer_1.weight", "layer_0.bias", "layer_1.bias", "norm_0.scale", "norm_0.shift",
    }  # fmt: skip
    flat, x = random_parameters(network).requires_grad_(), inputs()
    network(flat, x).square().sum().backward()
    for group in range(G):
        views = {name: view[group].clone().requires_grad_() for name, view in network.views(flat.detach()).items()}
        inner = nn.functional.layer_norm(x[group], (F,)) * views["norm_0.scale"] + views["norm_0.shift"]
        inner = torch.relu(inner @ views["layer_0.weight"] + views["layer_0.bias"])
        out = torch.tanh(x[group] + inner @ views["layer_1.weight"] + views["layer_1.bias"])
        torch.testing.assert_close(network(flat, x)[group], out, **TOLERANCE)
        out.square().sum().backward()
        for name, gradient in network.views(flat.grad).items():
            torch.testing.assert_close(gradient[group], views[name].grad, **TOLERANCE)


def test_a_residual_block_has_to_keep_its_size() -> None:
    with pytest.raises(UserError, match=r"^Residual: .* keep the size of their input, 5; they end with 6"):
        Network((1,), F, (Residual((Linear(6),)),))


def test_buffers_inside_a_residual_block_move() -> None:
    network = Network((G,), F, (Residual((Linear(F), BatchNorm(momentum=0.5))), BatchNorm(momentum=0.5)))
    assert list(network.starts) == ["norm_0.mean", "norm_0.var", "norm_1.mean", "norm_1.var"]
    flat, buffers = random_parameters(network), network.init_buffers().double()
    _, moved = network.train(flat, inputs(), buffers)
    assert moved is not None
    old, new = network.buffer_views(buffers), network.buffer_views(moved)
    assert all(bool((new[name] != old[name]).all()) for name in old)


def test_relu_layers_are_linear_norm_and_relu_by_turns() -> None:
    assert relu_layers((3, 4)) == (Linear(3), ReLU(), Linear(4), ReLU())
    assert relu_layers((3,), layer_norm=True) == (Linear(3), LayerNorm(), ReLU())
    assert relu_layers(()) == ()


# ---------------------------------------------------------------------------------------------------------- projections


def norms(network: Network, flat: Tensor, name: str) -> Tensor:
    """Return the norms that a projection keeps: [G, outputs] of weights, [G, 1] of scale and shift together."""
    views = network.views(flat)
    if name == "layer_0.weight":
        return torch.linalg.vector_norm(views[name], dim=-2)
    both = torch.cat([view for key, view in views.items() if key.startswith("norm_0")], -1)
    return torch.linalg.vector_norm(both, dim=-1)


PROJECTED = [
    (Linear(3, unit_norm=True), "layer_0.weight", 1.0),
    (Linear(3, unit_norm=True, start="orthogonal"), "layer_0.weight", 1.0),
    (RMSNorm(unit_norm=True), "norm_0.scale", math.sqrt(F)),
    (BatchNorm(unit_norm=True), "norm_0.scale", math.sqrt(F)),
]


@pytest.mark.parametrize(("layer", "name", "norm"), PROJECTED)
def test_projections_hold_at_the_start_and_after_every_step_of_the_optimiser(
    layer: Layer, name: str, norm: float
) -> None:
    network = single(layer)
    assert network.projects
    start = network.init(generators(0, 1))
    found = norms(network, start, name)
    torch.testing.assert_close(found, torch.full_like(found, norm))
    flat = start.double()
    network.project(flat)  # once more, to the rounding of float64
    state: State = {}
    adam = Adam(0.1, weight_decay=0.1, project=network.project)
    adam.init(state, "net", flat.clone())
    for seed in range(4):
        found = norms(network, state["net"], name)
        torch.testing.assert_close(found, torch.full_like(found, norm), **TOLERANCE)
        before = state["net"].clone()
        gradient = torch.randn(flat.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        adam.step(state, "net", gradient)
        assert not torch.allclose(state["net"], before, atol=1e-3)
    found = norms(network, state["net"], name)
    torch.testing.assert_close(found, torch.full_like(found, norm), **TOLERANCE)


@pytest.mark.parametrize(("layer", "name", "norm"), PROJECTED)
def test_projections_keep_directions_and_what_is_not_projected(layer: Layer, name: str, norm: float) -> None:
    network = single(layer)
    flat = random_parameters(network)
    before = flat.clone()
    network.project(flat)
    factor = (norm / norms(network, before, name)).unsqueeze(-2)  # [G, 1, outputs] or [G, 1, 1]
    old, new = network.views(before), network.views(flat)
    for key, view in new.items():
        expected = old[key] if key == "layer_0.bias" else old[key] * factor
        torch.testing.assert_close(view, expected, **TOLERANCE)


def test_layers_project_only_where_they_say_so() -> None:
    for layer in ALL:
        network = single(layer)
        assert not network.projects
        flat = random_parameters(network)
        before = flat.clone()
        network.project(flat)
        assert torch.equal(flat, before)
