"""What a compiled update is made of, as a name: two updates with the same one have the same machine code.

It goes into the name: the code of this package as it stands in memory, where a program may have replaced a loss; the
objects that the update reads; its inputs' shapes; torch, and what torch was told.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maxent import native

PACKAGE = __name__.split(".")[0]
PARTS = (
    "algorithms", "batch", "distributions", "native", "networks", "objectives", "optim", "replay", "spaces", "stein",
)  # fmt: skip
"""What of this package an update may run, beside the engine itself."""
ENGINE = f"{PACKAGE}.training.engine"
KNOWN = {PACKAGE, "torch", "numpy", "gymnasium", "__future__", *sys.stdlib_module_names}
"""Whose functions do what their versions say; of others it would take all that they call."""
SIMPLE = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, np.dtype)
WRAPPERS = {staticmethod: "__func__", classmethod: "__func__", property: "fget", cached_property: "func"}
PLACE_OF_CACHES = "TORCHINDUCTOR_CACHE_DIR"


class UnknownError(Exception):
    """Something of which no fingerprint can be taken."""


def fingerprint(made_of: Sequence[object], groups: Sequence[Mapping[str, Tensor]]) -> str | None:
    """What a compiled update depends on, as a name: the package, the objects it reads, its inputs, the process.

    None where that is not known, such as for an algorithm from outside this package.
    """
    taken = _Fingerprint()
    try:
        taken.simple(
            torch.__version__, sys.version, platform.machine(), torch.backends.cpu.get_cpu_capability(),
            torch.get_num_threads(), torch.get_default_dtype(), torch.get_float32_matmul_precision(),
            torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"),
            torch.are_deterministic_algorithms_enabled(), native.file(),
            sorted(item for item in os.environ.items() if item[0].startswith("TORCH") and item[0] != PLACE_OF_CACHES),
        )  # fmt: skip
        for name, module in sorted(sys.modules.items()):
            if name == ENGINE or (name.startswith(f"{PACKAGE}.") and name.split(".")[1] in PARTS):
                taken.module(module)
        for one in made_of:
            taken.object(one)
        for group in groups:
            for name, tensor in group.items():
                taken.simple(name, tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)
    except UnknownError:
        return None
    return taken.digest.hexdigest()[:32]


class _Fingerprint:
    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self._met: dict[int, tuple[int, object]] = {}  # by id, which stays theirs as long as they are kept

    def simple(self, *values: object) -> None:
        """Values whose text says all about them."""
        for value in values:
            self.digest.update(repr(value).encode() + b"\0")

    def code(self, code: CodeType) -> None:
        """What a function does, wherever it stands."""
        self.simple(code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_argcount)
        for constant in code.co_consts:
            self.code(constant) if isinstance(constant, CodeType) else self.constant(constant)

    def function(self, function: FunctionType) -> None:
        """Its code, its defaults, and what it closes over."""
        root = str(function.__module__).split(".")[0]
        if root not in KNOWN and not root.startswith("namedtuple_"):  # as the standard library calls what it makes
            raise UnknownError(function)
        self.code(function.__code__)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.constant(default)
        for cell in function.__closure__ or ():
            try:
                self.constant(cell.cell_contents)
            except ValueError:
                self.simple("empty")

    def constant(self, value: object) -> None:
        """What code refers to; of other things than numbers, texts and code only the kind."""
        if isinstance(value, SIMPLE):
            self.simple(value)
        elif isinstance(value, (tuple, list)):
            self.simple(len(value))
            for part in value:
                self.constant(part)
        elif isinstance(value, (set, frozenset)):
            self.simple(sorted(map(repr, value)))
        elif isinstance(value, dict):
            for key, part in value.items():
                self.constant(key)
                self.constant(part)
        elif isinstance(value, FunctionType):
            self._once(value, self.function)
        else:
            self.simple(type(value).__qualname__)

    def module(self, module: ModuleType) -> None:
        """The functions, classes and plain values of a module, as they are now."""
        self.simple(module.__name__)
        for name, value in sorted(vars(module).items()):
            left = name.startswith("__") or (isinstance(value, SIMPLE) and not name.isupper())  # by tracing
            if not left:
                self.simple(name)
                self.attribute(value)

    def attribute(self, value: Any) -> None:
        """A member of a module or of a class."""
        for kind, inner in WRAPPERS.items():
            value = getattr(value, inner) if isinstance(value, kind) else value
        if isinstance(value, type):
            if value.__module__.split(".")[0] == PACKAGE:
                self._once(value, self.members)
        elif isinstance(inner_function := getattr(value, "__wrapped__", value), FunctionType):  # behind a cache, say
            self.constant(inner_function)
        elif all(isinstance(part, SIMPLE) for part in (value if isinstance(value, tuple) else [value])):
            self.simple(value)

    def members(self, kind: type) -> None:
        """The functions and plain values of a class."""
        self.simple(kind.__qualname__, [base.__qualname__ for base in kind.__bases__])
        for name, value in sorted(vars(kind).items()):
            if name not in ("__doc__", "__module__", "__firstlineno__", "__static_attributes__"):
                self.simple(name)
                self.attribute(value)

    def object(self, value: Any) -> None:
        """A thing that an update reads, with all that belongs to it."""
        if isinstance(value, SIMPLE):
            self.simple(value)
        elif isinstance(value, (tuple, list, dict, Mapping)):
            self.simple(type(value).__qualname__, len(value))
            for part in value.items() if isinstance(value, Mapping) else value:
                self.object(part)
        elif isinstance(value, (Tensor, np.ndarray)):
            array = value.numpy(force=True) if isinstance(value, Tensor) else value
            self.simple(array.dtype, array.shape, array.tobytes())
        elif isinstance(value, type):
            self.simple(value.__module__, value.__qualname__)
        elif isinstance(value, MethodType):
            self._once(value.__func__, self.function)
            self.object(value.__self__)
        elif isinstance(value, FunctionType):
            if value.__closure__:
                raise UnknownError(value)
            self._once(value, self.function)
        elif type(value).__module__.split(".")[0] == PACKAGE and hasattr(value, "__dict__"):
            self._once(value, self._attributes)
        else:
            raise UnknownError(value)

    def _attributes(self, value: Any) -> None:
        kind = type(value)
        self.simple(kind.__module__, kind.__qualname__)
        for name, part in sorted(vars(value).items()):
            if not isinstance(getattr(kind, name, None), cached_property):  # known from the rest, and there or not
                self.simple(name)
                self.object(part)

    def _once(self, value: Any, take: Callable[[Any], None]) -> None:
        if id(value) in self._met:
            self.simple(self._met[id(value)][0])
        else:
            self._met[id(value)] = len(self._met), value
            take(value)
