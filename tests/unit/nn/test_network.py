"""Networks: groups against stacks of torch.nn modules with the same weights, and how their parameters are packed."""

import math

import pytest
import torch
from flat import flatten
from stacks import TOLERANCE, generators, random_parameters, stack
from torch import nn

from maxent.nn.layers import BatchNorm, LayerNorm, Linear, ReLU, Residual, Tanh, relu_layers
from maxent.nn.network import ALIGNMENT, Network, mlp


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
@pytest.mark.parametrize("sizes", [(3, 2), (3, 7, 2), (3, 8, 5, 1)])
def test_groups_equal_separate_stacks(sizes: tuple[int, ...], layer_norm: bool) -> None:
    network = mlp((2, 3), sizes, layer_norm=layer_norm)
    parameters = random_parameters(network)
    views = network.views(parameters)
    x = torch.randn(6, 11, 3, dtype=torch.float64)
    expected = torch.stack([stack(network, views, group)(x[group]) for group in range(6)])
    torch.testing.assert_close(network(parameters, x), expected, **TOLERANCE)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
def test_gradients_equal_those_of_separate_stacks(layer_norm: bool) -> None:
    network = mlp((2,), (3, 8, 5, 1), layer_norm=layer_norm)
    leaf = random_parameters(network).requires_grad_()
    x = torch.randn(2, 11, 3, dtype=torch.float64)
    network(leaf, x).square().sum().backward()
    found = network.views(leaf.grad)
    for group in range(2):
        modules = stack(network, network.views(leaf.detach()), group)
        modules(x[group]).square().sum().backward()
        linears = [module for module in modules if isinstance(module, nn.Linear)]
        norms = [module for module in modules if isinstance(module, nn.LayerNorm)]
        expected = {f"layer_{i}.weight": linear.weight.grad.T for i, linear in enumerate(linears)}
        expected |= {f"layer_{i}.bias": linear.bias.grad[None] for i, linear in enumerate(linears)}
        expected |= {f"norm_{i}.scale": norm.weight.grad[None] for i, norm in enumerate(norms)}
        expected |= {f"norm_{i}.shift": norm.bias.grad[None] for i, norm in enumerate(norms)}
        assert expected.keys() == found.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name][group], gradient, **TOLERANCE)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
def test_views_are_windows_and_flatten_is_their_inverse(layer_norm: bool) -> None:
    network = mlp((2, 3), (3, 7, 2), layer_norm=layer_norm)
    flat = random_parameters(network)
    assert torch.equal(flatten(network, network.views(flat)), flat)
    # 3·7 + 7·2 weights and 7 + 2 biases; with LayerNorm 7 scales and 7 shifts more
    views = network.views(flat)
    assert sum(view[0].numel() for view in views.values()) == (21 + 14 + 9 + (14 if layer_norm else 0))
    for i, view in enumerate(views.values()):
        view.fill_(i + 1)
    # every view wrote its own part: each value is there as often as its view has elements, and the rest is padding
    for i, view in enumerate(views.values()):
        assert int((flat == i + 1).sum()) == view.numel()


def test_every_group_starts_on_a_cache_line_and_padding_stays_zero() -> None:
    network = mlp((2, 3), (3, 7, 2), layer_norm=True)  # 58 parameters, see above
    assert ALIGNMENT * torch.float32.itemsize == 64
    assert network.size == 64
    flat = network.init(generators(0, 1))
    assert flat.shape == (2, 3, 64)
    assert bool((flat[..., 58:] == 0).all())
    assert bool((flatten(network, network.views(torch.ones(2, 3, 64)))[..., 58:] == 0).all())
    starts = {(flat[p, e].data_ptr() - flat.data_ptr()) % 64 for p in range(2) for e in range(3)}
    assert starts == {0}


def test_initial_parameters_fill_the_interval_of_torch_nn_linear() -> None:
    """Uniform in ±b, b = 1/√fan_in: the extremes of n draws lie within 20b/n of ±b (but for e⁻¹⁰)."""
    network = mlp((1, 2), (16, 64, 25, 8), layer_norm=True)
    views = network.views(network.init(generators(0)))
    for i, fan_in in enumerate((16, 64, 25)):
        bound = 1.0 / math.sqrt(fan_in)
        for name in (f"layer_{i}.weight", f"layer_{i}.bias"):
            scaled = views[name].flatten() / bound
            n = len(scaled)
            assert scaled.abs().max().item() <= 1.0
            if n < 100:
                continue
            assert scaled.max().item() > 1.0 - 20.0 / n
            assert scaled.min().item() < -1.0 + 20.0 / n
            # the mean square of n uniform draws has standard deviation √((1/5 − 1/9)/n)
            assert abs(scaled.square().mean().item() - 1.0 / 3.0) < 4.0 * math.sqrt((1 / 5 - 1 / 9) / n)
    for i in range(2):
        assert bool((views[f"norm_{i}.scale"] == 1.0).all())
        assert bool((views[f"norm_{i}.shift"] == 0.0).all())


def test_member_k_starts_as_it_would_alone() -> None:
    together = mlp((3, 2), (4, 8, 1)).init(generators(5, 6, 7))
    for k, seed in enumerate((5, 6, 7)):
        assert torch.equal(together[k], mlp((1, 2), (4, 8, 1)).init(generators(seed))[0])
    # and no two networks start alike
    assert len({tuple(group.tolist()) for group in together.reshape(6, -1)}) == 6


# ---------------------------------------------------------------------------------------- names, order, buffers, errors


