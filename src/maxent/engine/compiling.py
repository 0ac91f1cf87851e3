"""Compile the update once and call the machine code directly."""

import os
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from types import FunctionType
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from maxent.cache import cache_folder
from maxent.engine.torch_private import inductor_compile, trace_the_tape
from maxent.nn import kernels

INDUCTOR: dict[str, str | int | bool | Callable[..., Any]] = {
    # The generated C++ also calls the kernels, which saves Python's share of each call.
    "cpp_wrapper": True,
    # Sums over fewer than eight numbers, such as log π over the dimensions of an action, would be written out term by
    # term: scalar code, in which every logarithm is a call of the C library.
    "unroll_reductions_threshold": 1,
}
"""Inductor's options on a CPU."""

Tensors = dict[str, Tensor]
Groups = tuple[Tensors, Tensors, Tensors, Tensors]
"""The arguments of an update: state, columns, extras, and {"rows", "noise"}."""


class Direct(NamedTuple):
    """A direct call of machine code: the place of each input, and the index of the output that the update returns."""

    sizes: list[int]
    places: list[tuple[int, str]]
    output: int
    code: Callable[..., Sequence[Tensor]]

    def run(self, groups: Groups) -> Tensor:
        """Call the code on the tensors of these groups."""
        return self.code(*[groups[group][name] for group, name in self.places])[self.output]


@final
class Compiled:
    """An update (state, columns, rows, noise, extras, policy, target) → Tensor as machine code.

    The first call with each pair of switches goes through torch.compile. Before every later call torch would check some
    hundred properties of the inputs and rebuild the call in Python: 110 to 160 µs of 620 with 64 units. An engine's
    inputs keep their shapes and types, and the update changes tensors in place, so later calls hand the tensors to the
    machine code themselves. A call with more or fewer tensors goes through torch again.

    Args:
        update: the method to compile; what it reads of its object must not change.
        device: the device of its tensors.
        threads: of torch's kernels; the machine code is made for them.
    """

    def __init__(self, update: Callable[..., Tensor], device: str, threads: int) -> None:
        keep_compiled()
        self._update = update
        self._on_cpu = device == "cpu"
        self._options = INDUCTOR | {"cpp.threads": threads} if self._on_cpu else {}
        self._direct: dict[tuple[bool, bool], Direct | None] = {}
        self._seen: tuple[Callable[..., Any], Sequence[Any], Sequence[Any]] | None = None

    def __call__(
        self,
        state: Tensors,
        columns: Tensors,
        rows: Tensor,
        noise: Tensor,
        extras: Tensors,
        policy: bool,
        target: bool,
    ) -> Tensor:
        """Make one update."""
        groups = (state, columns, extras, {"rows": rows, "noise": noise})
        kind = (policy, target)
        direct = self._direct.get(kind)
        if direct is not None and direct.sizes == [len(group) for group in groups]:
            # inference mode skips the Python code of autograd at every call of own layers, which no-grad mode runs
            with torch.inference_mode(self._on_cpu):
                return direct.run(groups)
        with tracing():
            result = self._traced(state, columns, rows, noise, extras, policy, target)
        if kind not in self._direct and self._seen is not None:
            self._direct[kind] = _recognise(*self._seen, groups=groups, result=result)
        self._seen = None
        return result

    @cached_property
    def _traced(self) -> Callable[..., Tensor]:
        """The update as torch.compile returns it; importing torch's compiler takes more than a second."""
        return torch.compile(_own_code(self._update), fullgraph=True, dynamic=False, backend=self._backend)

    def _backend(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        try:
            code = inductor_compile(graph, inputs, self._options)
            if code is None:
                raise RuntimeError("this version of torch has no such function")
        except Exception as error:  # a broken compiler, a full disk: whatever stands in the way
            reason = str(error).strip().splitlines()
            warnings.warn(
                f"compilation failed, so updates run eagerly: {reason[0] if reason else type(error).__name__}",
                stacklevel=2,
            )
            return graph.forward  # type: ignore[no-any-return]

        def call(*given: Any) -> Any:
            results = code(*given)
            self._seen = code, given, results
            return results

        return call


def tracing() -> Any:
    """Return the context in which torch traces an update: with own layers it traces autograd's tape.

    The functions `kernels.CONSTANTS` are marked as constant here and not where they are defined, because the decorator
    imports torch's compiler, which takes 0.7 s that eager runs do not need.
    """
    from contextlib import nullcontext

    for constant in kernels.CONSTANTS:
        torch.compiler.assume_constant_result(constant)  # type: ignore[no-untyped-call]
    return trace_the_tape() if kernels.ready() else nullcontext()


def _recognise(
    code: Callable[..., Any], given: Sequence[Any], results: Sequence[Any], *, groups: Groups, result: Tensor
) -> Direct | None:
    """Return a direct call of the code; None if an input is not one of the tensors, so that torch keeps calling it."""
    known = {id(tensor): (group, name) for group, tensors in enumerate(groups) for name, tensor in tensors.items()}
    outputs = [place for place, one in enumerate(results) if one is result]
    if not outputs or any(id(one) not in known for one in given):
        return None
    places = [known[id(one)] for one in given]
    return Direct([len(group) for group in groups], places, outputs[0], code)


def keep_compiled() -> None:
    """Set Inductor's cache to the user's cache folder, which survives a restart of the machine.

    If that folder cannot be written, Inductor's default, the folder for temporary files, remains. A value that the user
    has set is not changed.
    """
    folder = cache_folder("inductor")
    if folder is not None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def _own_code(method: Any) -> Any:
    """Return the same method with a code object of its own.

    torch stores compiled versions by code object and raises an error at the ninth version of one, so a program that
    trains nine agents would fail.
    """
    function = method.__func__
    copy = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    return copy.__get__(method.__self__)
