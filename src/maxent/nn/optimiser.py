"""Gradients, Adam and target averaging on flat parameter tensors; each runs inside the compiled update."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from torch import Tensor
from torch.optim.adam import adam as fused_adam

from maxent.nn import kernels

State = dict[str, Tensor]
"""Everything an algorithm learns, by name, with the member axis first; counts of updates are the same for all members
and have none. Updates change it in place."""

Extra = TypeVar("Extra", Tensor, tuple[Tensor, ...])
"""The second result of a loss after the losses [P] of the members: one or several tensors, returned detached."""


def gradients(loss: Callable[[Tensor], tuple[Tensor, Extra]], parameters: Tensor) -> tuple[Tensor, Tensor, Extra]:
    """Return ∇ Σ_p loss_p at `parameters`, the losses [P], and the second result of `loss`.

    Summing members is exact: member p's loss depends on member p's parameters alone.
    Own layers (`nn.kernels`) need autograd's tape, which is also faster in eager code; without them compiled code uses
    `torch.func.grad`, which every supported torch can trace. The results are the same.
    """
    if torch.compiler.is_compiling() and not kernels.ready():

        def total(parameters: Tensor) -> tuple[Tensor, tuple[Tensor, Extra]]:
            losses, extra = loss(parameters)
            return losses.sum(), (losses, extra)

        gradient, (losses, extra) = torch.func.grad(total, has_aux=True)(parameters)
        return gradient.detach(), losses.detach(), _detached(extra)
    with torch.enable_grad():
        leaf = parameters.detach().requires_grad_()
        losses, extra = loss(leaf)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    return gradient, losses.detach(), _detached(extra)


def joint_gradients(
    loss: Callable[[Tensor, Tensor], tuple[Tensor, Extra]], parameters: Tensor, x: Tensor
) -> tuple[Tensor, Tensor, Tensor, Extra]:
    """Return ∇ Σ_p loss_p in the parameters and in an input x, the losses [P], and the second result of `loss`."""
    if torch.compiler.is_compiling() and not kernels.ready():

        def total(parameters: Tensor, x: Tensor) -> tuple[Tensor, tuple[Tensor, Extra]]:
            losses, extra = loss(parameters, x)
            return losses.sum(), (losses, extra)

        both, (losses, extra) = torch.func.grad(total, argnums=(0, 1), has_aux=True)(parameters, x)
        return both[0].detach(), both[1].detach(), losses.detach(), _detached(extra)
    with torch.enable_grad():
        leaves = parameters.detach().requires_grad_(), x.detach().requires_grad_()
        losses, extra = loss(*leaves)
        in_parameters, in_x = torch.autograd.grad(losses.sum(), leaves)
    return in_parameters, in_x, losses.detach(), _detached(extra)


def _detached(extra: Extra) -> Extra:
    """Return the second result of a loss, tuples in tuples too, without gradients."""
    return extra.detach() if isinstance(extra, Tensor) else tuple(_detached(one) for one in extra)


def input_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return ∇_x of Σ function(x), as in `gradients`; each output must depend on its own row of x alone."""
    if torch.compiler.is_compiling() and not kernels.ready():
        gradient: Tensor = torch.func.grad(lambda inner: function(inner).sum())(x)
        return gradient.detach()
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(function(leaf).sum(), leaf)[0]


@dataclass(frozen=True)
class LinearDecay:
    """A step size that falls linearly from `first` to `last` over `steps` steps of the optimiser, then stays."""

    kind: ClassVar[str] = "linear"

    first: float
    last: float
    steps: int

    def __call__(self, steps: Tensor) -> Tensor:
        """Return the step size after this many steps [1]."""
        return self.first + (self.last - self.first) * (steps / self.steps).clamp_max(1.0)


@dataclass(frozen=True)
class CosineDecay:
    """A step size that falls from `first` to `last` along half a cosine over `steps` steps, then stays."""

    kind: ClassVar[str] = "cosine"

    first: float
    last: float
    steps: int

    def __call__(self, steps: Tensor) -> Tensor:
        """Return the step size after this many steps [1]."""
        share = (steps / self.steps).clamp_max(1.0)
        return self.last + (self.first - self.last) * 0.5 * (1.0 + torch.cos(math.pi * share))


