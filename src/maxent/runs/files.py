"""Files that cannot run code and are never half written: safetensors and JSON, written aside and renamed into place."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from maxent.errors import UserError


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data, all of it or nothing."""
    aside = path.with_name(path.name + ".tmp")
    aside.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n")
    sync(aside)
    aside.replace(path)
    sync(path.parent)


def read_json(path: Path) -> dict[str, Any]:
    """Plain data, or a sentence about why there is none."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no JSON file: {error}.") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected a JSON object, got {type(data).__name__}.")
    return data


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors, all of them or nothing; answers the file's SHA-256."""
    aside = path.with_name(path.name + ".tmp")
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, aside)
    except SafetensorError as error:  # also what the library makes of a full disk
        raise UserError(f"{path} cannot be written: {error}.") from error
    sync(aside)
    digest = sha256(aside)
    aside.replace(path)
    sync(path.parent)
    return digest


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except Exception as error:  # the library raises its own type for a file that is damaged
        raise UserError(f"{path} is no readable safetensors file: {error}.") from error


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Hand a file or folder to the disk, so that a rename cannot overtake its contents."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_space(folder: Path, needed: int) -> None:
    """Refuse to start what the disk cannot hold."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder} has {free / 1e6:,.0f} MB free and the run needs up to {needed / 1e6:,.0f} MB: "
            "free some space, choose another --run-dir or a smaller --buffer-size."
        )
