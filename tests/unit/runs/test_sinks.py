import csv
import struct

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from maxent.errors import UserError
from maxent.runs.tags import LEADING_TAGS
from maxent.runs.tags import RUN_TAGS
from maxent.runs.tags import SHARED_TAGS
from maxent.runs.observer import Record
from maxent.runs.sinks import CsvSink, TensorBoardSink, csv_columns

MEMBERS = 3
TAGS = (*LEADING_TAGS, "train/actor_loss", "train/entropy", *RUN_TAGS)


def record(step, members=MEMBERS, tags=TAGS, shift=0.0):
    """Every value tells its tag, member and step; awkward in decimal, so that digits cannot be lost unseen."""
    shared = {tag: np.full(members, TAGS.index(tag) + step / 7 + shift) for tag in tags if tag in SHARED_TAGS}
    own = {tag: TAGS.index(tag) + np.arange(members) / 3 + step / 7 + shift for tag in tags if tag not in SHARED_TAGS}
    return Record(step, shared | own)


def write_all(sink, records):
    for entry in records:
        sink.write(entry)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_member_has_plain_columns_only():
    assert csv_columns(1, TAGS) == ("step", *TAGS)


def test_member_columns_follow_the_plain_ones():
    columns = csv_columns(2, ("eval/mean_reward", "time/fps"))
    assert columns == ("step", "eval/mean_reward", "time/fps", "eval/mean_reward/0", "eval/mean_reward/1")


def test_a_row_holds_every_digit_of_members_and_means(tmp_path):
    sink = CsvSink(tmp_path / "metrics.csv", MEMBERS, TAGS)
    entry = record(1000)
    sink.write(entry)
    (row,) = rows_of(tmp_path / "metrics.csv")  # read while the sink is open: a kill now would lose nothing
    sink.close()
    assert row["step"] == "1000"
    for tag, value in entry.values.items():
        if tag in SHARED_TAGS:
            assert float(row[tag]) == value[0]
            assert f"{tag}/0" not in row
        else:
            assert [float(row[f"{tag}/{member}"]) for member in range(MEMBERS)] == value.tolist()
            assert float(row[tag]) == value.mean()


def test_unknown_values_are_nan_and_absent_tags_are_empty(tmp_path):
    sink = CsvSink(tmp_path / "metrics.csv", 2, TAGS)
    sink.write(Record(1, {"rollout/ep_rew_mean": np.array([np.nan, 2.0])}))
    sink.close()
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
    whole = CsvSink(tmp_path / "whole.csv", members, TAGS)
    write_all(whole, [record(step, members) for step in range(1000, 10_001, 1000)])
    whole.close()
    path = tmp_path / "resumed.csv"
    first = CsvSink(path, members, TAGS)
    write_all(first, [record(step, members) for step in range(1000, 5_001, 1000)])
    write_all(first, [record(step, members, shift=9.0) for step in range(6000, 8_001, 1000)])  # after the checkpoint
    first.close()
    if torn:  # killed in the middle of a row
        path.write_bytes(path.read_bytes()[:-25])
    second = CsvSink(path, members, TAGS, resume_at=5000)
    write_all(second, [record(step, members) for step in range(6000, 10_001, 1000)])
    second.close()
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["resumed.csv", "whole.csv"]


def test_a_torn_row_before_the_checkpoint_is_dropped_too(tmp_path):
    path = tmp_path / "metrics.csv"
    first = CsvSink(path, 1, TAGS)
    write_all(first, [record(1000, 1), record(2000, 1)])
    first.close()
    path.write_bytes(path.read_bytes()[:-1])
    CsvSink(path, 1, TAGS, resume_at=5000).close()
    assert [row["step"] for row in rows_of(path)] == ["1000"]


def test_resuming_without_a_file_starts_one(tmp_path):
    CsvSink(tmp_path / "metrics.csv", 1, TAGS, resume_at=0).close()
    assert (tmp_path / "metrics.csv").read_text() == ",".join(csv_columns(1, TAGS)) + "\n"


def test_another_runs_file_is_neither_overwritten_nor_appended_to(tmp_path):
    path = tmp_path / "metrics.csv"
    CsvSink(path, 1, TAGS).close()
    before = path.read_bytes()
    with pytest.raises(UserError, match="already holds a run"):
        CsvSink(path, 1, TAGS)
    with pytest.raises(UserError, match=r"2 member\(s\)"):
        CsvSink(path, 2, TAGS, resume_at=0)
    assert path.read_bytes() == before


def test_columns_cannot_grow(tmp_path):
    sink = CsvSink(tmp_path / "metrics.csv", 1, ("eval/mean_reward",))
    with pytest.raises(ValueError, match="train/entropy"):
        sink.write(Record(1, {"train/entropy": np.zeros(1)}))
    sink.close()
    sink.close()


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
    sink = TensorBoardSink(tmp_path, MEMBERS)
    entry = record(1000)
    sink.write(entry)
    shown = scalars(tmp_path, "train/entropy")  # read while the sink is open
    assert shown == {1000: pytest.approx(entry.values["train/entropy"].mean(), rel=1e-6)}
    for member in range(MEMBERS):
        folder = tmp_path / f"member_{member}"
        value = entry.values["train/entropy"][member]
        assert scalars(folder, "train/entropy") == {1000: pytest.approx(value, rel=1e-6)}
        assert scalars(folder, "time/fps") == {}
    assert set(scalars(tmp_path, "time/fps")) == {1000}
    sink.close()


def test_tensorboard_of_one_member_has_no_folders(tmp_path):
    sink = TensorBoardSink(tmp_path, 1)
    sink.write(record(1, members=1))
    sink.flush()
    sink.close()
    assert [path.is_file() for path in tmp_path.iterdir()] == [True]
    assert {value.tag for event in read_events(tmp_path) for value in event.summary.value} == set(TAGS)


def test_tensorboard_leaves_unknown_values_out(tmp_path):
    sink = TensorBoardSink(tmp_path, 2)
    sink.write(Record(1, {"rollout/ep_rew_mean": np.array([np.nan, 2.0])}))
    sink.close()
    assert scalars(tmp_path, "rollout/ep_rew_mean") == {}
    assert scalars(tmp_path / "member_0", "rollout/ep_rew_mean") == {}
    assert scalars(tmp_path / "member_1", "rollout/ep_rew_mean") == {1: 2.0}


def test_tensorboard_forgets_what_came_after_the_checkpoint(tmp_path):
    first = TensorBoardSink(tmp_path, 2)
    write_all(first, [record(step, 2) for step in (1000, 2000, 3000)])
    first.close()
    second = TensorBoardSink(tmp_path, 2, resume_at=2000)  # in the same second: its file needs a name of its own
    second.write(record(4000, 2))
    second.close()
    for folder in (tmp_path, tmp_path / "member_1"):
        assert list(scalars(folder, "train/entropy")) == [1000, 2000, 4000]
        assert [event.file_version for event in read_events(folder) if event.file_version] == ["brain.Event:2"] * 2
