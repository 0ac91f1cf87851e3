"""TensorBoard event files, as CleanRL and Stable-Baselines3 write them."""

import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from maxent.errors import UserError
from maxent.results.curves import UNKNOWN, Curve, Measured, make_curve
from maxent.results.readers.episodes import EPISODES, averaged
from maxent.results.readers.names import names_of
from maxent.runs.files import naming, open_regular

TAGS: tuple[tuple[str, Measured], ...] = (
    ("eval/mean_reward", "evaluation"),
    ("eval/episodic_return", "evaluation"),
    ("charts/eval_episodic_return", "evaluation"),
    ("rollout/ep_rew_mean", "training"),
    ("charts/episodic_return", "training"),
)
"""Tags of returns; the first that a file has counts."""
MOST_BYTES = 2**30
"""Size of an event file."""
RECORD = 2**20
"""Bytes of a record that is read; longer ones hold pictures and are skipped."""
POINTS = 4_000_000
"""Points of all tags that are read."""


def read_events(paths: Sequence[Path], metric: str | None = None) -> Curve:
    """Return the curve of a run from its event files, oldest first.

    Algorithm, environment and seed come from the settings that CleanRL stores, else from the names of the folders.
    """
    wanted = [metric] if metric is not None else [tag for tag, _ in TAGS]
    points: dict[str, list[tuple[float, float, float]]] = {tag: [] for tag in wanted}  # step, value, wall time
    settings: dict[str, Any] = {}
    started = float("inf")
    seen: set[str] = set()
    for path in paths:
        with naming(path):
            for event in _events(path):
                started = min(started, event.wall_time)
                for value in event.summary.value:
                    seen.add(value.tag)
                    if value.tag == "hyperparameters/text_summary":
                        settings |= _settings(value)
                    elif value.tag in points and (number := _number(value)) is not None:
                        points[value.tag].append((float(event.step), number, event.wall_time))
    path = paths[-1]
    with naming(path):
        tag = next((tag for tag in wanted if points[tag]), None)
        if tag is None:
            listed = ", ".join(sorted(seen)[:12]) or "none"
            raise UserError(f"expected a tag of returns such as {', '.join(wanted[:4])}, got {listed}.")
        steps, values, times = np.array(points[tag], dtype=np.float64).T
        if tag in EPISODES:
            steps, values, times = averaged(steps, values, times)
        names = names_of(path.absolute().parent.name)
        above = names_of(path.absolute().parent.parent.name)
        seed = settings.get("seed", names.seed)
        return make_curve(
            str(settings.get("exp_name") or names.algorithm or path.absolute().parent.name),
            str(settings.get("env_id") or names.env or above.env or UNKNOWN),
            seed if isinstance(seed, int) else -1,
            steps, values, times - started,
            settings={name: value for name, value in settings.items() if name not in ("seed", "env_id", "exp_name")},
            source=str(path.parent), measured=dict(TAGS).get(tag, "evaluation"),
        )  # fmt: skip


def _events(path: Path) -> Iterator[Event]:
    """Yield the events of a file: TFRecords, each between its length and checksums; an unfinished last one is left out.

    The length is checked by its checksum, the content by its parser.
    """
    read = 0
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise UserError(f"expected at most {MOST_BYTES:,} bytes, got {size:,}.")
        while len(head := file.read(12)) == 12:
            length, check = struct.unpack("<QI", head)
            if check != masked_crc32c(head[:8]):
                raise UserError("it is not a TensorBoard event file: a checksum differs.")
            if length + 4 > size - file.tell():
                return
            if length > RECORD:
                file.seek(length + 4, os.SEEK_CUR)
                continue
            data = file.read(length)
            file.seek(4, os.SEEK_CUR)
            try:
                event = Event.FromString(data)
            except Exception as error:  # protobuf raises a type of its own
                raise UserError(f"it is not a TensorBoard event file: {error}.") from error
            read += len(event.summary.value)
            if read > POINTS:
                raise UserError(f"expected at most {POINTS:,} points, got more.")
            yield event


def _number(value: Any) -> float | None:
    """Return the number of a scalar, in the old or the new form; None for anything else."""
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    if value.WhichOneof("value") == "tensor" and len(value.tensor.float_val) == 1:
        return float(value.tensor.float_val[0])
    return None


def _settings(value: Any) -> dict[str, Any]:
    """Return the rows |name|value| of the table that CleanRL stores as a text."""
    text = b"".join(value.tensor.string_val)[:100_000].decode("utf-8", "replace")
    rows = re.findall(r"^\|([A-Za-z_]\w{0,60})\|([^|\n]{0,200})\|$", text, re.MULTILINE)
    return {name: _plain(cell) for name, cell in rows if (name, cell) != ("param", "value")}


def _plain(cell: str) -> Any:
    """Return a cell as a number or a truth value where it is one, else as text."""
    if cell in ("True", "False"):
        return cell == "True"
    for kind in (int, float):
        try:
            return kind(cell) if len(cell) <= 40 else cell
        except ValueError:
            continue
    return cell
