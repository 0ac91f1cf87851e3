"""Encoders against plain torch programs in float64; random shifts against padding and cropping by hand."""

import math

import numpy as np
import pytest
import torch
from image_programs import SMALL, SPACES, encode, layout
from torch import Tensor

from maxent.errors import UserError
from maxent.nn.encoders import Convolution, Observe, random_shift
from maxent.nn.layers import Linear
from maxent.nn.network import Network
from maxent.records import build, read, to_plain
from maxent.spaces import Entry, ObservationLayout

every_layout = pytest.mark.parametrize("name", SPACES)
REST = 2  # numbers after the observation, as an action is


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def network(name: str, groups: tuple[int, ...] = (3,), encoder: Convolution = SMALL) -> Network:
    observation = layout(name)
    return Network(groups, observation.features + REST, (Observe(observation, encoder),))


def random_parameters(net: Network) -> Tensor:
    """Parameters in float64 of which none has its initial value."""
    flat = torch.zeros(*net.groups, net.size, dtype=torch.float64)
    (generator,) = generators(1)
    for view in net.views(flat).values():
        view.copy_(0.4 * torch.randn(view.shape, generator=generator, dtype=torch.float64))
    return flat


def observations(net: Network, batch: int = 5) -> Tensor:
    return torch.rand(net.count, batch, net.inputs, generator=generators(2)[0], dtype=torch.float64)


@every_layout
def test_outputs_and_gradients_are_those_of_a_torch_program(name: str) -> None:
    net = network(name)
    ours, theirs = (random_parameters(net).requires_grad_() for _ in range(2))
    x = observations(net)
    y = net(ours, x)
    views = net.views(theirs)
    expected = torch.stack([encode(views, g, x[g], layout(name), SMALL.strides) for g in range(3)])
    assert y.shape == (3, 5, net.outputs)
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=1e-12)
    weights = torch.randn(y.shape, dtype=torch.float64)
    gradient, wanted = (
        torch.autograd.grad((out * weights).sum(), at)[0] for out, at in ((y, ours), (expected, theirs))
    )
    assert bool((wanted.abs().amax(-1) > 0.01).all())
    torch.testing.assert_close(gradient, wanted, atol=1e-11, rtol=1e-11)


@every_layout
def test_entries_that_are_no_images_stay_as_they_are(name: str) -> None:
    net = network(name)
    x = observations(net)
    y = net(random_parameters(net), x)
    plain = [entry for entry in layout(name).entries() if not entry.is_image]
    kept = sum(entry.columns.stop - entry.columns.start for entry in plain) + REST
    assert net.outputs == kept + SMALL.features * (len(layout(name).entries()) - len(plain))
    assert torch.equal(y[..., -kept:], torch.cat([*(x[..., entry.columns] for entry in plain), x[..., -REST:]], -1))


def test_a_group_computes_what_it_computes_alone() -> None:
    """Bitwise in float32, on the shapes of an update: each group's convolutions are calls of their own."""
    observation = ObservationLayout((layout("channels last").leaves[0],))
    encoder = Convolution(channels=(16, 32), kernels=(3, 3), strides=(2, 1))
    many, one = (Network((groups,), observation.features, (Observe(observation, encoder),)) for groups in (3, 1))
    flat = many.init(generators(0, 1, 2))
    x = torch.rand(3, 64, observation.features)
    slopes = torch.randn(3, 64, many.outputs)

    def run(net: Network, flat: Tensor, x: Tensor, slopes: Tensor) -> dict[str, Tensor]:
        leaf = flat.clone().requires_grad_()
        y = net(leaf, x)
        return {"y": y.detach()} | net.views(torch.autograd.grad((y * slopes).sum(), leaf)[0])

    together = run(many, flat, x, slopes)
    for g in range(3):
        alone = run(one, flat[g : g + 1], x[g : g + 1], slopes[g : g + 1])
        assert torch.equal(many.init(generators(0, 1, 2))[g], one.init(generators(g))[0])
        for key, tensor in alone.items():
            # the head is a batched product, which may round differently; all else is bitwise equal
            torch.testing.assert_close(together[key][g : g + 1], tensor, atol=1e-6, rtol=1e-5)


def test_weights_start_within_their_fan_in() -> None:
    """Also where the name of an entry reads like a part of the encoder."""
    net = network("dict")
    views = net.views(net.init(generators(0, 1, 2)))
    for key, fan_in in (
        ("a.conv_0.conv_0", 2 * 3 * 3),
        ("a.conv_0.conv_1", 4 * 2 * 2),
        ("a.conv_0.head", 5 * 4 * 3),  # 12 × 9 → 5 × 4 → 4 × 3
        ("conv_head.conv_0", 1 * 3 * 3),
        ("conv_head.head", 5 * 2 * 2),  # 8 × 8 → 3 × 3 → 2 × 2
    ):
        for kind in ("weight", "bias"):
            largest = views[f"encoder_0.{key}.{kind}"].abs().max().item()
            assert 0.6 / math.sqrt(fan_in) < largest <= 1.0 / math.sqrt(fan_in)
    assert bool((views["encoder_0.conv_head.head.scale"] == 1.0).all())
    assert bool((views["encoder_0.conv_head.head.shift"] == 0.0).all())


