import csv
import struct

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from maxent.errors import UserError
from maxent.runs.observer import Observer, Record, RunHeader
from maxent.runs.sinks import CsvSink, TensorBoardSink, csv_columns
from maxent.runs.tags import LEADING_TAGS, RUN_TAGS, SHARED_TAGS

MEMBERS = 3
TAGS = (*LEADING_TAGS, "train/actor_loss", "train/entropy", *RUN_TAGS)


def record(step, members=MEMBERS, tags=TAGS, shift=0.0):
    """Every value tells its tag, member and step; awkward in decimal, so that digits cannot be lost unseen."""
    shared = {tag: np.full(members, TAGS.index(tag) + step / 7 + shift) for tag in tags if tag in SHARED_TAGS}
    own = {tag: TAGS.index(tag) + np.arange(members) / 3 + step / 7 + shift for tag in tags if tag not in SHARED_TAGS}
    return Record(step, shared | own)


def started(sink, members=MEMBERS, start=0):
    """The sink of a run that starts at a step."""
    sink.on_start(RunHeader("sac", "Pendulum-v1", members, "cpu", compiled=False, steps=10_000, start=start))
    return sink


def write_all(sink, records):
    for entry in records:
        sink.on_record(entry)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_member_has_plain_columns_only():
    assert csv_columns(1, TAGS) == ("step", *TAGS)


def test_member_columns_follow_the_plain_ones():
    columns = csv_columns(2, ("eval/mean_reward", "time/fps"))
    assert columns == ("step", "eval/mean_reward", "time/fps", "eval/mean_reward/0", "eval/mean_reward/1")


def test_a_row_holds_every_digit_of_members_and_means(tmp_path):
    sink = started(CsvSink(tmp_path / "metrics.csv", TAGS), MEMBERS)
    entry = record(1000)
    sink.on_record(entry)
    (row,) = rows_of(tmp_path / "metrics.csv")  # read while the sink is open: a kill now would lose nothing
    sink.on_end("end")
    assert row["step"] == "1000"
    for tag, value in entry.values.items():
        if tag in SHARED_TAGS:
            assert float(row[tag]) == value[0]
            assert f"{tag}/0" not in row
        else:
            assert [float(row[f"{tag}/{member}"]) for member in range(MEMBERS)] == value.tolist()
            assert float(row[tag]) == value.mean()


def test_unknown_values_are_nan_and_absent_tags_are_empty(tmp_path):
    sink = started(CsvSink(tmp_path / "metrics.csv", TAGS), 2)
    sink.on_record(Record(1, {"rollout/ep_rew_mean": np.array([np.nan, 2.0])}))
    sink.on_end("end")
    (row,) = rows_of(tmp_path / "metrics.csv")
    assert (row["rollout/ep_rew_mean"], row["rollout/ep_rew_mean/0"], row["rollout/ep_rew_mean/1"]) == (
        "nan",
        "nan",
        "2.0",
    )
    assert (row["eval/mean_reward"], row["eval/mean_reward/1"]) == ("", "")


@pytest.mark.parametrize("members", [1, MEMBERS])
@pytest.mark.parametrize("torn", [False, True])
def test_a_resumed_file_ends_as_an_uninterrupted_one(tmp_path, members, torn):
    whole = started(CsvSink(tmp_path / "whole.csv", TAGS), members)
    write_all(whole, [record(step, members) for step in range(1000, 10_001, 1000)])
    whole.on_end("end")
    path = tmp_path / "resumed.csv"
    first = started(CsvSink(path, TAGS), members)
    write_all(first, [record(step, members) for step in range(1000, 5_001, 1000)])
    write_all(first, [record(step, members, shift=9.0) for step in range(6000, 8_001, 1000)])  # after the checkpoint
    first.on_end("end")
    if torn:  # killed in the middle of a row
        path.write_bytes(path.read_bytes()[:-25])
    second = started(CsvSink(path, TAGS, resume=True), members, start=5000)
    write_all(second, [record(step, members) for step in range(6000, 10_001, 1000)])
    second.on_end("end")
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["resumed.csv", "whole.csv"]


def test_a_torn_row_before_the_checkpoint_is_dropped_too(tmp_path):
    path = tmp_path / "metrics.csv"
    first = started(CsvSink(path, TAGS), 1)
    write_all(first, [record(1000, 1), record(2000, 1)])
    first.on_end("end")
    path.write_bytes(path.read_bytes()[:-1])
    started(CsvSink(path, TAGS, resume=True), 1, start=5000).on_end("end")
    assert [row["step"] for row in rows_of(path)] == ["1000"]


def test_resuming_without_a_file_starts_one(tmp_path):
    started(CsvSink(tmp_path / "metrics.csv", TAGS, resume=True), 1, start=0).on_end("end")
    assert (tmp_path / "metrics.csv").read_text() == ",".join(csv_columns(1, TAGS)) + "\n"


def test_another_runs_file_is_neither_overwritten_nor_appended_to(tmp_path):
    path = tmp_path / "metrics.csv"
    started(CsvSink(path, TAGS), 1).on_end("end")
    before = path.read_bytes()
    with pytest.raises(UserError, match="already holds a run"):
        started(CsvSink(path, TAGS), 1)
    with pytest.raises(UserError, match=r"2 member\(s\)"):
        started(CsvSink(path, TAGS, resume=True), 2, start=0)
    assert path.read_bytes() == before


BROKEN = [b"x,1.0\n", b"\n", b"1.5,2\n", b"\x00\x00\n", b"\xda\x80\n"]


