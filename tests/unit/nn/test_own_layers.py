"""Layers of a user: their interface, layers made of layers, and the errors of wrong ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from maxent.errors import UserError
from maxent.nn.layer import size_after
from maxent.nn.layers import BatchNorm, Layer, Linear, ReLU, Residual, Shape, Tanh, Views
from maxent.nn.network import Network


@dataclass(frozen=True)
class Shift(Layer):
    """A layer of a user: x + a learned shift, with a count of the batches seen."""

    label = "shift"
    first: float = 0.5

    def parameters(self, size: int) -> dict[str, Shape]:
        return {"amount": (1, size)}

    def buffers(self, size: int) -> dict[str, tuple[Shape, float]]:
        return {"batches": ((1, 1), 3.0)}

    def init(self, name: str, view: Tensor, size: int, generator: torch.Generator) -> None:
        view.fill_(self.first)

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        if moved is not None:
            moved["batches"] = own["batches"] + 1.0
        return x + own["amount"]

    def project(self, own: Views) -> None:
        own["amount"].clamp_(max=1.0)


def test_a_layer_of_ones_own() -> None:
    network = Network((2,), 3, (Shift(), Linear(4), Shift(first=7.0)))
    assert list(network.shapes) == ["layer_0.weight", "layer_0.bias", "shift_0.amount", "shift_1.amount"]
    flat, buffers = network.init([torch.Generator().manual_seed(seed) for seed in (0, 1)]), network.init_buffers()
    views = network.views(flat)
    assert bool((views["shift_0.amount"] == 0.5).all())
    assert bool((views["shift_1.amount"] == 1.0).all())  # projected from 7
    x = torch.randn(2, 5, 3)
    out, moved = network.train(flat, x, buffers)
    expected = torch.bmm(x + 0.5, views["layer_0.weight"]) + views["layer_0.bias"] + 1.0
    torch.testing.assert_close(out, expected)
    assert moved is not None
    assert network.buffer_views(moved)["shift_1.batches"].flatten().tolist() == [4.0, 4.0]
    assert torch.equal(network(flat, x, buffers), out)


class Plain(Layer):
    """A layer without fields needs no decorator."""

    label: ClassVar[str] = "plain"

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        return 2.0 * x


class Undecorated(Layer):
    def __init__(self, k: float) -> None:
        object.__setattr__(self, "k", k)


class Fields(Plain):
    k: float = 1.0


@dataclass(frozen=True)
class Mixed(Layer):
    """Two branches side by side with their input, times a learned factor: a composite layer of a user."""

    label: ClassVar[str] = "mixed"
    left: tuple[Layer, ...] = (Linear(2), BatchNorm(momentum=0.5))
    right: tuple[Layer, ...] = (Linear(3), Tanh())

    @property
    def branches(self) -> tuple[tuple[Layer, ...], ...]:
        return self.left, self.right

    def output_size(self, size: int) -> int:
        return size + size_after(self.left, size) + size_after(self.right, size)

    def parameters(self, size: int) -> dict[str, Shape]:
        return {"factor": (1, 1)}

    def init(self, name: str, view: Tensor, size: int, generator: torch.Generator) -> None:
        view.fill_(3.0)

    def combine(self, own: Views, x: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        return torch.cat([x, *outputs], -1) * own["factor"]


def test_a_composite_layer_of_ones_own() -> None:
    """Inside a residual block; the statistics inside a branch move."""
    network = Network((2,), 4, (Residual((Mixed(), Linear(4))), Linear(1)))
    assert list(network.shapes) == [
        *(f"layer_{i}.weight" for i in range(4)), *(f"layer_{i}.bias" for i in range(4)),
        "mixed_0.factor", "norm_0.scale", "norm_0.shift",
    ]  # fmt: skip
    flat = network.init([torch.Generator().manual_seed(seed) for seed in (0, 1)])
    buffers, x = network.init_buffers(), torch.randn(2, 5, 4)
    views = network.views(flat)

    def linear(i: int, inputs: Tensor) -> Tensor:
        return torch.bmm(inputs, views[f"layer_{i}.weight"]) + views[f"layer_{i}.bias"]

    mixed = 3.0 * torch.cat([x, linear(0, x) / (1.0 + 1e-5) ** 0.5, torch.tanh(linear(1, x))], -1)
    torch.testing.assert_close(network(flat, x, buffers), linear(3, x + linear(2, mixed)))
    _, moved = network.train(flat, x, buffers)
    assert moved is not None
    mean = network.buffer_views(moved)["norm_0.mean"]
    torch.testing.assert_close(mean, 0.5 * linear(0, x).mean(1, keepdim=True))


@dataclass(frozen=True)
class Odd(Layer):
    """A layer with one thing wrong."""

    wrong: str = ""

    @property
    def label(self) -> str:  # type: ignore[override]
        return "a.b" if self.wrong == "label" else "odd"

    @property
    def branches(self) -> tuple[tuple[Layer, ...], ...]:
        return ((ReLU(),),) if self.wrong == "branches" else ()

    def buffers(self, size: int) -> dict[str, tuple[Shape, float]]:
        return {"kept": ((1, size), 7.0)}

    def forward(self, own: Views, x: Tensor, moved: dict[str, Tensor] | None) -> Tensor:
        if moved is not None and self.wrong == "moved":
            moved["other"] = own["kept"]
        return x[..., :-1] if self.wrong == "size" else x


def test_a_buffer_that_a_layer_leaves_out_keeps_its_value() -> None:
    network = Network((2,), 3, (Odd(),))
    _, moved = network.train(network.init([torch.Generator()] * 2), torch.zeros(2, 4, 3), network.init_buffers())
    assert moved is not None
    assert torch.equal(moved, network.init_buffers())


def test_a_layer_without_fields_needs_no_decorator() -> None:
    network = Network((1,), 3, (Plain(),))
    assert torch.equal(network(network.init([torch.Generator()]), torch.ones(1, 2, 3)), torch.full((1, 2, 3), 2.0))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Undecorated(3.0), r"^Undecorated: a layer with fields or an __init__ .*@dataclass\(frozen=True\)"),
        (Fields(), "^Fields: a layer with fields"),
        (Odd("label"), "^Odd: expected a label of letters, digits and underscores, got 'a.b'"),
        (Odd("branches"), "^Odd: a layer with branches has no buffers and draws of its own"),
        (Odd("size"), "^Odd: its output_size is 3 for inputs of size 3, and it returned 2"),
        (Odd("moved"), "^a layer moved buffers that it does not declare: odd_0.other"),
        (5, r"^expected a layer \(maxent\.nn\.layers\), got 5"),
    ],
)
def test_what_is_wrong_with_a_layer_of_ones_own_is_a_sentence(layer: Any, message: str) -> None:
    def use() -> None:
        network = Network((1,), 3, (layer,))
        network.train(network.init([torch.Generator()]), torch.zeros(1, 2, 3), network.init_buffers())

    with pytest.raises(UserError, match=message):
        use()
