"""Files of tensors: safetensors, which cannot run code."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from maxent.errors import UserError
from maxent.runs.files import replacing, require_regular, sha256


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors, completely or not at all, and return the SHA-256 of the file."""
    with replacing(path) as temporary:
        try:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
        except SafetensorError as error:  # raised for a full disk as well
            raise UserError(f"{path} cannot be written: {error}.") from error
        digest = sha256(temporary)
    return digest


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file."""
    require_regular(path)
    try:
        return load_file(path)
    except Exception as error:  # the library raises its own type for a damaged file
        raise UserError(f"{path} is not a readable safetensors file: {error}.") from error
