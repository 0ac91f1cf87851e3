"""CUDA graphs: a whole update as one launch, recorded once for each combination of its switches and then replayed."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

WARM_UP = 3  # runs before recording: compilation, autotuning and workspaces must be over by then


class _Recorded(NamedTuple):
    graph: Any
    inputs: list[Tensor]
    output: Tensor


@final
class GraphReplay:
    """A compiled update, called through CUDA graphs.

    A graph reads and writes fixed addresses. State and columns stay where they are from update to update; the drawn
    rows, the noise and the extras are copied into the recorded inputs.
    """

    def __init__(self, step: Callable[..., Tensor]) -> None:
        self._step = step
        self._recorded: dict[tuple[bool, bool], _Recorded] = {}

    def __call__(
        self,
        state: dict[str, Tensor],
        columns: dict[str, Tensor],
        rows: Tensor,
        noise: Tensor,
        extras: dict[str, Tensor],
        policy: bool,
        target: bool,
    ) -> Tensor:
        """Run one update; the next one overwrites the result."""
        key = (policy, target)
        given = [rows, noise, *extras.values()]
        if key not in self._recorded:
            self._recorded[key] = self._record(state, columns, rows, noise, extras, policy, target)
        graph, inputs, output = self._recorded[key]
        for held, tensor in zip(inputs, given, strict=True):
            held.copy_(tensor, non_blocking=True)
        graph.replay()
        return output

    def _record(
        self,
        state: dict[str, Tensor],
        columns: dict[str, Tensor],
        rows: Tensor,
        noise: Tensor,
        extras: dict[str, Tensor],
        policy: bool,
        target: bool,
    ) -> _Recorded:
        """Record a graph after warming up; both leave the state unchanged."""
        rows, noise, extras = rows.clone(), noise.clone(), _clone(extras)
        before = _clone(state)
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._step(state, columns, rows, noise, extras, policy, target)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = self._step(state, columns, rows, noise, extras, policy, target)
        for name, tensor in state.items():
            tensor.copy_(before[name])
        return _Recorded(graph, [rows, noise, *extras.values()], output)


def _clone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}
