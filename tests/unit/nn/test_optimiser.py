"""Adam, clipping and averaging against torch.optim and hand-worked numbers; gradients eager and traced."""

import pytest
import torch
from torch import Tensor

from maxent.engine.compiling import tracing
from maxent.nn.networks import MLP
from maxent.nn.optimiser import State, adam, add_adam, average, clip_by_norm, descend, gradients

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
    add_adam(state, "net", start.clone())
    peers = [torch.nn.Parameter(start[p].clone()) for p in range(P)]
    optimisers = [torch.optim.Adam([peer], lr=LEARNING_RATE) for peer in peers]
    for gradient in gradient_sequence(steps, P):
        adam(state, "net", gradient, learning_rate=LEARNING_RATE, max_grad_norm=max_grad_norm)
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
    add_adam(state, "x", torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64))
    gradient = torch.tensor([[5.0, -0.25, 0.0]], dtype=torch.float64)
    adam(state, "x", gradient, learning_rate=LEARNING_RATE)
    expected = torch.tensor([[0.99, 2.01, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(state["x"], expected, atol=1e-9, rtol=0.0)  # λε/|g| = 0.01 · 1e-8 / 0.25 = 4e-10


def test_clipping_is_by_the_norm_of_all_that_belongs_to_a_member() -> None:
    """Member 0: (3, 4 | 0, 12) has norm 13, cut to 6.5: halved. Member 1: norm 5 stays. Member 2: zero stays zero."""
    gradient = torch.tensor([[[3.0, 4.0], [0.0, 12.0]], [[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    expected = torch.tensor([[[1.5, 2.0], [0.0, 6.0]], [[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert torch.equal(clip_by_norm(gradient, 6.5), expected)


def test_average_moves_by_exactly_tau() -> None:
    """0.25 · 3 + 0.75 · 1 = 1.5 and 0.25 · (−2) + 0.75 · 2 = 1; τ = 1 copies."""
    target, online = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -2.0])
    average(target, online, 0.25)
    assert target.tolist() == [1.5, 1.0]
    assert online.tolist() == [3.0, -2.0]
    average(target, online, 1.0)
    assert torch.equal(target, online)


NETWORK = MLP((2,), (3, 8, 1))


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
        answers = [of_squared_error(flat), traced(flat)]
    for answer in answers:
        assert not any(tensor.requires_grad for tensor in answer)
        for tensor, peer in zip(answer, (expected, losses, out), strict=True):
            torch.testing.assert_close(tensor, peer.detach(), atol=1e-6, rtol=1e-6)


def test_descend_is_a_gradient_and_an_adam_step() -> None:
    """After one step, m = 0.1 g and v = 0.001 g², and the loss is smaller."""
    state: State = {}
    add_adam(state, "net", NETWORK.init([torch.Generator().manual_seed(seed) for seed in (0, 1)]))
    gradient, before, _ = gradients(squared_error, state["net"])
    losses, _ = descend(state, "net", squared_error, learning_rate=LEARNING_RATE)
    assert torch.equal(losses, before)
    torch.testing.assert_close(state["net.adam_m"], 0.1 * gradient, atol=0.0, rtol=1e-5)
    torch.testing.assert_close(state["net.adam_v"], 0.001 * gradient.square(), atol=0.0, rtol=1e-5)
    assert bool((squared_error(state["net"])[0] < before).all())
