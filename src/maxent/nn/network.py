"""A network: layers for every group at once, with all parameters of a group in one flat vector.

A network owns no tensors. It describes how its parameters, and apart from them its buffers, lie in one flat vector per
group, so that Adam, gradient clipping and target averaging are each one pass over one tensor, and it computes outputs
from such vectors. One batched product computes every member and every critic.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from maxent.errors import UserError
from maxent.nn import kernels
from maxent.nn.layer import require_layer
from maxent.nn.layers import Layer, Linear, ReLU, Shape, relu_layers

ALIGNMENT = 16  # floats: every group starts on a cache line


@dataclass(frozen=True)
class Placed:
    """A layer in its place: its name in files, the sizes of its input and output, and the layers inside it."""

    layer: Layer
    name: str
    size: int
    outputs: int
    branches: tuple[tuple["Placed", ...], ...] = ()


@dataclass(frozen=True)
class Network:
    """Layers for G groups.

    Args:
        groups: leading axes of its parameters: (P,) for an actor, (P, E) for an ensemble of E critics.
        inputs: size of its input.
        layers: in order, each taking the output of the one before.
    """

    groups: tuple[int, ...]
    inputs: int
    layers: tuple[Layer, ...]
    # known from these, and constants of compiled code:
    outputs: int = field(init=False, compare=False)
    placed: tuple[Placed, ...] = field(init=False, compare=False, repr=False)
    shapes: dict[str, Shape] = field(init=False, compare=False, repr=False)
    """Name → shape of each parameter in storage order: weights first, whose sizes keep alignment, then biases."""
    starts: dict[str, tuple[Shape, float]] = field(init=False, compare=False, repr=False)
    """Name → shape and initial value of each buffer, in storage order."""
    size: int = field(init=False, compare=False)
    """Parameters of one group, rounded up to whole cache lines; the rest of the vector stays zero."""
    buffer_size: int = field(init=False, compare=False)
    """Buffers of one group, likewise; 0 where no layer has any."""
    draws: int = field(init=False, compare=False, repr=False)
    """Standard normal draws of one group for a pass in training; 0 where no layer takes any."""
    projects: bool = field(init=False, compare=False, repr=False)
    """Whether `project` does anything."""
    sizes: tuple[int, ...] | None = field(init=False, compare=False, repr=False)
    """Sizes (in, hidden..., out) of a plain ReLU network; None for any other."""

    def __post_init__(self) -> None:
        put = partial(object.__setattr__, self)
        placed, outputs = _place(self.layers, self.inputs, {})
        put("placed", placed)
        put("outputs", outputs)
        every = _flat(placed)
        shapes = {f"{p.name}.{name}": shape for p in every for name, shape in p.layer.parameters(p.size).items()}
        put("shapes", dict(sorted(shapes.items(), key=lambda item: _rank(item[0]))))
        starts = {f"{p.name}.{name}": start for p in every for name, start in p.layer.buffers(p.size).items()}
        put("starts", starts)
        put("size", _aligned(sum(math.prod(shape) for shape in shapes.values())))
        put("buffer_size", _aligned(sum(math.prod(shape) for shape, _ in starts.values())))
        put("draws", sum(p.layer.draws for p in every))
        put("projects", any(p.layer.projects for p in every))
        put("sizes", _plain_sizes(self.inputs, self.layers))

    @property
    def count(self) -> int:
        """G, the number of groups."""
        return math.prod(self.groups)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return the named parameters as windows into `flat` [*groups, size] → each [G, *shape]."""
        return _views(flat.reshape(self.count, self.size), self.shapes)

    def buffer_views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return the named buffers as windows into `flat` [*groups, buffer_size] → each [G, *shape]."""
        shapes = {name: shape for name, (shape, _) in self.starts.items()}
        return _views(flat.reshape(self.count, self.buffer_size), shapes)

    def init(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Return fresh parameters [*groups, size]; member p draws only from generators[p]."""
        flat = torch.zeros(*self.groups, self.size)
        alone = Network(self.groups[1:], self.inputs, self.layers)
        places = {p.name: p for p in _flat(self.placed)}
        for p, generator in enumerate(generators):
            for name, view in alone.views(flat[p]).items():
                place, _, own = name.partition(".")
                places[place].layer.init(own, view, places[place].size, generator)
        self.project(flat)
        return flat

    def init_buffers(self) -> Tensor:
        """Return fresh buffers [*groups, buffer_size]."""
        flat = torch.zeros(*self.groups, self.buffer_size)
        for name, view in self.buffer_views(flat).items():
            view.fill_(self.starts[name][1])
        return flat

    def project(self, flat: Tensor) -> None:
        """Apply the projections of its layers to parameters [*groups, size], in place."""
        if not self.projects:
            return
        views = self.views(flat)
        for p in _flat(self.placed):
            p.layer.project(_own(p, views))

    def __call__(self, parameters: Tensor, x: Tensor, buffers: Tensor | None = None) -> Tensor:
        """Return outputs in evaluation: parameters [*groups, size], x [G, B, in] → [G, B, out].

        Where x has fewer rows of groups, [G/k, B, in], each serves k groups: all critics of a member.
        """
        if self.sizes is not None and kernels.takes(self.sizes, parameters, x):
            return kernels.mlp(self.sizes, parameters.reshape(self.count, self.size), x)
        return self._run(self.placed, self._tensors(parameters, buffers), self._for_each_group(x), None)

    def activations(self, parameters: Tensor, x: Tensor, buffers: Tensor | None = None) -> list[Tensor]:
        """Return the outputs of its ReLU layers in evaluation, without those inside others, each [G, B, units]."""
        tensors, x, found = self._tensors(parameters, buffers), self._for_each_group(x), []
        for p in self.placed:
            x = self._run((p,), tensors, x, None)
            if _is_relu(p.layer):
                found.append(x)
        return found

    def train(
        self, parameters: Tensor, x: Tensor, buffers: Tensor | None = None, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return outputs in training, and the buffers that follow: batch statistics count, and move the running ones.

        noise [P, …] holds `draws` standard normal numbers for each group. Without buffers and draws this is evaluation.
        """
        if not self.buffer_size and not self.draws:
            return self(parameters, x), None
        tensors = self._tensors(parameters, buffers) | self._draw_views(noise)
        moved: dict[str, Tensor] = {}
        y = self._run(self.placed, tensors, self._for_each_group(x), moved)
        if buffers is None:
            return y, None
        kept = self.buffer_views(buffers)
        if unknown := moved.keys() - kept.keys():
            raise UserError(f"a layer moved buffers that it does not declare: {', '.join(sorted(unknown))}.")
        parts = [moved.get(name, kept[name]).reshape(self.count, -1) for name in self.starts]
        used = sum(part.shape[-1] for part in parts)
        parts.append(parts[0].new_zeros(self.count, self.buffer_size - used))
        return y, torch.cat(parts, -1).reshape(buffers.shape)

    def _tensors(self, parameters: Tensor, buffers: Tensor | None) -> dict[str, Tensor]:
        views = self.views(parameters)
        if self.buffer_size:
            if buffers is None:
                raise ValueError("this network has buffers (running statistics): pass them beside its parameters.")
            views |= self.buffer_views(buffers)
        return views

    def _draw_views(self, noise: Tensor | None) -> dict[str, Tensor]:
        """Return the draws of each layer, [G, 1, n]."""
        if not self.draws:
            return {}
        if noise is None:
            raise ValueError("this network has layers that take random draws (dropout): pass them as `noise`.")
        shapes = {f"{p.name}.draws": (1, p.layer.draws) for p in _flat(self.placed) if p.layer.draws}
        return _views(noise.reshape(self.count, self.draws), shapes)

    def _run(
        self, series: tuple[Placed, ...], tensors: Mapping[str, Tensor], x: Tensor, moved: dict[str, Tensor] | None
    ) -> Tensor:
        for p in series:
            own = _own(p, tensors)
            if p.branches:
                y = p.layer.combine(own, x, [self._run(branch, tensors, x, moved) for branch in p.branches])
            else:
                new: dict[str, Tensor] | None = None if moved is None else {}
                y = p.layer.forward(own, x, new)
                if moved is not None and new:
                    moved.update({f"{p.name}.{name}": tensor for name, tensor in new.items()})
            if y.shape[-1] != p.outputs:
                raise UserError(
                    f"{type(p.layer).__name__}: its output_size is {p.outputs} for inputs of size {p.size}, "
                    f"and it returned {y.shape[-1]}."
                )
            x = y
        return x

    def _for_each_group(self, x: Tensor) -> Tensor:
        """Repeat the same input for groups that follow one another: [G/k, B, F] → [G, B, F]."""
        given, batch, size = x.shape
        return x.unsqueeze(1).expand(given, self.count // given, batch, size).reshape(self.count, batch, size)


def mlp(groups: tuple[int, ...], sizes: tuple[int, ...], *, layer_norm: bool = False) -> Network:
    """Return fully connected ReLU layers of sizes (in, hidden..., out), optionally with LayerNorm before each ReLU."""
    return Network(groups, sizes[0], (*relu_layers(sizes[1:-1], layer_norm=layer_norm), Linear(sizes[-1])))


def _place(layers: Sequence[Layer], size: int, counts: dict[str, int]) -> tuple[tuple[Placed, ...], int]:
    """Return the layers with their names and sizes, numbered by label, and the size of the output."""
    placed = []
    for layer in layers:
        require_layer(layer)
        name = ""
        if layer.parameters(size) or layer.buffers(size) or layer.draws:
            number = counts.get(layer.label, 0)
            counts[layer.label] = number + 1
            name = f"{layer.label}_{number}"
        branches = tuple(_place(branch, size, counts)[0] for branch in layer.branches)
        outputs = layer.output_size(size)
        placed.append(Placed(layer, name, size, outputs, branches))
        size = outputs
    return tuple(placed), size


def _flat(series: Sequence[Placed]) -> list[Placed]:
    """Return the layers in order, each before those inside it."""
    return [one for p in series for one in (p, *(inner for branch in p.branches for inner in _flat(branch)))]


def _own(p: Placed, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one layer under its own names."""
    own = {}
    for name in (*p.layer.parameters(p.size), *p.layer.buffers(p.size), "draws"):
        key = f"{p.name}.{name}"
        if key in tensors:
            own[name] = tensors[key]
    return own


def _views(flat: Tensor, shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """Return windows into flat [G, n], each [G, *shape]."""
    if not shapes:
        return {}
    sizes = [math.prod(shape) for shape in shapes.values()]
    # one split, whose derivative is one concatenation, where that of each slice would be as long as `flat`
    parts = flat.split_with_sizes([*sizes, flat.shape[-1] - sum(sizes)], -1)
    return {
        name: part.view(flat.shape[0], *shape) for (name, shape), part in zip(shapes.items(), parts[:-1], strict=True)
    }


def _rank(name: str) -> int:
    """Return where a parameter is packed: weights, then biases, then all else."""
    return 0 if name.endswith(".weight") else 1 if name.endswith(".bias") else 2


def _aligned(count: int) -> int:
    return math.ceil(count / ALIGNMENT) * ALIGNMENT


def _plain_sizes(inputs: int, layers: Sequence[Layer]) -> tuple[int, ...] | None:
    """Return the sizes of Linear layers with biases and a ReLU between any two; None for anything else."""
    sizes = [inputs]
    for place, layer in enumerate(layers):
        expected: Callable[[Layer], bool] = _is_linear if place % 2 == 0 else _is_relu
        if not expected(layer):
            return None
        if isinstance(layer, Linear):
            sizes.append(layer.units)
    return tuple(sizes) if len(layers) % 2 == 1 else None


def _is_linear(layer: Layer) -> bool:
    return type(layer) is Linear and layer.bias


def _is_relu(layer: Layer) -> bool:
    return type(layer) is ReLU
