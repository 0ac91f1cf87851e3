"""The compiled library of the layers: built once for a machine with its C++ compiler, then loaded from the cache."""

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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from maxent.cache import cache_folder

SOURCES = ("mlp.cpp",)
HEADERS = ("backward.h", "forward.h", "network.h", "panels.h", "team.h")
FLAGS = {
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw"),
}
"""The compiler's flags for each set of vector instructions, by torch's name; the later have all of the earlier."""


class UnavailableError(Exception):
    """Own layers cannot be used in this process, for the reason in the message."""


class Library(NamedTuple):
    """A loaded library: its file, the layout of its activations (`LAYOUT` in `mlp.cpp`), and a function of it."""

    path: Path
    layout: int
    use_threads: Callable[[int], int]


OPTIONS = ("-std=c++20", "-O3", "-pthread", "-shared", "-fPIC")


HERE = Path(__file__).parent


def packaged() -> Path:
    """Return where a wheel with built layers has the library for this processor (`make wheel`)."""
    return HERE / f"layers-{capability()}.so"


def compile_to(made: Path, compiler: str, flags: tuple[str, ...]) -> None:
    """Compile the library into a file."""
    base = Path(torch.__file__).parent
    includes = [f"-I{base / 'include'}", f"-I{base / 'include/torch/csrc/api/include'}"]
    libraries = [f"-L{base / 'lib'}", "-ltorch_cpu", "-lc10"]
    command = [*shlex.split(compiler), *OPTIONS, *flags, *(str(HERE / name) for name in SOURCES)]
    subprocess.run(
        [*command, "-o", str(made), *includes, *libraries], check=True, capture_output=True, text=True, timeout=300
    )


def build(folder: Path, compiler: str, flags: tuple[str, ...]) -> Path:
    """Return the shared library in `folder`, compiled now unless it is there already.

    Its name holds a hash of what it was made of (sources, flags, compiler, torch) and a hash of its content; a file
    whose content is another is removed. A library is renamed into place when it is complete, so processes that build
    at the same time do not disturb each other.
    """
    made_of = [
        compiler,
        *OPTIONS,
        *flags,
        torch.__version__,
        *((HERE / name).read_text() for name in (*SOURCES, *HEADERS)),
    ]
    stem = f"layers-{hashlib.sha256(chr(0).join(made_of).encode()).hexdigest()[:16]}-"
    for path in sorted(folder.glob(f"{stem}*.so")):
        if path.name == f"{stem}{_content_hash(path)}.so":
            return path
        path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        made = Path(aside) / "layers.so"
        compile_to(made, compiler, flags)
        with made.open("rb") as file:
            os.fsync(file.fileno())
        return made.replace(folder / f"{stem}{_content_hash(made)}.so")


def _content_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(path: Path) -> Library:
    """Load a library, which registers its operators with torch."""
    torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
    functions = ctypes.CDLL(str(path))
    functions.maxent_layout.restype = ctypes.c_long
    functions.maxent_use_threads.restype = ctypes.c_int
    return Library(path, functions.maxent_layout(), functions.maxent_use_threads)


def capability() -> str:
    """Return the vector instructions of the processor, as torch names them."""
    return torch.backends.cpu.get_cpu_capability()


def obstacle() -> str:
    """Return what keeps own layers from this machine, or an empty string."""
    if os.environ.get("MAXENT_NATIVE", "1") == "0":
        return "MAXENT_NATIVE is 0"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"own layers support Linux on x86-64, not {sys.platform} on {platform.machine()}"
    if capability() not in FLAGS:
        return "the processor has no AVX2"
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 13):
        return f"own layers need torch 2.13, and this is {torch.__version__}"
    if not (packaged().exists() or os.environ.get("CXX") or shutil.which("g++")):
        return "no g++ was found"
    return ""


def _temporary_folder() -> Path:
    """Make a folder that other users cannot write to and that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="maxent-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def find() -> Library:
    """Return the library of this machine, built if necessary; raise UnavailableError if that fails.

    The one of a wheel comes first. It may not load where torch is another version; then one is built as from sources.
    """
    if packaged().exists():
        with suppress(OSError, RuntimeError):
            return load(packaged())
    compiler, flags = os.environ.get("CXX") or "g++", FLAGS[capability()]
    try:
        folder = cache_folder("layers") or _temporary_folder()
        path = build(folder, compiler, flags)
        try:
            return load(path)
        except (OSError, RuntimeError):  # built on another system that shares the folder
            path.unlink()
            return load(build(folder, compiler, flags))
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        details = (getattr(error, "stderr", None) or str(error))[-500:]
        raise UnavailableError(f"own layers could not be built with {compiler} or loaded: {details}") from error
