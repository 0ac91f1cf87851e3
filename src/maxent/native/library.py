"""The compiled half of the layers: built once for a machine with its own C++ compiler, then loaded from the cache."""

import atexit
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from maxent.cache import cache_folder

SOURCES = ("mlp.cpp",)
HEADERS = ("panels.h",)
FLAGS = {
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw"),
}
"""What the processor has, as torch names it, and what the compiler may therefore use."""


class Library(NamedTuple):
    """A loaded library: its file, and the layout of its activations (`LAYOUT` in `mlp.cpp`)."""

    path: Path
    layout: int


OPTIONS = ("-std=c++20", "-O3", "-fopenmp", "-shared", "-fPIC")


def build(folder: Path, compiler: str, flags: tuple[str, ...]) -> Path:
    """The shared library in `folder`, compiled now unless it is there already.

    Its name has what it was made of: sources, flags, compiler and torch. It appears under that name when it is whole,
    so processes that build at the same time do not disturb each other.
    """
    here = Path(__file__).parent
    made_of = [
        compiler,
        *OPTIONS,
        *flags,
        torch.__version__,
        *((here / name).read_text() for name in (*SOURCES, *HEADERS)),
    ]
    path = folder / f"layers-{hashlib.sha256(chr(0).join(made_of).encode()).hexdigest()[:16]}.so"
    if path.exists():
        return path
    base = Path(torch.__file__).parent
    includes = [f"-I{base / 'include'}", f"-I{base / 'include/torch/csrc/api/include'}"]
    libraries = [f"-L{base / 'lib'}", "-ltorch_cpu", "-lc10"]
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        made = Path(aside) / path.name
        command = [*shlex.split(compiler), *OPTIONS, *flags, *(str(here / name) for name in SOURCES)]
        subprocess.run(
            [*command, "-o", str(made), *includes, *libraries], check=True, capture_output=True, text=True, timeout=300
        )
        with made.open("rb") as file:
            os.fsync(file.fileno())  # what the power cuts off here would crash who loads it
        made.replace(path)
    return path


def load(path: Path) -> Library:
    """Make the operators of a library known to torch."""
    torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
    function = ctypes.CDLL(str(path)).maxent_layout
    function.restype = ctypes.c_long
    return Library(path, function())


def why_not() -> str:
    """What stands in the way of own layers on this machine; empty where nothing does."""
    if os.environ.get("MAXENT_NATIVE", "1") == "0":
        return "MAXENT_NATIVE is 0"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"they were written for Linux on x86-64, not for {sys.platform} on {platform.machine()}"
    if torch.backends.cpu.get_cpu_capability() not in FLAGS:
        return "the processor has no AVX2"
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 13):
        return f"they need torch 2.13, and this is {torch.__version__}"
    if not (os.environ.get("CXX") or shutil.which("g++")):
        return "no g++ was found"
    return ""


def _folder_of_this_process() -> Path:
    """Which others cannot write into, and which goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="maxent-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def find() -> Library | None:
    """The library of this machine; None where there is none, which a warning explains if it is a surprise."""
    if why_not():
        return None
    folder = cache_folder("layers") or _folder_of_this_process()
    compiler, flags = os.environ.get("CXX") or "g++", FLAGS[torch.backends.cpu.get_cpu_capability()]
    try:
        path = build(folder, compiler, flags)
        try:
            return load(path)
        except (OSError, RuntimeError):  # of another system, whose user has the same folder
            path.unlink()
            return load(build(folder, compiler, flags))
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        said = getattr(error, "stderr", None) or str(error)
        warnings.warn(
            f"layers are left to torch: maxent's own could not be built with {compiler} or loaded: {said[-500:]}",
            stacklevel=2,
        )
        return None