@pytest.mark.parametrize("row", BROKEN)
def test_a_broken_row_before_a_whole_one_is_a_sentence(tmp_path, row):
    path = tmp_path / "metrics.csv"
    first = started(CsvSink(path, TAGS), 1)
    first.on_record(record(1000, 1))
    first.on_end("end")
    header, whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(header + row + whole)
    with pytest.raises(UserError, match="line 2: expected a row of numbers that starts with a step"):
        started(CsvSink(path, TAGS, resume=True), 1, start=1000)


@pytest.mark.parametrize("row", BROKEN)
def test_what_a_power_cut_left_after_the_checkpoint_is_dropped(tmp_path, row):
    path = tmp_path / "metrics.csv"
    first = started(CsvSink(path, TAGS), 1)
    write_all(first, [record(1000, 1), record(2000, 1)])
    first.on_end("end")
    whole = path.read_bytes()
    path.write_bytes(whole + row + row)
    started(CsvSink(path, TAGS, resume=True), 1, start=2000).on_end("end")
    assert path.read_bytes() == whole


def test_columns_cannot_grow(tmp_path):
    sink = started(CsvSink(tmp_path / "metrics.csv", ("eval/mean_reward",)), 1)
    with pytest.raises(ValueError, match="train/entropy"):
        sink.on_record(Record(1, {"train/entropy": np.zeros(1)}))
    sink.on_end("end")
    sink.on_end("end")


def read_events(folder):
    """The events of a folder in the order TensorBoard reads them; both checksums of every TFRecord are verified."""
    events = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            body = data[at + 12 : at + 12 + length]
            assert struct.unpack_from("<I", data, at + 8)[0] == masked_crc32c(data[at : at + 8])
            assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked_crc32c(body)
            events.append(Event.FromString(body))
            at += 16 + length
    return events


def scalars(folder, tag):
    """What TensorBoard shows for a tag: a restarted session takes back the points from its step on."""
    points = {}
    for event in read_events(folder):
        if event.HasField("session_log"):
            points = {step: value for step, value in points.items() if step < event.step}
        for value in event.summary.value:
            if value.tag == tag:
                points[event.step] = value.simple_value
    return points


def test_tensorboard_has_the_mean_above_and_the_members_in_folders(tmp_path):
    sink = started(TensorBoardSink(tmp_path), MEMBERS)
    entry = record(1000)
    sink.on_record(entry)
    shown = scalars(tmp_path, "train/entropy")  # read while the sink is open
    assert shown == {1000: pytest.approx(entry.values["train/entropy"].mean(), rel=1e-6)}
    for member in range(MEMBERS):
        folder = tmp_path / f"member_{member}"
        value = entry.values["train/entropy"][member]
        assert scalars(folder, "train/entropy") == {1000: pytest.approx(value, rel=1e-6)}
        assert scalars(folder, "time/fps") == {}
    assert set(scalars(tmp_path, "time/fps")) == {1000}
    sink.on_end("end")


def test_tensorboard_of_one_member_has_no_folders(tmp_path):
    sink = started(TensorBoardSink(tmp_path), 1)
    sink.on_record(record(1, members=1))
    sink.flush()
    sink.on_end("end")
    assert [path.is_file() for path in tmp_path.iterdir()] == [True]
    assert {value.tag for event in read_events(tmp_path) for value in event.summary.value} == set(TAGS)


def test_tensorboard_leaves_unknown_values_out(tmp_path):
    sink = started(TensorBoardSink(tmp_path), 2)
    sink.on_record(Record(1, {"rollout/ep_rew_mean": np.array([np.nan, 2.0])}))
    sink.on_end("end")
    assert scalars(tmp_path, "rollout/ep_rew_mean") == {}
    assert scalars(tmp_path / "member_0", "rollout/ep_rew_mean") == {}
    assert scalars(tmp_path / "member_1", "rollout/ep_rew_mean") == {1: 2.0}


def test_tensorboard_forgets_what_came_after_the_checkpoint(tmp_path):
    first = started(TensorBoardSink(tmp_path), 2)
    write_all(first, [record(step, 2) for step in (1000, 2000, 3000)])
    first.on_end("end")
    # in the same second: its file needs a name of its own
    second = started(TensorBoardSink(tmp_path, resume=True), 2, start=2000)
    second.on_record(record(4000, 2))
    second.on_end("end")
    for folder in (tmp_path, tmp_path / "member_1"):
        assert list(scalars(folder, "train/entropy")) == [1000, 2000, 4000]
        assert [event.file_version for event in read_events(folder) if event.file_version] == ["brain.Event:2"] * 2


def test_event_files_of_one_second_are_read_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1.7e9)
    for step in range(1000, 13_000, 1000):
        sink = started(TensorBoardSink(tmp_path, resume=True), 1, start=step - 1000)
        sink.on_record(record(step, 1))
        sink.on_end("end")
    assert list(scalars(tmp_path, "train/entropy")) == list(range(1000, 13_000, 1000))


@pytest.mark.parametrize("kind", [CsvSink, TensorBoardSink])
def test_sinks_are_observers_and_end_quietly_before_they_start(tmp_path, kind):
    sink = CsvSink(tmp_path / "x.csv", TAGS) if kind is CsvSink else TensorBoardSink(tmp_path / "x")
    assert isinstance(sink, Observer)
    sink.on_end("error")
    assert list(tmp_path.iterdir()) == []


def test_a_record_before_the_start_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="call on_start first"):
        CsvSink(tmp_path / "x.csv", TAGS).on_record(record(1, 1))


def test_every_event_file_is_closed_when_one_fails(tmp_path, monkeypatch):
    sink = started(TensorBoardSink(tmp_path), 2)
    files = [file._file for file in sink._files]
    failing = iter([None, OSError("I/O error"), None])

    def fsync(_):
        if (error := next(failing)) is not None:
            raise error

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(OSError, match="I/O error"):
        sink.on_end("end")
    assert [file.closed for file in files] == [True] * 3
