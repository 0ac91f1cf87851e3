"""Readers of the files that other libraries write: their layout, and what is refused."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from foreign_files import record, write_evaluations, write_events
from made_runs import made_run

from maxent.errors import UserError
from maxent.results.readers.episodes import PIECES
from maxent.results.readers.names import Names, names_of
from maxent.results.readers.sources import Source, read_all
from maxent.runs.files import write_json


def read(path, **others):
    curves, notes = read_all([Source(Path(path), **others)])
    assert notes == []
    return curves


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Hopper-v4__sac_continuous_action__3__1700000000", Names("sac_continuous_action", "Hopper-v4", 3)),
        ("SAC_2", Names("SAC", None, 2)),
        ("Pendulum-v1_1", Names(None, "Pendulum-v1", 1)),
        ("sac_Hopper-v4_seed7", Names("sac", "Hopper-v4", 7)),
        ("crossq seed=12", Names("crossq", None, 12)),
        ("my run", Names("my run", None, None)),
        ("", Names(None, None, None)),
    ],
)
def test_names_of_runs(name, expected):
    assert names_of(name) == expected


def test_a_run_folder(tmp_path):
    """Its evaluations: member k has s/100 + 10k at step s, every 2,000 steps; a row of 1,000 steps takes 3 s."""
    first, second = read(made_run(tmp_path / "run"))
    assert (first.algorithm, first.env, first.seed, second.seed) == ("sac", "Pendulum-v1", 7, 8)
    assert first.steps.tolist() == [2_000.0 * k for k in range(1, 11)]
    assert first.returns.tolist() == [20.0 * k for k in range(1, 11)]
    assert second.returns.tolist() == [20.0 * k + 10 for k in range(1, 11)]
    assert first.seconds == pytest.approx([6.0 * k for k in range(1, 11)])
    assert first.settings["learning_rate"] == 0.001
    assert "seed" not in first.settings
    assert first.measured == "evaluation"


def test_the_files_of_a_run_folder_stand_for_it(tmp_path):
    folder = made_run(tmp_path / "run")
    assert [curve.seed for curve in read(folder / "metrics.csv")] == [7, 8]


def test_a_member_without_a_number_where_others_have_one_has_failed(tmp_path):
    folder = made_run(tmp_path / "run", rows=4)
    lines = (folder / "metrics.csv").read_text().splitlines()
    place = lines[0].split(",").index("eval/mean_reward/1")
    cells = lines[-1].split(",")
    cells[place] = "nan"
    (folder / "metrics.csv").write_text("\n".join([*lines[:-1], ",".join(cells)]) + "\n")
    first, second = read(folder)
    assert not first.failed
    assert second.failed
    assert second.returns[0] == 30.0


@pytest.mark.parametrize(("reason", "failed"), [("failed", True), ("interrupted", False), ("finished", False)])
def test_a_run_that_an_error_ended_has_failed(tmp_path, reason, failed):
    folder = made_run(tmp_path / "run", rows=4, steps=20_000)
    write_json(folder / "ending.json", {"format": 1, "reason": reason})
    for curve in read(folder):
        assert curve.failed == failed
        assert curve.steps[-1] == (20_000 if failed else 4_000)
        assert curve.seconds is not None


def test_a_folder_of_run_folders(tmp_path):
    made_run(tmp_path / "a" / "one")
    made_run(tmp_path / "b", algorithm="td3")
    (tmp_path / "notes.csv").write_text("not,a\ncurve,1\n")  # tables count only where there are no runs
    assert [curve.algorithm for curve in read(tmp_path)] == ["sac", "sac", "td3", "td3"]


def test_a_broken_run_of_a_folder_is_named_and_left_out(tmp_path):
    made_run(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("{")
    curves, notes = read_all([Source(tmp_path)])
    assert len(curves) == 2
    assert len(notes) == 1
    assert "bad/config.json" in notes[0]


def test_evaluations_of_stable_baselines3(tmp_path):
    path = write_evaluations(tmp_path / "sac" / "Pendulum-v1_3" / "evaluations.npz", [1000, 2000], [[-3, -5], [-1, -2]])
    (curve,) = read(path)
    assert (curve.algorithm, curve.env, curve.seed) == ("sac", "Pendulum-v1", 3)
    assert curve.steps.tolist() == [1000, 2000]
    assert curve.returns.tolist() == [-4.0, -1.5]


def test_compressed_evaluations_and_numbers_in_fortran_order(tmp_path):
    np.savez_compressed(
        tmp_path / "e.npz", timesteps=np.array([5, 9], ">i4"), results=np.asfortranarray([[1, 2], [3, 4.0]])
    )
    (curve,) = read(tmp_path / "e.npz", label="mine", env="Hopper-v5")
    assert (curve.algorithm, curve.env, curve.seed) == ("mine", "Hopper-v5", 0)
    assert curve.returns.tolist() == [1.5, 3.5]


def npz(**entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(header, body=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


GOOD = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", bytes(8))


class Trap:
    def __reduce__(self):
        return (Path("/nowhere").touch, ())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK no zip", "not a readable npz file"),
        (npz(timesteps=GOOD), "expected the arrays timesteps and results"),
        (npz(timesteps=GOOD, results=b"none"), "not a readable npy file"),
        (npz(timesteps=GOOD, results=npy("{'descr': (")), "not a readable npy file"),
        (
            npz(timesteps=GOOD, results=npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }")),
            "nothing pickled",
        ),
        (
            npz(timesteps=GOOD, results=npy("{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }")),
            "expected numbers",
        ),
        (
            npz(timesteps=GOOD, results=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }")),
            "got 0 bytes",
        ),
        (
            npz(timesteps=GOOD, results=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }")),
            "timesteps \\[n\\]",
        ),
    ],
)
def test_a_damaged_npz_is_refused(tmp_path, data, message):
    (tmp_path / "evaluations.npz").write_bytes(data)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "evaluations.npz")


def test_nothing_pickled_is_read(tmp_path):
    np.savez(tmp_path / "evaluations.npz", timesteps=[1, 2], results=np.array([Trap(), Trap()], dtype=object))
    with pytest.raises(UserError, match="nothing pickled is read"):
        read(tmp_path / "evaluations.npz")


def test_an_array_that_unpacks_to_too_much_is_refused(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("timesteps.npy", bytes(70 * 2**20))
    (tmp_path / "evaluations.npz").write_bytes(file.getvalue())
    with pytest.raises(UserError, match="expected at most 67,108,864 bytes"):
        read(tmp_path / "evaluations.npz")


def test_events_of_stable_baselines3(tmp_path):
    points = {
        "rollout/ep_rew_mean": [(500, -1200.0, 1.0)],
        "eval/mean_reward": [(1000, -900.0, 4.0), (2000, -700.0, 8.0)],
    }
    (curve,) = read(write_events(tmp_path / "SAC_2", points), env="Pendulum-v1")
    assert (curve.algorithm, curve.env, curve.seed, curve.measured) == ("SAC", "Pendulum-v1", 2, "evaluation")
    assert curve.steps.tolist() == [1000, 2000]
    assert curve.returns.tolist() == [-900.0, -700.0]
    assert curve.seconds.tolist() == [4.0, 8.0]


def test_events_of_cleanrl(tmp_path):
    """Episodes are averaged over fiftieths of the run; the settings name the run."""
    episodes = [(step, float(step), step / 100) for step in range(10, 10_001, 10)]
    settings = {"exp_name": "sac_continuous_action", "env_id": "Hopper-v4", "seed": 5, "gamma": 0.99, "autotune": True}
    write_events(tmp_path / "any", {"charts/episodic_return": episodes}, settings)
    (curve,) = read(tmp_path)
    assert (curve.algorithm, curve.env, curve.seed) == ("sac_continuous_action", "Hopper-v4", 5)
    assert curve.measured == "training"
    assert curve.settings == {"gamma": 0.99, "autotune": True}
    assert len(curve.steps) == PIECES
    # The first piece has the episodes that end at 10, 20, …, 200.
    assert (curve.steps[0], curve.returns[0], curve.seconds[0]) == (200.0, 105.0, 2.0)


def test_event_files_of_one_folder_are_one_run(tmp_path):
    write_events(tmp_path / "SAC_1", {"eval/mean_reward": [(1000, 1.0, 1.0)]}, name="events.out.tfevents.1.a")
    write_events(tmp_path / "SAC_1", {"eval/mean_reward": [(2000, 2.0, 2.0)]}, name="events.out.tfevents.2.a")
    (curve,) = read(tmp_path)
    assert curve.steps.tolist() == [1000, 2000]


def test_an_unfinished_record_is_left_out(tmp_path):
    path = write_events(tmp_path / "SAC_1", {"eval/mean_reward": [(1000, 1.0, 1.0), (2000, 2.0, 2.0)]})
    path.write_bytes(path.read_bytes()[:-7])
    assert read(path)[0].steps.tolist() == [1000]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no event file at all", "a checksum differs"),
        (record(b"\xff\xff\xff"), "not a TensorBoard event file"),
        (b"", "expected a tag of returns such as eval/mean_reward"),
    ],
)
def test_a_damaged_event_file_is_refused(tmp_path, data, message):
    (tmp_path / "events.out.tfevents.1.a").write_bytes(data)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "events.out.tfevents.1.a")


def test_another_tag_can_be_named(tmp_path):
    path = write_events(tmp_path / "SAC_1", {"my/return": [(1000, 1.0, 1.0)]})
    assert read(path, metric="my/return")[0].returns.tolist() == [1.0]
    with pytest.raises(UserError, match=r"expected a tag of returns such as eval/mean_reward.*got my/return"):
        read(path)


def test_unknown_seeds_get_free_numbers(tmp_path):
    for number in range(3):
        written(tmp_path / f"run{number}.csv", "step,return\n1,1\n")
    curves, _ = read_all([Source(tmp_path / f"run{number}.csv", "same", "A-v0") for number in range(3)])
    assert [curve.seed for curve in curves] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "does not exist"),
        ("empty", "holds no curves"),
        ("text.txt", "expected a run folder, evaluations.npz"),
    ],
)
def test_what_is_no_source_is_refused(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(UserError, match=message):
        read(tmp_path / name)


def test_links_inside_a_folder_are_refused(tmp_path):
    made_run(tmp_path / "good")
    target = written(tmp_path / "elsewhere.npz", "x")
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "evaluations.npz").symlink_to(target)
    with pytest.raises(UserError, match="expected a regular file, got a symbolic link"):
        read(tmp_path / "runs")