def test_layers_follow_an_encoder() -> None:
    net = Network((2,), layout("dict").features, (Observe(layout("dict"), SMALL), Linear(3)))
    assert net.placed[1].size == 2 * SMALL.features + 3 + 4
    assert net(net.init(generators(0, 1)), torch.rand(2, 5, net.inputs)).shape == (2, 5, 3)


# ------------------------------------------------------------------------------------------------------------- settings


def image(*shape: int) -> Entry:
    return Entry("", "byte", shape, slice(0, math.prod(shape)))


def test_the_default_convolutions() -> None:
    """Those of DQN from 36 pixels on, which they leave one of; smaller ones below."""
    assert Convolution().plan(image(84, 84, 4)) == [(4, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)]
    assert Convolution().plan(image(36, 40)) == [(1, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)]
    assert Convolution().plan(image(35, 84, 3)) == [(3, 32, 3, 2), (32, 64, 3, 2)]
    assert Convolution().plan(image(3, 16, 16)) == [(3, 32, 3, 2), (32, 64, 3, 2)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": (32, 64)}, "as many channels as kernels and strides"),
        ({"channels": (), "kernels": (), "strides": ()}, "at least one"),
        ({"kernels": (8, 4, 0)}, "kernels of at least 1"),
        ({"channels": (8.0, 8, 8)}, "channels of at least 1"),
        ({"features": 0}, "features of at least 1, got 0"),
        ({"shift": -1}, "shift of at least 0, got -1"),
        ({"shift": True}, "shift of at least 0"),
        ({"shared": "no"}, "shared True, False or None, got 'no'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Convolution(**settings)  # type: ignore[arg-type]


def test_kernels_that_are_given_have_to_fit() -> None:
    with pytest.raises(UserError, match=r"12 × 9 pixels is too small for kernels \(5, 5\)"):
        Convolution(channels=(8, 8), kernels=(5, 5), strides=(2, 1)).plan(image(12, 9, 3))


def test_settings_are_plain_data() -> None:
    encoder = Convolution(channels=(8,), kernels=(3,), strides=(2,), shared=False, shift=4)
    assert build(Convolution, to_plain(encoder)) == encoder
    assert read(Convolution | None, "convolution", "encoder") == Convolution()
    assert read(Convolution | None, {"kind": "convolution", "shift": 2}, "encoder") == Convolution(shift=2)


# -------------------------------------------------------------------------------------------------------- random shifts


@every_layout
def test_a_shift_pads_with_the_edge_and_crops(name: str) -> None:
    observation, pad = layout(name), 2
    obs, noise = torch.rand(2, 150, observation.features), torch.randn(2, 150, 2, generator=generators(0)[0])
    shifted = random_shift(obs, observation, noise, pad)
    seen = set()
    for p in range(2):
        for b in range(150):
            # the share of the standard normal distribution below each draw, in 2 · pad + 1 equal parts
            down, right = (
                min(int(5 * 0.5 * (1.0 + math.erf(draw / math.sqrt(2.0)))), 4) for draw in noise[p, b].tolist()
            )
            seen.add((down, right))
            for entry in observation.entries():
                before, after = obs[p, b, entry.columns].numpy(), shifted[p, b, entry.columns].numpy()
                if not entry.is_image:
                    assert (before == after).all()
                    continue
                first = len(entry.shape) == 3 and entry.channels_first
                axes = [(0, 0), (pad, pad), (pad, pad)] if first else [(pad, pad), (pad, pad), (0, 0)]
                padded = np.pad(before.reshape(entry.shape), axes[: len(entry.shape)], mode="edge")
                height, width = entry.shape[1:] if first else entry.shape[:2]
                crop = padded[..., down : down + height, right : right + width] if first else None
                crop = padded[down : down + height, right : right + width] if crop is None else crop
                np.testing.assert_array_equal(after.reshape(entry.shape), crop)
    assert len(seen) == 25


def test_extreme_draws_shift_by_no_more_than_the_padding() -> None:
    observation = layout("no channels")
    obs = torch.arange(108.0).reshape(1, 1, 108).expand(1, 2, 108)
    shifted = random_shift(obs, observation, torch.tensor([[[40.0, 40.0], [-40.0, -40.0]]]), 3).reshape(2, 12, 9)
    whole = obs[0, 0].reshape(12, 9)
    assert torch.equal(shifted[0, :-3, :-3], whole[3:, 3:])
    assert torch.equal(shifted[1, 3:, 3:], whole[:-3, :-3])


def test_a_shift_of_nothing_is_the_image_itself() -> None:
    obs = torch.rand(2, 5, layout("dict").features)
    assert torch.equal(random_shift(obs, layout("dict"), torch.randn(2, 5, 2), 0), obs)
