"""Adam, clipping and Polyak averages against torch.optim and hand-worked numbers; gradients eager and traced."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from maxent.engine.compiling import tracing
from maxent.nn.network import mlp
from maxent.nn.optimiser import (
    Adam,
    CosineDecay,
    LinearDecay,
    State,
    StepSize,
    clip_grad_norm,
    gradients,
    joint_gradients,
    polyak_update,
)

LEARNING_RATE = 0.01


def gradient_sequence(steps: int, members: int) -> Tensor:
    """[steps, P, E, n] in float64, from 1e-6 to 1e3: members and elements of very different size."""
    generator = torch.Generator().manual_seed(0)
    scale = 10.0 ** torch.linspace(-3, 3, members, dtype=torch.float64).reshape(1, members, 1, 1)
    spread = 10.0 ** torch.linspace(-3, 0, 5, dtype=torch.float64)
    return torch.randn(steps, members, 2, 5, dtype=torch.float64, generator=generator) * scale * spread


@pytest.mark.parametrize("max_grad_norm", [None, 1.0, 0.01])
def test_adam_equals_torch_optim_member_by_member(max_grad_norm: float | None) -> None:
    P, steps = 3, 12
    start = torch.randn(P, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    state: State = {}
    adam = Adam(LEARNING_RATE, max_grad_norm=max_grad_norm)
    adam.init(state, "net", start.clone())
    peers = [torch.nn.Parameter(start[p].clone()) for p in range(P)]
    optimisers = [torch.optim.Adam([peer], lr=LEARNING_RATE) for peer in peers]
    for gradient in gradient_sequence(steps, P):
        adam.step(state, "net", gradient)
        for p, (peer, optimiser) in enumerate(zip(peers, optimisers, strict=True)):
            peer.grad = gradient[p].clone()
            if max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_([peer], max_grad_norm)
            optimiser.step()
    # torch clips to max_norm · norm/(norm + 1e-6), a millionth less where the norm is near 1 and much less where the
    # gradient itself is small; the smallest norm that is clipped here is 0.01, and 1e-6 beside it is 1e-4 of a step.
    atol = 1e-12 if max_grad_norm is None else 1e-4 * LEARNING_RATE * steps
    torch.testing.assert_close(state["net"], torch.stack([peer.detach() for peer in peers]), atol=atol, rtol=0.0)
    assert bool(((state["net"] - start).abs() > LEARNING_RATE).any(dim=(1, 2)).all())


def test_the_first_step_is_the_learning_rate() -> None:
    """m̂ = g and √v̂ = |g|, so θ moves by λ g/(|g| + ε): 0.01 down, 0.01 up, and not at all for a gradient of zero."""
    state: State = {}
    adam = Adam(LEARNING_RATE)
    adam.init(state, "x", torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64))
    gradient = torch.tensor([[5.0, -0.25, 0.0]], dtype=torch.float64)
    adam.step(state, "x", gradient)
    expected = torch.tensor([[0.99, 2.01, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(state["x"], expected, atol=1e-9, rtol=0.0)  # λε/|g| = 0.01 · 1e-8 / 0.25 = 4e-10


def test_clipping_is_by_the_norm_of_all_that_belongs_to_a_member() -> None:
    """Member 0: (3, 4 | 0, 12) has norm 13, cut to 6.5: halved. Member 1: norm 5 stays. Member 2: zero stays zero."""
    gradient = torch.tensor([[[3.0, 4.0], [0.0, 12.0]], [[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    expected = torch.tensor([[[1.5, 2.0], [0.0, 6.0]], [[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert torch.equal(clip_grad_norm(gradient, 6.5), expected)


def test_polyak_update_moves_by_exactly_tau() -> None:
    """0.25 · 3 + 0.75 · 1 = 1.5 and 0.25 · (−2) + 0.75 · 2 = 1; τ = 1 copies."""
    target, online = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -2.0])
    polyak_update(target, online, 0.25)
    assert target.tolist() == [1.5, 1.0]
    assert online.tolist() == [3.0, -2.0]
    polyak_update(target, online, 1.0)
    assert torch.equal(target, online)


NETWORK = mlp((2,), (3, 8, 1))


def squared_error(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """A loss per member, with its outputs beside it; the targets are the constants 0, 1, 2, …"""
    x = torch.linspace(-1.0, 1.0, 2 * 5 * 3).reshape(2, 5, 3)
    out = NETWORK(parameters, x).squeeze(-1)  # [P, B]
    return (out - torch.arange(5.0)).square().mean(-1), out


def test_gradients_are_those_of_autograd_eager_and_traced() -> None:
    flat = NETWORK.init([torch.Generator().manual_seed(seed) for seed in (0, 1)])
    leaf = flat.clone().requires_grad_()
    losses, out = squared_error(leaf)
    (expected,) = torch.autograd.grad(losses.sum(), leaf)

    def of_squared_error(flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return gradients(squared_error, flat)

    traced = torch.compile(of_squared_error, backend="aot_eager", fullgraph=True)
    with torch.no_grad(), tracing():
        found = [of_squared_error(flat), traced(flat)]
    for each in found:
        assert not any(tensor.requires_grad for tensor in each)
        for tensor, peer in zip(each, (expected, losses, out), strict=True):
            torch.testing.assert_close(tensor, peer.detach(), atol=1e-6, rtol=1e-6)


def test_minimize_is_a_gradient_and_an_adam_step() -> None:
    """After one step, m = 0.1 g and v = 0.001 g², and the loss is smaller."""
    state: State = {}
    adam = Adam(LEARNING_RATE)
    adam.init(state, "net", NETWORK.init([torch.Generator().manual_seed(seed) for seed in (0, 1)]))
    gradient, before, _ = gradients(squared_error, state["net"])
    losses, _ = adam.minimize(state, "net", squared_error)
    assert torch.equal(losses, before)
    torch.testing.assert_close(state["net.adam_m"], 0.1 * gradient, atol=0.0, rtol=1e-5)
    torch.testing.assert_close(state["net.adam_v"], 0.001 * gradient.square(), atol=0.0, rtol=1e-5)
    assert bool((squared_error(state["net"])[0] < before).all())


# ------------------------------------------------------------------------------------ betas, weight decay and schedules

SCHEDULES: dict[str, tuple[StepSize, Callable[[int], float]]] = {
    "constant": (0.01, lambda step: 0.01),
    "linear": (LinearDecay(0.01, 0.002, 8), lambda step: 0.01 - 0.008 * min(step / 8, 1.0)),
    "cosine": (
        CosineDecay(0.01, 0.002, 8),
        lambda step: 0.002 + 0.008 * 0.5 * (1.0 + math.cos(math.pi * min(step / 8, 1.0))),
    ),
}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9)])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_adam_equals_torch_optim_adamw(schedule: str, betas: tuple[float, float], weight_decay: float) -> None:
    """Twelve steps in float64, of which a schedule of eight is over after eight; ε = 1e-3 counts."""
    step_size, rate = SCHEDULES[schedule]
    start = torch.randn(3, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    adam = Adam(step_size, betas=betas, epsilon=1e-3, weight_decay=weight_decay)
    state: State = {}
    adam.init(state, "net", start.clone())
    peer = torch.nn.Parameter(start.clone())
    optimiser = torch.optim.AdamW([peer], lr=1.0, betas=betas, eps=1e-3, weight_decay=weight_decay)
    for step, gradient in enumerate(gradient_sequence(12, 3)):
        adam.step(state, "net", gradient)
        optimiser.param_groups[0]["lr"] = rate(step)
        peer.grad = gradient.clone()
        optimiser.step()
        torch.testing.assert_close(state["net"], peer.detach(), atol=1e-12, rtol=1e-12)
    assert state["net.adam_steps"].item() == 12


@pytest.mark.parametrize("kind", [LinearDecay, CosineDecay])
def test_a_schedule_starts_first_ends_last_and_stays(kind: type[LinearDecay | CosineDecay]) -> None:
    schedule = kind(0.4, 0.1, 10)
    found = [schedule(torch.tensor([float(step)], dtype=torch.float64)).item() for step in (0, 5, 10, 11, 1_000)]
    assert found == pytest.approx([0.4, 0.25, 0.1, 0.1, 0.1])
    quarter = schedule(torch.tensor([2.5], dtype=torch.float64)).item()
    assert quarter == pytest.approx(0.325 if kind is LinearDecay else 0.25 + 0.15 * math.cos(math.pi / 4))


def test_a_projection_follows_every_step() -> None:
    seen = []

    def project(parameters: Tensor) -> None:
        seen.append(parameters.clone())
        parameters.clamp_(max=1.0)

    adam, state = Adam(0.5, project=project), State()
    adam.init(state, "x", torch.tensor([[0.8, -3.0]]))
    for _ in range(2):
        adam.step(state, "x", torch.tensor([[-1.0, 1.0]]))
        assert state["x"].max().item() == 1.0
    assert [each[0, 0].item() for each in seen] == pytest.approx([1.3, 1.5])


EVERYTHING = Adam(
    CosineDecay(0.01, 0.001, 4), betas=(0.8, 0.99), epsilon=1e-6, weight_decay=0.05, max_grad_norm=0.5,
    project=lambda parameters: parameters.clamp_(-0.4, 0.4),
)  # fmt: skip


def test_the_compiled_step_equals_the_eager_one() -> None:
    """The formula that compiled code takes against torch's fused step, with every option, over six steps."""
    gradients_ = gradient_sequence(6, 3).float()
    start = 0.3 * torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(1))
    eager: State = {}
    EVERYTHING.init(eager, "net", start.clone())
    traced = {name: tensor.clone() for name, tensor in eager.items()}

    def step(state: State, gradient: Tensor) -> None:
        EVERYTHING.step(state, "net", gradient)

    torch.compiler.reset()
    compiled = torch.compile(step, backend="aot_eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        for gradient in gradients_:
            step(eager, gradient)
            compiled(traced, gradient)
    assert eager["net"].abs().max().item() == pytest.approx(0.4)
    for name, tensor in eager.items():
        torch.testing.assert_close(traced[name], tensor, atol=1e-6, rtol=1e-5)


def test_joint_gradients_are_those_of_autograd_in_both() -> None:
    flat = NETWORK.init([torch.Generator().manual_seed(seed) for seed in (0, 1)])
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(2))

    def loss(parameters: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        out = NETWORK(parameters, x).squeeze(-1)
        return out.square().mean(-1), out

    leaves = flat.clone().requires_grad_(), x.clone().requires_grad_()
    losses, out = loss(*leaves)
    expected = (*torch.autograd.grad(losses.sum(), leaves), losses, out)
    with torch.no_grad():
        found = joint_gradients(loss, flat, x)
    for tensor, peer in zip(found, expected, strict=True):
        assert not tensor.requires_grad
        torch.testing.assert_close(tensor, peer.detach(), atol=1e-6, rtol=1e-6)
