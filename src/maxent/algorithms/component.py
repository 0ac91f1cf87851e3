"""A component of an algorithm: a head whose parameters lie in the state, with its optimiser and a target copy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar, final

import torch
from torch import Tensor

from maxent.nn.heads import Head
from maxent.nn.network import Network
from maxent.nn.optimiser import Adam, Extra, State, gradients, joint_gradients, polyak_update

Output = TypeVar("Output")


class Part(Protocol):
    """A part of an algorithm that puts tensors into the state."""

    @property
    def networks(self) -> dict[str, Network]:
        """The network that each flat parameter tensor belongs to; files name its layers."""

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put fresh tensors into the state; member p draws only from generators[p]."""


@final
class Component(Generic[Output]):
    """A head in the state: parameters θ as state[name], its buffers, and θ̄ as state["target_" + name].

    Args:
        name: of its tensors in the state and in files.
        head: its network and what the outputs mean.
        optimiser: how it learns.
        target: whether there is a target copy θ̄.
    """

    def __init__(self, name: str, head: Head[Output], optimiser: Adam, *, target: bool = False) -> None:
        if head.network.projects and optimiser.project is None:
            optimiser = replace(optimiser, project=head.network.project)
        self.name, self.head, self.optimiser, self.target = name, head, optimiser, target

    @property
    def networks(self) -> dict[str, Network]:
        """The network under its name, and under that of the target copy."""
        names = [self.name, f"target_{self.name}"] if self.target else [self.name]
        return dict.fromkeys(names, self.head.network)

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put fresh parameters and buffers into the state, and targets θ̄ = θ."""
        network = self.head.network
        self.optimiser.init(state, self.name, network.init(generators))
        if network.buffer_size:
            state[f"{self.name}.buffers"] = network.init_buffers()
        if self.target:
            state[f"target_{self.name}"] = state[self.name].clone()
            if network.buffer_size:
                state[f"target_{self.name}.buffers"] = network.init_buffers()

    def __call__(self, state: Mapping[str, Tensor], *inputs: Tensor, target: bool = False) -> Output:
        """Return the output in evaluation, of θ or of θ̄. No gradient reaches either."""
        name = f"target_{self.name}" if target else self.name
        return self.head(state[name], *inputs, buffers=state.get(f"{name}.buffers"))

    def in_training(
        self, state: Mapping[str, Tensor], *inputs: Tensor, target: bool = False, noise: Tensor | None = None
    ) -> Output:
        """Return the output in training, of θ or of θ̄: with batch statistics and dropout. Running statistics stay."""
        name = f"target_{self.name}" if target else self.name
        output, _ = self.head.train(state[name], *inputs, buffers=state.get(f"{name}.buffers"), noise=noise)
        return output

    def minimize(
        self,
        state: State,
        loss: Callable[[Output], tuple[Tensor, Extra]],
        *inputs: Tensor,
        noise: Tensor | None = None,
    ) -> tuple[Tensor, Extra]:
        """Make one step θ ← θ − λ ∇ loss; return the losses [P] and the second result of `loss`.

        The loss is of the output for these inputs in training; running statistics move along. `noise` is what layers
        with random draws take.
        """
        buffers = state.get(f"{self.name}.buffers")
        if buffers is None:
            return self.optimiser.minimize(
                state, self.name, lambda theta: loss(self.head.train(theta, *inputs, noise=noise)[0])
            )
        gradient, losses, packed = gradients(self._in_training(loss, inputs, buffers, noise), state[self.name])
        self.optimiser.step(state, self.name, gradient)
        extra, moved = packed
        buffers.copy_(moved)
        return losses, extra

    def minimize_with_encoder(
        self,
        state: State,
        loss: Callable[[Output], tuple[Tensor, Extra]],
        encoder: "Component[Tensor]",
        unencoded: Tensor,
        *others: Tensor,
        noise: Tensor | None = None,
    ) -> tuple[Tensor, Extra]:
        """Make one step as `minimize` does, and one of the encoder, along the gradient of the same loss.

        The first input is the features of `unencoded`, computed anew: an earlier step may have moved the encoder.
        """
        buffers = state.get(f"{self.name}.buffers")

        def total(theta: Tensor, psi: Tensor) -> tuple[Tensor, Any]:
            return self._in_training(loss, (encoder.head(psi, unencoded), *others), buffers, noise)(theta)

        gradient, slope, losses, packed = joint_gradients(total, state[self.name], state[encoder.name])
        encoder.optimiser.step(state, encoder.name, slope)
        self.optimiser.step(state, self.name, gradient)
        if buffers is None:
            return losses, packed
        extra, moved = packed
        buffers.copy_(moved)
        return losses, extra

    def _in_training(
        self,
        loss: Callable[[Output], tuple[Tensor, Extra]],
        inputs: Sequence[Tensor],
        buffers: Tensor | None,
        noise: Tensor | None,
    ) -> Callable[[Tensor], tuple[Tensor, Any]]:
        """Return the loss of θ in training.

        Its second result is that of `loss`; where the network has buffers, a pair of it and the buffers that follow.
        """

        def total(theta: Tensor) -> tuple[Tensor, Any]:
            output, moved = self.head.train(theta, *inputs, buffers=buffers, noise=noise)
            losses, extra = loss(output)
            return losses, extra if moved is None else (extra, moved)

        return total

    def polyak_update(self, state: State, tau: float) -> None:
        """θ̄ ← τ θ + (1 − τ) θ̄, parameters and running statistics alike."""
        polyak_update(state[f"target_{self.name}"], state[self.name], tau)
        if f"{self.name}.buffers" in state:
            polyak_update(state[f"target_{self.name}.buffers"], state[f"{self.name}.buffers"], tau)
