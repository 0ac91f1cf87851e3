import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from maxent.errors import UserError
from maxent.runs.observer import Record, RunHeader
from maxent.runs.sinks import CsvSink
from maxent.runs.tags import LEADING_TAGS, RUN_TAGS
from maxent.view import curve
from maxent.view.curve import draw_curve, read_metrics
from maxent.view.readings import tick

TAGS = (*LEADING_TAGS, *RUN_TAGS)

BLUE = np.array([0x1F, 0x5F, 0xA8]) / 255


def open_sink(path, members):
    sink = CsvSink(path, TAGS)
    sink.on_start(RunHeader("sac", "Line-v0", members, "cpu", compiled=False, steps=20_000))
    return sink


def write_run(path, members, *, training=True, evaluations=20):
    """A made-up run whose evaluation is 100·step/1000 + member, with a few episodes missing at its start."""
    sink = open_sink(path, members)
    for index in range(1, 21):
        values = {}
        if training:
            known = np.full(members, 50.0 * index) if index > 2 else np.full(members, np.nan)
            values["rollout/ep_rew_mean"] = known
        if index <= evaluations:
            values["eval/mean_reward"] = 100.0 * index + np.arange(members)
        sink.on_record(Record(1000 * index, values))
    sink.on_end("end")
    return path


@pytest.fixture
def figures(monkeypatch):
    """The figures drawn during a test."""
    made = []

    class Spy(curve.Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(curve, "Figure", Spy)
    return made


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def test_columns_come_back_as_they_were_written(tmp_path):
    path = write_run(tmp_path / "metrics.csv", 2, evaluations=10)
    columns = read_metrics(path)
    np.testing.assert_array_equal(columns["step"], 1000.0 * np.arange(1, 21))
    np.testing.assert_array_equal(columns["eval/mean_reward/1"][:10], 100.0 * np.arange(1, 11) + 1)
    assert np.isnan(columns["eval/mean_reward/1"][10:]).all()
    np.testing.assert_array_equal(columns["eval/mean_reward"][:10], 100.0 * np.arange(1, 11) + 0.5)


def test_a_row_cut_by_a_kill_is_left_out(tmp_path):
    path = write_run(tmp_path / "metrics.csv", 1)
    path.write_bytes(path.read_bytes()[:-1])
    assert read_metrics(path)["step"].tolist() == [1000.0 * index for index in range(1, 20)]


def test_another_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_metrics(tmp_path / "metrics.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="not a metrics file"):
        read_metrics(tmp_path / "other.csv")


@pytest.mark.parametrize("members", [1, 4, 10])
def test_the_picture_shows_members_mean_and_interval(tmp_path, figures, members):
    path = write_run(tmp_path / "metrics.csv", members)
    draw_curve(path, tmp_path / "curve.png", "SAC on a line")
    (figure,) = figures
    shown = lines(figure)
    steps = 1000.0 * np.arange(1, 21)
    mean = shown["evaluation" if members == 1 else "evaluation, mean"]
    np.testing.assert_array_equal(mean.get_xdata(), steps)
    np.testing.assert_allclose(mean.get_ydata(), steps / 10 + (members - 1) / 2)
    assert len(figure.axes[0].collections) == (members > 1)  # the band
    assert len(shown) == (2 if members == 1 else members + 2)  # training and evaluation, or members, mean, training
    assert mean.get_linewidth() == max(line.get_linewidth() for line in shown.values())
    training = shown["training" if members == 1 else "training, mean"]
    np.testing.assert_array_equal(training.get_xdata(), steps[2:])
    assert figure.texts[0].get_text() == "SAC on a line"


def test_the_band_is_the_t_interval(tmp_path, figures):
    path = write_run(tmp_path / "metrics.csv", 3)
    draw_curve(path, tmp_path / "curve.png", "title", confidence=0.95)
    (band,) = figures[0].axes[0].collections
    vertices = band.get_paths()[0].vertices
    first = vertices[vertices[:, 0] == 1000.0][:, 1]
    # Values 100, 101, 102: mean 101, s = 1, half-width t(0.975, 2)/√3 = 4.302653/√3 (tables).
    assert first.min() == pytest.approx(101 - 4.302653 / 3**0.5, abs=1e-5)
    assert first.max() == pytest.approx(101 + 4.302653 / 3**0.5, abs=1e-5)


def test_a_run_without_evaluations_shows_its_training(tmp_path, figures):
    path = write_run(tmp_path / "metrics.csv", 2, evaluations=0)
    draw_curve(path, tmp_path / "curve.png", "title")
    assert "training, mean" in lines(figures[0])
    assert figures[0].texts[1].get_text().startswith("Training return: mean of 2 seeds")


def test_a_run_without_an_episode_still_gives_a_picture(tmp_path, figures):
    path = write_run(tmp_path / "metrics.csv", 2, training=False, evaluations=0)
    draw_curve(path, tmp_path / "curve.png", "title")
    assert figures[0].texts[1].get_text() == "no episode has finished yet"
    assert (tmp_path / "curve.png").exists()


def test_one_evaluation_is_a_visible_point(tmp_path, figures):
    path = write_run(tmp_path / "metrics.csv", 2, training=False, evaluations=1)
    draw_curve(path, tmp_path / "curve.png", "title")
    assert lines(figures[0])["evaluation, mean"].get_marker() == "o"


def test_an_enormous_interval_does_not_flatten_the_lines(tmp_path, figures):
    # Two seeds 0 and 100 apart all along: t(0.975, 1) = 12.7 makes the band 635 high on either side of the mean.
    sink = open_sink(tmp_path / "metrics.csv", 2)
    for step in (1000, 2000, 3000):
        sink.on_record(Record(step, {"eval/mean_reward": np.array([0.0, 100.0])}))
    sink.on_end("end")
    draw_curve(tmp_path / "metrics.csv", tmp_path / "curve.png", "title")
    bottom, top = figures[0].axes[0].get_ylim()
    # Half the range of the lines on either side, and 5 % of the whole as a margin: 0 − 50 − 10 and 100 + 50 + 10.
    assert (bottom, top) == pytest.approx((-60.0, 160.0))


def test_the_picture_has_its_size_and_colour(tmp_path):
    path = write_run(tmp_path / "metrics.csv", 1, training=False)
    draw_curve(path, tmp_path / "curve.png", "title", dpi=100)
    picture = matplotlib.image.imread(tmp_path / "curve.png")[..., :3]
    assert picture.shape == (560, 900, 3)
    assert np.abs(picture - BLUE).max(axis=-1).min() < 0.01
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["curve.png", "metrics.csv"]


def test_the_users_backend_is_left_alone():
    code = (
        "import matplotlib; matplotlib.use('svg'); import maxent.view.curve, sys;"
        "assert matplotlib.get_backend() == 'svg'; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("value", "short", "text"),
    [
        (0.0, 1e3, "0"),
        (500.0, 1e3, "500"),
        (7500.0, 1e3, "7.5k"),
        (1_500_000.0, 1e3, "1.5M"),
        (12_000.0, 1e5, "12,000"),
        (-200.0, 1e5, "\N{MINUS SIGN}200"),
        (-2e5, 1e5, "\N{MINUS SIGN}200k"),
    ],
)
def test_ticks(value, short, text):
    assert tick(value, short) == text
