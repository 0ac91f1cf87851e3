"""Where the records of a run go: a CSV file, and TensorBoard event files."""

import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, final

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from maxent.errors import UserError
from maxent.runs.files import sync
from maxent.runs.tags import SHARED_TAGS
from maxent.runs.observer import Record


class Sink(Protocol):
    """A place for records. What `write` took survives the death of the process; `flush` brings it to the disk."""

    def write(self, record: Record) -> None:
        """Take one record; steps never go back."""

    def flush(self) -> None:
        """Bring everything written so far to the disk; call it before a checkpoint is renamed into place."""

    def close(self) -> None:
        """Flush and release the files."""


def csv_columns(members: int, tags: Sequence[str]) -> tuple[str, ...]:
    """The header of metrics.csv: step, one column for each tag, then one for each member and tag.

    The plain columns come first and are the same for every number of members: `frame["eval/mean_reward"]` is the
    member's value in a run with one and the mean over members in a run with several. There,
    `frame.filter(like="eval/mean_reward/")` is the table of the members. Tags of the run as a whole (`SHARED_TAGS`)
    have no member columns.
    """
    own = [f"{tag}/{member}" for tag in tags if tag not in SHARED_TAGS for member in range(members)]
    return ("step", *tags, *(own if members > 1 else []))


@final
class CsvSink:
    """Writes records as rows of a CSV file, floats with all their digits.

    A value is empty where the record lacks its tag and `nan` where a member has none yet; a mean over members is `nan`
    unless every member has a value, since a mean over fewer would be another quantity.

    With `resume_at` the file is cut to the rows up to that step, then appended to: a resumed run leaves the file that
    an uninterrupted one leaves, except for the columns time/*. For that, a run writes the record of a step before the
    checkpoint of that step.
    """

    def __init__(self, path: Path, members: int, tags: Sequence[str], resume_at: int | None = None) -> None:
        self.path = path
        self.members = members
        self.tags = tuple(tags)
        self.columns = csv_columns(members, tags)
        if resume_at is None:
            if path.exists():
                raise UserError(f"{path} already holds a run: choose another folder, or resume that run.")
            lines = [_line(self.columns)]
        else:
            lines = self._kept(resume_at)
        aside = path.with_name(path.name + ".tmp")
        aside.write_text("".join(lines), encoding="utf-8", newline="")
        sync(aside)
        aside.replace(path)
        sync(path.parent)
        self._file = path.open("a", encoding="utf-8", newline="")

    def _kept(self, resume_at: int) -> list[str]:
        """The header and the rows up to a step; a row that a kill cut short is not one of them."""
        header = _line(self.columns)
        if not self.path.exists():
            return [header]
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        if not lines or lines[0] != header:
            raise UserError(
                f"{self.path}: expected the columns of a run with {self.members} member(s), found others; "
                "it belongs to another run or version. Move it away to resume without its rows."
            )
        whole = [line for line in lines[1:] if line.endswith("\n")]
        return [header, *(row for row in whole if int(row.split(",", 1)[0]) <= resume_at)]

    def write(self, record: Record) -> None:
        """Append one row and hand it to the operating system, so that killing the process does not lose it."""
        unknown = record.values.keys() - set(self.tags)
        if unknown:
            raise ValueError(f"the columns of {self.path} are fixed and lack {sorted(unknown)}")
        means, members = [], []
        for tag in self.tags:
            value = record.values.get(tag)
            shared = tag in SHARED_TAGS
            if value is not None:
                means.append(repr(float(value[0] if shared else value.mean())))
            else:
                means.append("")
            if self.members > 1 and not shared:
                members += [""] * self.members if value is None else [repr(float(entry)) for entry in value]
        self._file.write(_line([str(record.step), *means, *members]))
        self._file.flush()

    def flush(self) -> None:
        """Bring the rows to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and close the file."""
        if not self._file.closed:
            self.flush()
            self._file.close()


def _line(cells: Sequence[str]) -> str:
    """One line of CSV. No cell has a comma or a quote in it: tags are names and values are numbers."""
    return ",".join(cells) + "\n"


@final
class TensorBoardSink:
    """Writes records as TensorBoard scalars, under the tags that Stable-Baselines3 uses.

    The folder itself holds the mean over members; with several, its subfolders member_0 … hold each member under the
    same tags. TensorBoard then draws one chart per tag with a line per run, mean and members overlaid, and its run list
    switches members on and off. Tags like train/entropy/member_3 would make P charts of each one instead.

    Values that are not known yet (NaN) are left out. With `resume_at`, TensorBoard is told to forget the points after
    that step, which the resumed run writes again.

    Deviation from tensorboardX's SummaryWriter: it starts two threads and a pipe for each folder and loses what its
    queue holds when the process is killed; here each record is handed to the operating system as it comes.
    """

    def __init__(self, folder: Path, members: int, resume_at: int | None = None) -> None:
        folders = [folder, *(folder / f"member_{member}" for member in range(members) if members > 1)]
        self._files = [_EventFile(folder) for folder in folders]
        if resume_at is not None:
            for file in self._files:
                file.write(Event(step=resume_at + 1, session_log=SessionLog(status=SessionLog.START)))

    def write(self, record: Record) -> None:
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

    def close(self) -> None:
        """Flush and close the files."""
        for file in self._files:
            file.close()
        self._files = []


@final
class _EventFile:
    """A TensorBoard event file: TFRecords, each a protocol buffer between its length and checksums."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names. The count tells apart two of one second.
        count = len(list(folder.glob("events.out.tfevents.*")))
        self._file = (folder / f"events.out.tfevents.{int(time.time()):010d}.{count}").open("xb")
        self.write(Event(file_version="brain.Event:2"))

    def write(self, event: Event) -> None:
        """Append one event and hand it to the operating system."""
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
        self.flush()
        self._file.close()
