"""evaluations.npz of Stable-Baselines3's EvalCallback."""

import io
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from maxent.errors import UserError
from maxent.results.curves import UNKNOWN, Curve, make_curve
from maxent.results.readers.names import names_of
from maxent.runs.files import naming, read_bytes
from maxent.untrusted import BYTES, short


def read_evaluations(path: Path) -> Curve:
    """Return the curve in an evaluations.npz: mean returns over the episodes of each evaluation.

    The file names neither algorithm nor environment: they come from its folders, which RL Zoo calls
    ALGORITHM/ENVIRONMENT_NUMBER. Nothing pickled is read.
    """
    with naming(path):
        arrays = _arrays(read_bytes(path), ("timesteps", "results"))
        steps, results = arrays["timesteps"], arrays["results"]
        if steps.ndim != 1 or results.ndim not in (1, 2) or len(results) != len(steps) or results[:1].size == 0:
            raise UserError(
                "expected timesteps [n] and results [n, episodes] of Stable-Baselines3, "
                f"got {list(steps.shape)} and {list(results.shape)}."
            )
        folder = path.absolute().parent
        own, above = names_of(folder.name), names_of(folder.parent.name)
        algorithm = own.algorithm or above.algorithm or folder.name
        with np.errstate(over="ignore", invalid="ignore"):
            means = results.reshape(len(steps), -1).mean(axis=1)
        return make_curve(
            algorithm, own.env or above.env or UNKNOWN, -1 if own.seed is None else own.seed, steps, means,
            source=str(path),
        )  # fmt: skip


def _arrays(data: bytes, names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Return arrays of numbers of an npz file as float64; sizes are checked before memory is taken."""
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in names:
                info = archive.getinfo(f"{name}.npy")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise UserError(f"{name}: expected an array as numpy.savez writes it, got another compression.")
                if info.file_size > BYTES:
                    raise UserError(f"{name}: expected at most {BYTES:,} bytes, got {info.file_size:,}.")
                with archive.open(info) as file:
                    found[name] = _array(name, file.read(BYTES))
    except KeyError as error:
        raise UserError(f"expected the arrays {' and '.join(names)}: {error.args[0]}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"it is not a readable npz file: {short(str(error))}.") from error
    return found


def _array(name: str, content: bytes) -> NDArray[np.float64]:
    """Return the array of an npy file."""
    file = io.BytesIO(content)
    try:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = header(file)
    except Exception as error:  # the header is parsed as Python, whose parser raises types of its own
        raise UserError(f"{name}: it is not a readable npy file: {short(str(error))}.") from error
    if dtype.hasobject or dtype.kind not in "iuf":
        raise UserError(f"{name}: expected numbers, got the type {short(str(dtype))}; nothing pickled is read.")
    rest = content[file.tell() :]
    if math.prod(shape) * dtype.itemsize != len(rest) or min(shape, default=0) < 0:
        raise UserError(f"{name}: expected {short(shape)} numbers of {dtype}, got {len(rest):,} bytes.")
    array = np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")
    with np.errstate(over="ignore"):
        return array.astype(np.float64)
