"""What a compiled update is made of, as a name: two updates with the same one have the same machine code.

It goes into the name: the code of this package as it stands in memory, where a program may have replaced a loss; the
objects that the update reads; its inputs' shapes; torch, and what torch was told.
"""

import hashlib
import os
import platform
import sys
import threading
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from types import BuiltinFunctionType, CodeType, FunctionType, GenericAlias, MethodType, ModuleType, UnionType
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
SIMPLE = (
    bool, int, float, complex, str, bytes, type(None), type(...), slice, range,
    np.generic, np.dtype, torch.dtype, torch.device,
)  # fmt: skip
WRAPPERS: dict[type, str] = {
    staticmethod: "__func__", classmethod: "__func__", property: "fget", cached_property: "func",
    type(cache(repr)): "__wrapped__",
}  # fmt: skip
NAMED = (BuiltinFunctionType, type(str.join), type(object.__init__), np.ufunc)  # that stand for their names
HINTS = (
    GenericAlias,
    UnionType,
    type(threading.Lock()),
    type(namedtuple("_", "field").field),  # type: ignore[attr-defined]
)  # that compute nothing
ABOUT_CLASSES = (
    "__doc__", "__module__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__", "__annotations__",
    "__annotate_func__", "__dataclass_fields__", "__dataclass_params__", "__abstractmethods__", "_abc_impl",
    "__orig_bases__", "__parameters__", "__protocol_attrs__", "__non_callable_proto_members__",
)  # fmt: skip
LIBRARY = "_state"  # of `native`, which is known by its name
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
            torch.are_deterministic_algorithms_enabled(), native.file(), _configured(),
            sorted(item for item in os.environ.items() if item[0].startswith("TORCH") and item[0] != PLACE_OF_CACHES),
        )  # fmt: skip
        for name, module in sorted(sys.modules.items()):
            if name == ENGINE or (name.startswith(f"{PACKAGE}.") and name.split(".")[1] in PARTS):
                taken.module(module)
        taken.value(list(made_of))
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
        self.value(code.co_consts)

    def function(self, function: FunctionType) -> None:
        """Its code, its defaults, and what it closes over."""
        root = str(function.__globals__.get("__name__")).split(".")[0]
        if root not in KNOWN and not root.startswith("namedtuple_"):  # as the standard library calls what it makes
            raise UnknownError(function)
        self.code(function.__code__)
        self.value((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                self.value(cell.cell_contents)
            except ValueError:
                self.simple("empty")

    def module(self, module: ModuleType) -> None:
        """All that a module holds now; where functions are traced, tracing leaves values of its own."""
        self.simple(module.__name__)
        for name, value in sorted(vars(module).items()):
            left = module.__name__ == ENGINE and isinstance(value, SIMPLE) and not name.isupper()
            if not (left or name.startswith("__") or name == LIBRARY):
                self.simple(name)
                self.value(value)

    def members(self, kind: type) -> None:
        """What a class holds, and the names of its bases."""
        self.simple(kind.__module__, kind.__qualname__, [base.__qualname__ for base in kind.__bases__])
        for name, value in sorted(vars(kind).items()):
            if name not in ABOUT_CLASSES:
                self.simple(name)
                self.value(value)

    def value(self, value: Any) -> None:
        """Anything; what could be of any kind is refused."""
        for wrapper, inner in WRAPPERS.items():
            value = getattr(value, inner) if isinstance(value, wrapper) else value
        if isinstance(value, SIMPLE):
            self.simple(value)
        elif isinstance(value, (tuple, list)):
            self.simple(type(value).__qualname__, len(value))
            for part in value:
                self.value(part)
        elif isinstance(value, (set, frozenset)) and all(isinstance(part, SIMPLE) for part in value):
            self.simple(sorted(map(repr, value)))
        elif isinstance(value, Mapping):
            self.simple(type(value).__qualname__, len(value))
            for item in value.items():
                self.value(item)
        elif isinstance(value, (Tensor, np.ndarray)):
            array = value.numpy(force=True) if isinstance(value, Tensor) else value
            self.simple(array.dtype, array.shape, array.tobytes())
        elif isinstance(value, CodeType):
            self.code(value)
        elif isinstance(value, FunctionType):
            self._once(value, self.function)
        elif isinstance(value, MethodType):
            self.value((value.__func__, value.__self__))
        elif isinstance(value, type) and _root(value) == PACKAGE:
            self._once(value, self.members)
        elif _root(type(value)) == PACKAGE and hasattr(value, "__dict__"):
            self._once(value, self._attributes)
        elif isinstance(value, (type, *NAMED)) and _root(value) in KNOWN:
            self.simple(_root(value), getattr(value, "__qualname__", value.__name__))
        elif isinstance(value, ModuleType):
            self.simple(value.__name__)
        elif isinstance(value, HINTS) or type(value).__module__ == "typing":
            self.simple(type(value).__qualname__)
        else:
            raise UnknownError(value)

    def _attributes(self, value: Any) -> None:
        kind = type(value)
        self.simple(kind.__module__, kind.__qualname__)
        for name, part in sorted(vars(value).items()):
            if not isinstance(getattr(kind, name, None), cached_property):  # known from the rest, and there or not
                self.simple(name)
                self.value(part)

    def _once(self, value: Any, take: Callable[[Any], None]) -> None:
        if id(value) in self._met:
            self.simple(self._met[id(value)][0])
        else:
            self._met[id(value)] = len(self._met), value
            take(value)


def _configured() -> list[tuple[str, str]]:
    """What this program told torch's compiler, where that is not its default."""
    configs = [sys.modules.get(f"torch.{part}.config") for part in ("_dynamo", "_inductor", "_functorch")]
    return sorted(
        (name, repr(value))
        for config in configs
        if config is not None
        for name, value in config.get_config_copy().items()
        if value != config._config[name].default
    )


def _root(value: Any) -> str:
    module = getattr(value, "__module__", None)  # of what is written in C some have none
    return "builtins" if module is None else str(module).split(".")[0]