StepSize = float | LinearDecay | CosineDecay


@dataclass(frozen=True)
class Adam:
    """Adam for one flat parameter tensor of the state (1412.6980 algorithm 1).

    Args:
        step_size: λ, or its schedule over the steps of this optimiser.
        betas: decay of both moments.
        epsilon: ε.
        weight_decay: decoupled weight decay, λ · weight_decay · θ a step (AdamW, 1711.05101).
        max_grad_norm: clip each member's gradient to this Euclidean norm; None for no clipping.
        project: applied to the parameters after each step, such as `Network.project`.
    """

    step_size: StepSize
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float | None = None
    project: Callable[[Tensor], None] | None = None

    def init(self, state: State, name: str, parameters: Tensor) -> None:
        """Put parameters and the state of Adam into the state: two moments, the steps, and the next scales.

        `adam_scale` holds the corrections 1/(1 − βᵗ) of the coming step. They are computed at the end of the step
        before, because a compiled step would otherwise compute both powers again for every eight parameters.
        """
        state[name] = parameters
        state[f"{name}.adam_m"] = torch.zeros_like(parameters)
        state[f"{name}.adam_v"] = torch.zeros_like(parameters)
        # [1] and not []: torch 2.13 loses in-place changes that a compiled function makes to a float64 tensor [].
        state[f"{name}.adam_steps"] = torch.zeros(1, dtype=torch.float64)
        first = [1.0 / (1.0 - beta) for beta in self.betas]
        state[f"{name}.adam_scale"] = torch.tensor(first, dtype=parameters.dtype)

    def minimize(self, state: State, name: str, loss: Callable[[Tensor], tuple[Tensor, Extra]]) -> tuple[Tensor, Extra]:
        """Make one step on the loss of state[name]; return the losses [P] and the second result of `loss`."""
        gradient, losses, extra = gradients(loss, state[name])
        self.step(state, name, gradient)
        return losses, extra

    def step(self, state: State, name: str, gradient: Tensor) -> None:
        """Make one step on state[name] along a gradient [P, ...], in place.

        Inductor fuses the lines below into one pass; in eager code each is a separate pass, and torch's fused step is
        six times as fast.
        """
        if self.max_grad_norm is not None:
            gradient = clip_grad_norm(gradient, self.max_grad_norm)
        (beta_m, beta_v), parameters = self.betas, state[name]
        m, v = state[f"{name}.adam_m"], state[f"{name}.adam_v"]
        steps, scale = state[f"{name}.adam_steps"], state[f"{name}.adam_scale"]
        rate = self.step_size if isinstance(self.step_size, float | int) else self.step_size(steps).to(parameters.dtype)
        if self.weight_decay:
            parameters.mul_(1.0 - rate * self.weight_decay)
        if torch.compiler.is_compiling() or parameters.is_cuda:  # on a GPU the fused step reads float32 counts
            m.lerp_(gradient, 1.0 - beta_m)
            v.lerp_(gradient * gradient, 1.0 - beta_v)
            parameters.sub_(rate * scale[0] * m / ((v * scale[1]).sqrt() + self.epsilon))
            steps.add_(1.0)
        else:
            fused_adam(
                [parameters], [gradient], [m], [v], [], [steps], fused=True, amsgrad=False, maximize=False,
                lr=float(rate), beta1=beta_m, beta2=beta_v, eps=self.epsilon, weight_decay=0.0,
            )  # fmt: skip
        scale.copy_(torch.cat([1.0 / (1.0 - beta_m ** (steps + 1.0)), 1.0 / (1.0 - beta_v ** (steps + 1.0))]))
        if self.project is not None:
            self.project(parameters)


def clip_grad_norm(gradient: Tensor, max_norm: float) -> Tensor:
    """Scale each member's gradient [P, ...] down to Euclidean norm `max_norm` where it is longer."""
    norm: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)  # [P]
    scale = (max_norm / norm.clamp_min(1e-12)).clamp_max(1.0)
    return gradient * scale.reshape(-1, *[1] * (gradient.dim() - 1))


def polyak_update(target: Tensor, online: Tensor, tau: float) -> None:
    """Set θ̄ ← τ θ + (1 − τ) θ̄ in place.   2018a algorithm 1."""
    target.lerp_(online, tau)
