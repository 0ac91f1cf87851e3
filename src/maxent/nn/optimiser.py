"""Gradients, Adam, clipping and target averaging on flat parameter tensors; each runs inside the compiled update."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.adam import adam as fused_adam

from maxent.nn import kernels

State = dict[str, Tensor]
"""Everything an algorithm learns, by name, with the member axis first; counts of updates are the same for all members
and have none. Updates change it in place."""


def gradients(loss: Callable[[Tensor], tuple[Tensor, Tensor]], parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """∇ Σ_p loss_p at `parameters`, with the losses [P] and whatever else `loss` answered.

    Summing members is exact: member p's loss depends on member p's parameters alone.
    The tape is what own layers know (`nn.kernels`), and faster in eager code; without them compiled code takes the
    functional transform, which every supported torch can trace. The numbers are the same.
    """
    if torch.compiler.is_compiling() and not kernels.ready():

        def total(parameters: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            losses, extra = loss(parameters)
            return losses.sum(), (losses, extra)

        gradient, (losses, extra) = torch.func.grad(total, has_aux=True)(parameters)
        return gradient.detach(), losses.detach(), extra.detach()
    with torch.enable_grad():
        leaf = parameters.detach().requires_grad_()
        losses, extra = loss(leaf)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    return gradient, losses.detach(), extra.detach()


def input_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∇_x of Σ function(x), as in `gradients`; each output must depend on its own row of x alone."""
    if torch.compiler.is_compiling() and not kernels.ready():
        gradient: Tensor = torch.func.grad(lambda inner: function(inner).sum())(x)
        return gradient.detach()
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(function(leaf).sum(), leaf)[0]


BETA_M, BETA_V, EPSILON = 0.9, 0.999, 1e-8  # 1412.6980 algorithm 1


def add_adam(state: State, name: str, parameters: Tensor) -> None:
    """Put parameters into the state, with what Adam keeps of them: two moments, the steps taken, and the next scales.

    `adam_scale` holds the corrections 1/(1 − βᵗ) of the coming step. They are computed at the end of the step before,
    because a compiled step would otherwise take both powers anew for every eight parameters.
    """
    state[name] = parameters
    state[f"{name}.adam_m"] = torch.zeros_like(parameters)
    state[f"{name}.adam_v"] = torch.zeros_like(parameters)
    # [1] and not []: torch 2.13 loses what a compiled function does in place to a float64 tensor without axes.
    state[f"{name}.adam_steps"] = torch.zeros(1, dtype=torch.float64)
    state[f"{name}.adam_scale"] = torch.tensor([1.0 / (1.0 - BETA_M), 1.0 / (1.0 - BETA_V)], dtype=parameters.dtype)


def adam(
    state: State, name: str, gradient: Tensor, *, learning_rate: float, max_grad_norm: float | None = None
) -> None:
    """One step of Adam (1412.6980 algorithm 1, β = (0.9, 0.999), ε = 1e-8) on state[name], in place.

    gradient [P, ...] is clipped first, by its norm over everything that belongs to the member. Inductor makes one pass
    of the lines below; in eager code each would be a pass of its own, and torch's fused step is six times as fast.
    """
    if max_grad_norm is not None:
        gradient = clip_by_norm(gradient, max_grad_norm)
    parameters, m, v = state[name], state[f"{name}.adam_m"], state[f"{name}.adam_v"]
    steps, scale = state[f"{name}.adam_steps"], state[f"{name}.adam_scale"]
    if torch.compiler.is_compiling() or parameters.is_cuda:  # on a GPU the fused step reads float32 counts
        m.lerp_(gradient, 1.0 - BETA_M)
        v.lerp_(gradient * gradient, 1.0 - BETA_V)
        parameters.sub_(learning_rate * scale[0] * m / ((v * scale[1]).sqrt() + EPSILON))
        steps.add_(1.0)
    else:
        fused_adam(
            [parameters], [gradient], [m], [v], [], [steps], fused=True, amsgrad=False, maximize=False,
            lr=learning_rate, beta1=BETA_M, beta2=BETA_V, eps=EPSILON, weight_decay=0.0,
        )  # fmt: skip
    scale.copy_(torch.cat([1.0 / (1.0 - BETA_M ** (steps + 1.0)), 1.0 / (1.0 - BETA_V ** (steps + 1.0))]))


def clip_by_norm(gradient: Tensor, max_norm: float) -> Tensor:
    """Scale each member's gradient [P, ...] down to Euclidean norm `max_norm` where it is longer."""
    norm: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)  # [P]
    scale = (max_norm / norm.clamp_min(1e-12)).clamp_max(1.0)
    return gradient * scale.reshape(-1, *[1] * (gradient.dim() - 1))


def descend(
    state: State,
    name: str,
    loss: Callable[[Tensor], tuple[Tensor, Tensor]],
    *,
    learning_rate: float,
    max_grad_norm: float | None = None,
) -> tuple[Tensor, Tensor]:
    """θ ← θ − λ ∇J(θ) by Adam for the parameters state[name]; answers the losses [P] and the loss function's extra."""
    gradient, losses, extra = gradients(loss, state[name])
    adam(state, name, gradient, learning_rate=learning_rate, max_grad_norm=max_grad_norm)
    return losses, extra


def average(target: Tensor, online: Tensor, tau: float) -> None:
    """θ̄ ← τ θ + (1 − τ) θ̄, in place.   2018a algorithm 1; seed 000 §4."""
    target.lerp_(online, tau)
