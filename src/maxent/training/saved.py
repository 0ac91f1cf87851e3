"""Compiled updates kept across processes, so that a run starts without torch's compiler.

Inductor keeps what it compiled, but to find it again torch imports its compiler and traces the update anew: four of the
six seconds in which a compiled run starts. What is left at the end of all that is one shared library and the order in
which it takes its tensors. Both are kept here, under a fingerprint of everything that the update is made of: the code
of this package as it stands in memory, the objects that the update reads, its inputs' shapes, and torch.

A fingerprint could miss something, so code from an earlier process is only taken after it has moved the state as the
eager update moves it (`compiling.Compiled`).
"""

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from maxent import native
from maxent.cache import cache_folder

ENTRY = "inductor_entry_cpp"  # the function of Inductor's libraries, and the end of the names of their modules
PACKAGE = __name__.split(".")[0]
PARTS = (
    "algorithms",
    "batch",
    "distributions",
    "native",
    "networks",
    "objectives",
    "optim",
    "replay",
    "spaces",
    "stein",
)
"""What of this package an update may run, beside the engine itself."""
ENGINE = f"{PACKAGE}.training.engine"
SIMPLE = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, np.dtype)
WRAPPERS = {staticmethod: "__func__", classmethod: "__func__", property: "fget", cached_property: "func"}
FOLDER = "updates"  # in the cache
PLACE_OF_CACHES = "TORCHINDUCTOR_CACHE_DIR"

Code = Callable[[list[Tensor]], Sequence[Tensor]]


Tensors = Mapping[str, Tensor]
Groups = tuple[Tensors, Tensors, Tensors, Tensors]
"""What an update is given: its state, the replay's columns, what lies beside them, and what was drawn."""


class Direct(NamedTuple):
    """The machine code of one kind of update, where its inputs come from, and which of its outputs is the answer."""

    sizes: list[int]
    places: list[tuple[int, str]]
    answer: int
    code: Code

    def run(self, groups: Groups) -> Tensor:
        """One update."""
        inputs = [groups[group][name] for group, name in self.places]
        with torch._C._AutoDispatchBelowAutograd():  # or every own operator asks Python whether to differentiate it
            return self.code(inputs)[self.answer]


# ------------------------------------------------------------------------------------------------------- fingerprints


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
        """Its code and defaults; what it closes over is read when it is called, and must be known too."""
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
            if value.__closure__ or value.__module__.split(".")[0] not in (PACKAGE, "torch"):
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


# ------------------------------------------------------------------------------------------------------------- files


def loaded() -> set[str]:
    """The modules of Inductor's code in this process."""
    return {name for name in sys.modules if name.endswith(f".{ENTRY}")}


def code_of(module: ModuleType, inputs: int) -> Code | None:
    """How to call one of Inductor's modules directly; None where it takes another number of inputs.

    It does not ask how many it gets, so the number is read in its source, which lies beside it.
    """
    try:
        source = Path(str(module.__file__)).with_suffix(".cpp").read_text()
    except OSError:
        return None
    takes = re.search(r"steal_from_raw_handles_to_raii_handles\(input_handles, (\d+)\)", source)
    return _code(module) if takes and int(takes[1]) == inputs else None


def _code(module: ModuleType) -> Code:
    aoti, entry = torch._C._aoti, getattr(module, ENTRY)

    def call(inputs: list[Tensor]) -> Sequence[Tensor]:
        handles = entry(aoti.unsafe_alloc_void_ptrs_from_tensors(inputs))
        outputs: Sequence[Tensor] = aoti.alloc_tensors_by_stealing_from_void_ptrs(handles)
        return outputs

    return call


def save(name: str, module: ModuleType, direct: Direct) -> None:
    """Keep a module under a fingerprint, where the cache can be written; the last file to appear makes it whole."""
    folder = cache_folder(FOLDER)
    if folder is None:
        return
    try:
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            library, about = Path(aside) / f"{name}.so", Path(aside) / f"{name}.json"
            shutil.copy(str(module.__file__), library)
            told = {"sizes": direct.sizes, "places": direct.places, "answer": direct.answer}
            about.write_text(json.dumps(told | {"bytes": library.stat().st_size}))
            library.replace(folder / library.name)
            about.replace(folder / about.name)
    except OSError:  # the disk is full, say: then the next process compiles
        return


def load(name: str) -> Direct | None:
    """What an earlier process kept under this fingerprint."""
    folder = cache_folder(FOLDER)
    if folder is None or not (folder / f"{name}.json").exists():
        return None
    try:
        library = folder / f"{name}.so"
        about = json.loads((folder / f"{name}.json").read_text())
        if library.stat().st_size != about["bytes"]:  # cut off when the power failed: loading it would crash
            return None
        places = [(int(group), str(tensor)) for group, tensor in about["places"]]
        # as torch._inductor.codecache does before it loads such a module
        pointer = torch._C._dynamo.guards._torchinductor_pyobject_tensor_data_ptr  # type: ignore[attr-defined]
        os.environ["_TORCHINDUCTOR_PYOBJECT_TENSOR_DATA_PTR"] = str(pointer)
        spec = spec_from_file_location(f"{PACKAGE}_{name}.{ENTRY}", library)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return Direct(list(about["sizes"]), places, int(about["answer"]), _code(module))
    except (OSError, ValueError, KeyError, ImportError):  # gone, or of another version
        return None
