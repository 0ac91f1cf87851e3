"""Files of tensors: safetensors, which cannot run code."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from maxent.errors import FileError, UserError
from maxent.runs.files import is_regular, replacing, require_regular, sha256

TEMPORARY = re.compile(r"\.tmp[0-9A-Za-z]{6}")
"""Names of the temporary files of the safetensors library, which writes through one and gives it mode 0600."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors, completely or not at all, and return the SHA-256 of the file."""
    for stale in path.parent.iterdir():  # of a process that was killed
        if TEMPORARY.fullmatch(stale.name) and is_regular(stale):
            stale.unlink()
    with replacing(path) as temporary:
        mode = temporary.stat().st_mode
        try:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
        except SafetensorError as error:  # raised for a full disk as well
            raise UserError(f"{path} cannot be written: {error}.") from error
        temporary.chmod(mode)
        digest = sha256(temporary)
    return digest


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; the library checks that its header agrees with the file's size."""
    require_regular(path)
    try:
        return load_file(path)
    except Exception as error:  # the library raises its own type for a damaged file
        raise FileError(path, f"it is not a readable safetensors file: {error}") from error


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a safetensors file as NumPy arrays."""
    tensors = read_tensors(path)
    try:
        return {name: tensor.numpy() for name, tensor in tensors.items()}
    except TypeError as error:  # bfloat16 and other types that NumPy lacks
        raise FileError(path, f"it holds a tensor that NumPy has no type for: {error}") from error
