"""Compiling the update once, and calling it without the price of asking each time whether it still fits."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FunctionType
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from maxent import native
from maxent.cache import cache_folder

Tensors = Mapping[str, Tensor]

INDUCTOR: dict[str, str | int | bool | Callable[..., Any]] = {
    # The generated C++ also calls the kernels, which saves Python's share of each call.
    "cpp_wrapper": True,
    # Sums over fewer than eight numbers, such as log π over the dimensions of an action, would be written out term by
    # term: scalar code, in which every logarithm is a call of the C library.
    "unroll_reductions_threshold": 1,
}
"""Inductor's options."""


class _Direct(NamedTuple):
    """The machine code of one kind of update, where its inputs come from, and which of its outputs is the answer."""

    sizes: list[int]
    code: Callable[..., Sequence[Tensor]]
    places: list[tuple[int, str]]
    answer: int


@final
class Compiled:
    """An update (state, columns, rows, noise, beside, policy, target) → Tensor as machine code.

    The first call with each pair of switches goes through torch.compile. Before every call that checks some hundred
    properties of the inputs and rebuilds the call in Python: 160 µs of 970 with 64 units. An engine's inputs keep their
    shapes and types, and all that the update changes are tensors in place; so the following calls hand the tensors to
    the machine code themselves, which still refuses other shapes. What torch would also ask of the process, such as its
    number of threads, stays as it was at the first call; a call with more or fewer tensors goes through torch again.

    Args:
        update: what to compile, a method; what it reads of its object must not change.
        device: where it runs.
    """

    def __init__(self, update: Callable[..., Tensor], device: str) -> None:
        keep_compiled()
        self._options = INDUCTOR if device == "cpu" else {}
        self._update: Callable[..., Tensor] = torch.compile(
            _own_code(update), fullgraph=True, dynamic=False, backend=self._backend
        )
        self._direct: dict[tuple[bool, bool], _Direct | None] = {}
        self._seen: tuple[Callable[..., Any], Sequence[Any], Sequence[Any]] | None = None

    def __call__(
        self,
        state: Tensors,
        columns: Tensors,
        rows: Tensor,
        noise: Tensor,
        beside: Tensors,
        policy: bool,
        target: bool,
    ) -> Tensor:
        """One update."""
        direct = self._direct.get((policy, target))
        groups = (state, columns, beside, {"rows": rows, "noise": noise})
        if direct is not None and direct.sizes == [len(group) for group in groups]:
            inputs = [groups[group][name] for group, name in direct.places]
            with torch._C._AutoDispatchBelowAutograd():  # or every own operator asks Python whether to differentiate it
                return direct.code(*inputs)[direct.answer]
        with tracing():
            answer: Tensor = self._update(state, columns, rows, noise, beside, policy, target)
        if self._seen is not None:
            self._direct[policy, target] = _recognise(*self._seen, groups=groups, answer=answer)
            self._seen = None
        return answer

    def _backend(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        code = torch._inductor.compile(graph, inputs, options=self._options)

        def call(*given: Any) -> Any:
            results = code(*given)
            self._seen = code, given, results
            return results

        return call


def tracing() -> AbstractContextManager[Any]:
    """What must be set while torch traces an update: with own layers, that the tape is traced (`optim.gradients`).

    The question for them becomes a constant of the traced code here, not where it is defined: the decorator imports
    torch's compiler, 0.7 s that eager runs need not wait for.
    """
    torch.compiler.assume_constant_result(native.ready)  # type: ignore[no-untyped-call]
    return torch._dynamo.config.patch(trace_autograd_ops=True) if native.ready() else nullcontext()


def _recognise(
    code: Callable[..., Any], given: Sequence[Any], results: Sequence[Any], *, groups: Sequence[Tensors], answer: Tensor
) -> _Direct | None:
    """How to call the code directly; None where an input is none of the tensors, so that torch goes on calling it."""
    known = {id(tensor): (group, name) for group, tensors in enumerate(groups) for name, tensor in tensors.items()}
    answers = [place for place, result in enumerate(results) if result is answer]
    if not answers or any(id(one) not in known for one in given):
        return None
    return _Direct([len(group) for group in groups], code, [known[id(one)] for one in given], answers[0])


def keep_compiled() -> None:
    """Let Inductor keep what it compiles in the user's cache folder, where a restart of the machine leaves it.

    Its own default, the folder for temporary files, remains where that cannot be written. What the user has set stands.
    """
    folder = cache_folder("inductor")
    if folder is not None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def _own_code(method: Any) -> Any:
    """The same method with a code object of its own.

    torch keeps what it compiled by code object and refuses the ninth version of one: a program that trains nine agents
    would fail.
    """
    function = method.__func__
    copy = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    return copy.__get__(method.__self__)
