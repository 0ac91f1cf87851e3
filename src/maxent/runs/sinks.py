"""Observers that write the records of a run: a CSV file and TensorBoard event files.

A record that `on_record` received survives the death of the process; `flush` brings it to the disk.
"""

import os
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO, final

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from maxent.errors import UserError
from maxent.runs.files import (
    is_taken,
    make_folder,
    open_regular,
    read_bytes,
    sync,
    write_text,
)
from maxent.runs.observer import Observer, Record, RunHeader
from maxent.runs.tags import SHARED_TAGS
from maxent.untrusted import short


def csv_columns(members: int, tags: Sequence[str]) -> tuple[str, ...]:
    """Return the header of metrics.csv: step, one column for each tag, then one for each member and tag.

    The plain columns come first and are the same for every number of members: `frame["eval/mean_reward"]` is the
    member's value in a run with one and the mean over members in a run with several. There,
    `frame.filter(like="eval/mean_reward/")` is the table of the members. Tags of the run as a whole (`SHARED_TAGS`)
    have no member columns.
    """
    own = [f"{tag}/{member}" for tag in tags if tag not in SHARED_TAGS for member in range(members)]
    return ("step", *tags, *(own if members > 1 else []))


@final
class CsvSink(Observer):
    """Writes records as rows of a CSV file, floats with all their digits.

    A value is empty where the record lacks its tag and `nan` where a member has none yet; a mean over members is `nan`
    unless every member has a value, since a mean over fewer would be another quantity.

    Args:
        path: the file.
        tags: the tags a record may hold.
        resume: continue a file that exists, instead of refusing it. It is cut to the rows up to the step where training
            starts, then appended to: a resumed run leaves the file that an uninterrupted one leaves, except for the
            columns time/*. For that, a run writes the record of a step before the checkpoint of that step.
    """

    def __init__(self, path: Path, tags: Sequence[str], *, resume: bool = False) -> None:
        self.path, self.tags, self.resume = path, tuple(tags), resume
        self._members = 1
        self._file: TextIO | None = None

    def on_start(self, header: RunHeader) -> None:
        """Open the file, with its header and the rows to keep."""
        self._members = header.members
        if is_taken(self.path) and not self.resume:
            raise UserError(f"{self.path} already holds a run: choose another folder, or resume that run.")
        write_text(self.path, "".join(self._kept(header.start)))
        descriptor = open_regular(self.path, os.O_WRONLY | os.O_APPEND)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8", newline="")

    def _kept(self, start: int) -> list[str]:
        """Return the header and the complete rows up to a step."""
        header = _line(csv_columns(self._members, self.tags))
        if not is_taken(self.path):
            return [header]
        lines = read_bytes(self.path).splitlines(keepends=True)
        if not lines or lines[0] != header.encode():
            raise UserError(
                f"{self.path}: expected the columns of a run with {self._members} member(s), found others; "
                "it belongs to another run or version. Move it away to resume without its rows."
            )
        steps = [_step_of(line, header) for line in lines]
        # a kill may have cut the last row, a power cut garbled all that came after the checkpoint
        kept = max((number for number, step in enumerate(steps) if step is not None and step <= start), default=0)
        for number in range(1, kept):
            if steps[number] is None:
                raise UserError(
                    f"{self.path}, line {number + 1}: expected a row of numbers that starts with a step, found "
                    f"{short(lines[number].decode(errors='replace'))}. Move it away to resume without its rows."
                )
        pairs = zip(lines[1 : kept + 1], steps[1 : kept + 1], strict=True)
        return [header, *(line.decode() for line, step in pairs if step is not None and step <= start)]

    def on_record(self, record: Record) -> None:
        """Append one row and pass it to the operating system, so that killing the process does not lose it."""
        unknown = record.values.keys() - set(self.tags)
        if unknown:
            raise ValueError(f"{self.path}: its columns are fixed and lack {sorted(unknown)}")
        means, members = [], []
        for tag in self.tags:
            value = record.values.get(tag)
            shared = tag in SHARED_TAGS
            if value is not None:
                means.append(repr(float(value[0] if shared else value.mean())))
            else:
                means.append("")
            if self._members > 1 and not shared:
                members += [""] * self._members if value is None else [repr(float(entry)) for entry in value]
        file = self._started()
        file.write(_line([str(record.step), *means, *members]))
        file.flush()

    def _started(self) -> TextIO:
        if self._file is None:
            raise RuntimeError(f"{self.path} is not open: call on_start first")
        return self._file

    def flush(self) -> None:
        """Bring the rows to the disk."""
        os.fsync(self._started().fileno())

    def on_end(self, reason: str) -> None:
        """Flush and close the file."""
        if self._file is not None:
            file, self._file = self._file, None
            with file:
                os.fsync(file.fileno())


