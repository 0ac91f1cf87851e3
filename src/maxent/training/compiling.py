"""Compiling the update once, and calling it without the price of asking each time whether it still fits."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from types import FunctionType
from typing import Any, final

import torch
from torch import Tensor

from maxent import native
from maxent.cache import cache_folder
from maxent.training.fingerprint import fingerprint
from maxent.training.saved import Direct, Groups, Tensors, code_of, load, loaded, save

INDUCTOR: dict[str, str | int | bool | Callable[..., Any]] = {
    # The generated C++ also calls the kernels, which saves Python's share of each call.
    "cpp_wrapper": True,
    # Sums over fewer than eight numbers, such as log π over the dimensions of an action, would be written out term by
    # term: scalar code, in which every logarithm is a call of the C library.
    "unroll_reductions_threshold": 1,
}
"""Inductor's options."""


ALIKE = 0.02
"""How far apart, of their length, the steps may be that saved code and the eager update make: rounding alone."""


@final
class Compiled:
    """An update (state, columns, rows, noise, beside, policy, target) → Tensor as machine code.

    The first call with each pair of switches goes through torch.compile, unless an earlier process saved what came of
    it. Before every call torch would check some hundred properties of the inputs and rebuild the call in Python: 160 µs
    of 970 with 64 units. An engine's inputs keep their shapes and types, and all that the update changes are tensors in
    place; so the following calls hand the tensors to the machine code themselves, which asks for their shapes alone.
    What torch would also ask of the process, such as its number of threads, stays as it was at the first call; a call
    with more or fewer tensors goes through torch again.

    Args:
        update: what to compile, a method; what it reads of its object must not change.
        device: where it runs.
        made_of: all that the update reads beside its arguments, so that another process knows it again; None saves
            nothing.
    """

    def __init__(self, update: Callable[..., Tensor], device: str, made_of: Sequence[object] | None = None) -> None:
        keep_compiled()
        self._update = update
        self._options = INDUCTOR if device == "cpu" else {}
        self._made_of = made_of if device == "cpu" else None
        self._direct: dict[tuple[bool, bool], Direct | None] = {}
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
        groups = (state, columns, beside, {"rows": rows, "noise": noise})
        kind = (policy, target)
        direct = self._direct.get(kind)
        if direct is not None and direct.sizes == [len(group) for group in groups]:
            return direct.run(groups)
        if kind not in self._direct:
            return self._first(groups, kind)
        answer, self._seen = self._trace(groups, kind), None
        return answer

    def _first(self, groups: Groups, kind: tuple[bool, bool]) -> Tensor:
        """The first call with these switches: finds their machine code, or makes it."""
        made_of = self._made_of
        name = None if made_of is None else fingerprint([made_of, sorted(INDUCTOR.items()), kind], groups)
        kept = load(name) if name else None
        if kept is not None and _alike(kept.run, lambda given: self._call(self._update, given, kind), groups, ALIKE):
            self._direct[kind] = kept
            return kept.run(groups)
        before = loaded()
        known = {name: tensor.clone() for name, tensor in groups[0].items()} if self._options else {}
        answer = self._trace(groups, kind)
        if self._seen is None:  # torch called code that it had already
            return answer
        direct, self._seen = _recognise(*self._seen, groups=groups, answer=answer), None
        new = list(loaded() - before)
        if (
            known
            and direct is not None
            and len(new) == 1
            and (code := code_of(sys.modules[new[0]], len(direct.places)))
        ):
            bare = direct._replace(code=code)
            if _alike(bare.run, direct.run, (known, *groups[1:]), 0.0):
                direct = bare
                if name:
                    save(name, sys.modules[new[0]], bare)
        self._direct[kind] = direct
        return answer

    def _trace(self, groups: Groups, kind: tuple[bool, bool]) -> Tensor:
        with tracing():
            return self._call(self._traced, groups, kind)

    @staticmethod
    def _call(update: Callable[..., Tensor], groups: Groups, kind: tuple[bool, bool]) -> Tensor:
        state, columns, beside, drawn = groups
        return update(state, columns, drawn["rows"], drawn["noise"], beside, *kind)

    @cached_property
    def _traced(self) -> Callable[..., Tensor]:
        """The update through torch's compiler, whose import alone takes more than a second."""
        return torch.compile(_own_code(self._update), fullgraph=True, dynamic=False, backend=self._backend)

    def _backend(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        code = torch._inductor.compile(graph, inputs, options=self._options)

        def call(*given: Any) -> Any:
            results = code(*given)
            self._seen = code, given, results
            return results

        return call


def tracing() -> AbstractContextManager[Any]:
    """What must be set while torch traces an update: with own layers, that the tape is traced (`optim.gradients`).

    What is asked about them becomes a constant of the traced code here, not where it is defined: the decorator
    imports torch's compiler, 0.7 s that eager runs need not wait for.
    """
    for answer in (native.ready, native.layout):
        torch.compiler.assume_constant_result(answer)  # type: ignore[no-untyped-call]
    return torch._dynamo.config.patch(trace_autograd_ops=True) if native.ready() else nullcontext()


def _recognise(
    code: Callable[..., Any], given: Sequence[Any], results: Sequence[Any], *, groups: Groups, answer: Tensor
) -> Direct | None:
    """How to call the code directly; None where an input is none of the tensors, so that torch goes on calling it."""
    known = {id(tensor): (group, name) for group, tensors in enumerate(groups) for name, tensor in tensors.items()}
    answers = [place for place, result in enumerate(results) if result is answer]
    if not answers or any(id(one) not in known for one in given):
        return None
    places = [known[id(one)] for one in given]
    return Direct([len(group) for group in groups], places, answers[0], lambda inputs: code(*inputs))


def _alike(
    kept: Callable[[Groups], Tensor], reference: Callable[[Groups], Tensor], groups: Groups, tolerance: float
) -> bool:
    """Whether two forms of an update make the same step from this state, up to `tolerance` of its length.

    Each makes it from a copy of the state. Where numbers are infinite or none, both must have the same.
    """

    def ends(update: Callable[[Groups], Tensor]) -> Tensors:
        state = {name: tensor.clone() for name, tensor in groups[0].items()}
        answer = update((state, *groups[1:]))
        return {**state, "": answer.clone()}

    expected = ends(reference)
    try:
        got = ends(kept)
    except (RuntimeError, KeyError, IndexError):  # machine code refuses what it was not made for
        return False
    for name, end in expected.items():
        other, start = got[name], groups[0].get(name, torch.zeros_like(end))
        if other.shape != end.shape:
            return False
        finite = end.isfinite() & start.isfinite()
        if not torch.equal(other[~finite].nan_to_num(nan=0.0), end[~finite].nan_to_num(nan=0.0)):
            return False
        step, wanted = (one[finite].double() - start[finite].double() for one in (other, end))
        slack = tolerance * (wanted.norm() + 1e-6 * start[finite].double().norm()) + (1e-9 if tolerance else 0.0)
        if not (step - wanted).norm() <= slack:  # NaN is not
            return False
    return True


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