def test_weights_are_packed_first_then_biases_then_all_else() -> None:
    """Layers are numbered by kind, in order, also inside residual blocks."""
    network = Network((2,), 3, (
        Linear(4), LayerNorm(), ReLU(), Residual((Linear(4), BatchNorm(), Tanh())), Linear(1, bias=False),
    ))  # fmt: skip
    assert list(network.shapes.items()) == [
        ("layer_0.weight", (3, 4)), ("layer_1.weight", (4, 4)), ("layer_2.weight", (4, 1)),
        ("layer_0.bias", (1, 4)), ("layer_1.bias", (1, 4)),
        ("norm_0.scale", (1, 4)), ("norm_0.shift", (1, 4)), ("norm_1.scale", (1, 4)), ("norm_1.shift", (1, 4)),
    ]  # fmt: skip
    assert network.starts == {"norm_1.mean": ((1, 4), 0.0), "norm_1.var": ((1, 4), 1.0)}
    assert (network.size, network.buffer_size, network.outputs) == (64, 16, 1)  # 56 and 8, in whole cache lines
    flat = torch.arange(128.0).reshape(2, 64)
    packed = torch.cat([view.flatten(1) for view in network.views(flat).values()], 1)
    assert torch.equal(packed, flat[:, :56])


def test_a_plain_relu_network_is_known_by_its_sizes_and_no_other() -> None:
    """These are what own compiled layers compute."""
    assert mlp((1,), (3, 8, 5, 2)).sizes == (3, 8, 5, 2)
    assert mlp((1,), (3, 2)).sizes == (3, 2)
    for layers in (
        relu_layers((8,)),  # ends with ReLU
        (*relu_layers((8,), layer_norm=True), Linear(1)),
        (Linear(8), Tanh(), Linear(1)),
        (Linear(8, bias=False), ReLU(), Linear(1)),
        (Linear(3), ReLU(), Residual((Linear(3),)), ReLU(), Linear(1)),
        (Linear(8), Linear(1)),
        (),
    ):
        assert Network((1,), 3, layers).sizes is None


def test_fresh_buffers_have_their_initial_values_in_every_group() -> None:
    network = Network((2, 3), 4, (BatchNorm(), Linear(2)))
    buffers = network.init_buffers()
    assert buffers.shape == (2, 3, 16)
    views = network.buffer_views(buffers)
    assert views["norm_0.mean"].shape == (6, 1, 4)
    assert not views["norm_0.mean"].any()
    assert bool((views["norm_0.var"] == 1.0).all())
    assert not buffers[..., 8:].any()
    assert Network((2,), 4, (Linear(2),)).buffer_size == 0


def test_the_same_input_serves_all_groups_of_a_member_also_in_training() -> None:
    """x [P, B, in] for groups (P, E): as if it were repeated."""
    network = Network((2, 3), 4, (Linear(5), BatchNorm(), ReLU(), Linear(2)))
    flat, buffers = random_parameters(network), network.init_buffers().double()
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    out, moved = network.train(flat, x, buffers)
    repeated, also = network.train(flat, x.repeat_interleave(3, 0), buffers)
    assert torch.equal(out, repeated)
    assert moved is not None
    assert also is not None
    assert torch.equal(moved, also)
    assert torch.equal(network(flat, x, buffers), network(flat, x.repeat_interleave(3, 0), buffers))


def test_groups_with_buffers_together_equal_each_alone() -> None:
    network = Network((2, 3), 4, (Linear(5), BatchNorm(), ReLU(), Linear(2)))
    alone = Network((1,), 4, network.layers)
    flat, buffers = random_parameters(network), network.init_buffers().double()
    x = torch.randn(6, 7, 4, dtype=torch.float64)
    out, moved = network.train(flat, x, buffers)
    assert moved is not None
    for group in range(6):
        own, theirs = flat.reshape(6, -1)[group : group + 1], buffers.reshape(6, -1)[group : group + 1]
        expected, after = alone.train(own, x[group : group + 1], theirs)
        assert after is not None
        torch.testing.assert_close(out[group : group + 1], expected, atol=1e-14, rtol=1e-14)
        torch.testing.assert_close(moved.reshape(6, -1)[group : group + 1], after, atol=1e-14, rtol=1e-14)


def test_a_network_with_buffers_needs_them() -> None:
    network = Network((1,), 4, (BatchNorm(),))
    with pytest.raises(ValueError, match=r"this network has buffers .*pass them"):
        network(network.init([torch.Generator()]), torch.zeros(1, 2, 4))


def test_activations_are_the_outputs_of_the_outer_relu_layers() -> None:
    """Of a stack with the same weights; those inside a residual block are left out."""
    block = Residual((Linear(8), ReLU(), Linear(8)))
    network = Network((2, 3), 3, (Linear(8), ReLU(), block, Linear(5), LayerNorm(), ReLU(), Linear(2)))
    parameters = random_parameters(network)
    x = torch.randn(2, 11, 3, dtype=torch.float64)  # each input serves the three groups of a member
    first, second = network.activations(parameters, x)
    assert (first.shape, second.shape) == ((6, 11, 8), (6, 11, 5))
    repeated = x.repeat_interleave(3, 0)
    views = network.views(parameters)
    by_hand = (repeated @ views["layer_0.weight"] + views["layer_0.bias"]).relu()
    torch.testing.assert_close(first, by_hand, **TOLERANCE)
    last = views["layer_4.weight"], views["layer_4.bias"]
    torch.testing.assert_close(second @ last[0] + last[1], network(parameters, x), **TOLERANCE)
    assert (second >= 0.0).all()


def test_a_network_without_relu_has_no_activations() -> None:
    network = Network((2,), 3, (Linear(8), Tanh(), Linear(2)))
    assert network.activations(random_parameters(network), torch.zeros(2, 4, 3, dtype=torch.float64)) == []