def _step_of(line: bytes, header: str) -> int | None:
    """Return the step of a complete row of numbers; None for anything else."""
    cells = line.split(b",")
    if not line.endswith(b"\n") or len(cells) != header.count(",") + 1:
        return None
    try:
        for cell in cells[1:]:
            float(cell.strip() or b"nan")
        return int(cells[0])
    except ValueError:
        return None


def _line(cells: Sequence[str]) -> str:
    """Return one line of CSV. No cell contains a comma or a quote: tags are names and values are numbers."""
    return ",".join(cells) + "\n"


@final
class TensorBoardSink(Observer):
    """Writes records as TensorBoard scalars, under the tags that Stable-Baselines3 uses.

    The folder itself holds the mean over members; with several, its subfolders member_0 … hold each member under the
    same tags. TensorBoard then draws one chart per tag with a line per run, mean and members overlaid, and its run list
    switches members on and off. Tags like train/entropy/member_3 would make P charts of each one instead.

    Values that are not known yet (NaN) are left out.

    Deviation from tensorboardX's SummaryWriter: it starts two threads and a pipe for each folder and loses the content
    of its queue when the process is killed; here each record is passed to the operating system at once.

    Args:
        folder: the folder for event files.
        resume: make TensorBoard discard the points after the step where training starts; the run writes them again.
    """

    def __init__(self, folder: Path, *, resume: bool = False) -> None:
        self.folder, self.resume = folder, resume
        self._files: list[_EventFile] = []
        self._paths: list[Path] = []  # of the files that were opened before

    def on_start(self, header: RunHeader) -> None:
        """Open an event file for the mean and, with several members, for each of them; the same ones as before."""
        members = header.members if header.members > 1 else 0
        folders = [self.folder, *(self.folder / f"member_{member}" for member in range(members))]
        for at, folder in enumerate(folders):
            self._files.append(_EventFile(folder, self._paths[at] if self._paths else None))
        self._paths = [file.path for file in self._files]
        if self.resume:
            for file in self._files:
                file.write(Event(step=header.start + 1, session_log=SessionLog(status=SessionLog.START)))

    def on_record(self, record: Record) -> None:
        """Add one point to each tag."""
        mean = {tag: float(value.mean()) for tag, value in record.values.items()}
        own = {tag: value for tag, value in record.values.items() if tag not in SHARED_TAGS}
        members = [{tag: float(value[k]) for tag, value in own.items()} for k in range(len(self._files) - 1)]
        for file, values in zip(self._files, [mean, *members], strict=True):
            known = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value == value]
            if known:
                file.write(Event(step=record.step, summary=Summary(value=known)))

    def flush(self) -> None:
        """Bring the points to the disk."""
        for file in self._files:
            file.flush()

    def on_end(self, reason: str) -> None:
        """Flush and close the files."""
        files, self._files = self._files, []
        with ExitStack() as closing:  # every file is closed even if one of them fails
            for file in files:
                closing.callback(file.close)


@final
class _EventFile:
    """A TensorBoard event file: TFRecords, each a protocol buffer between its length and checksums.

    Args:
        folder: where a new file is made.
        path: a file to append to, instead.
    """

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        if path is not None:
            self._file, self.path = os.fdopen(open_regular(path, os.O_WRONLY | os.O_APPEND), "ab"), path
            return
        make_folder(folder)
        # TensorBoard reads the files of a folder in the order of their names; the count separates two of one second.
        count = len(list(folder.glob("events.out.tfevents.*")))
        self.path = folder / f"events.out.tfevents.{int(time.time()):010d}.{count:06d}"
        self._file = self.path.open("xb")
        self.write(Event(file_version="brain.Event:2"))
        sync(folder)

    def write(self, event: Event) -> None:
        """Append one event and pass it to the operating system."""
        event.wall_time = time.time()
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        checks = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        self._file.write(length + checks[0] + data + checks[1])
        self._file.flush()

    def flush(self) -> None:
        """Bring the events to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and close the file."""
        with self._file as file:
            os.fsync(file.fileno())
