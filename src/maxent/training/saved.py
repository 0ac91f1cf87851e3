"""Compiled updates kept across processes, so that a run starts without torch's compiler.

Inductor keeps what it compiled, but to find it again torch imports its compiler and traces the update anew: four of the
six seconds in which a compiled run starts. What is left at the end of all that is one shared library and the order in
which it takes its tensors. Both are kept here, under the update's fingerprint.

A fingerprint could miss something, so code from an earlier process is only taken after it has moved the state as the
eager update moves it (`compiling.Compiled`).
"""

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from maxent.cache import cache_folder

ENTRY = "inductor_entry_cpp"  # the function of Inductor's libraries, and the end of the names of their modules
FOLDER = "updates"  # in the cache

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
    """Keep a module under a fingerprint, where the cache can be written.

    The library's name has its content: Python would answer a second one under the same name with the first. The file
    that names it appears last, when the library is on the disk.
    """
    folder = cache_folder(FOLDER)
    if folder is None:
        return
    try:
        content = Path(str(module.__file__)).read_bytes()
        library = f"{name}-{_digest(content)}.so"
        told = {"library": library, "sizes": direct.sizes, "places": direct.places, "answer": direct.answer}
        for file, bytes_ in ((library, content), (f"{name}.json", json.dumps(told).encode())):
            _write(folder / file, bytes_)
    except OSError:  # the disk is full, say: then the next process compiles
        return


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, whoever else writes it and even if the power fails."""
    with tempfile.TemporaryDirectory(dir=path.parent) as aside:
        made = Path(aside) / path.name
        with made.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)


def load(name: str) -> Direct | None:
    """What an earlier process kept under this fingerprint."""
    folder = cache_folder(FOLDER)
    if folder is None or not (folder / f"{name}.json").exists():
        return None
    try:
        about = json.loads((folder / f"{name}.json").read_text())
        library = folder / about["library"]
        if library.name != f"{name}-{_digest(library.read_bytes())}.so":
            return None
        places = [(int(group), str(tensor)) for group, tensor in about["places"]]
        # as torch._inductor.codecache does before it loads such a module
        pointer = torch._C._dynamo.guards._torchinductor_pyobject_tensor_data_ptr  # type: ignore[attr-defined]
        os.environ["_TORCHINDUCTOR_PYOBJECT_TENSOR_DATA_PTR"] = str(pointer)
        spec = spec_from_file_location(f"maxent_{_digest(library.name.encode())}.{ENTRY}", library)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return Direct(list(about["sizes"]), places, int(about["answer"]), _code(module))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError):
        return None  # not as `save` leaves it: it is made anew
