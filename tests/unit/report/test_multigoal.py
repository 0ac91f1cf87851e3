"""The figure of the four-goal task, for synthetic arrays."""

import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from maxent.report import multigoal
from maxent.report.multigoal import Grid, QPanel, draw, goals_reached

GOALS = np.array([[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0], [0.0, -5.0]])
BLUE = np.array([0x1F, 0x5F, 0xA8]) / 255


def grid(bound, count):
    """Return a paraboloid over the square."""
    x = np.linspace(-bound, bound, count)
    return Grid(x, x, -(x[:, None] ** 2 + x**2))


def panel(*state):
    return QPanel(np.array(state), grid(1.0, 21), np.random.default_rng(0).uniform(-1, 1, (40, 2)))


PANELS = [panel(-2.5, 0.0), panel(0.0, 0.0), panel(2.5, 2.5)]
# straight paths: two east, one north, and one that reaches no goal
WAYS = [np.linspace((0.0, 0.0), end, 9) for end in [(4.5, 0.0), (4.2, 0.3), (0.0, 4.5), (-2.0, 0.0)]]


@pytest.fixture
def figures(monkeypatch):
    """Return the figures drawn during a test."""
    made = []

    class Spy(multigoal.Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(multigoal, "Figure", Spy)
    return made


def test_ends_are_counted_by_goal():
    ends = np.array([[4.5, 0.0], [0.0, 4.5], [0.0, 0.0], [4.0, 0.0]])
    assert goals_reached(ends, GOALS, 1.0).tolist() == [0, 2, -1, -1]


def test_the_figure_shows_paths_goals_and_actions(tmp_path, figures):
    draw(tmp_path / "goals.png", WAYS, GOALS, grid(7.0, 29), PANELS, "Four goals")
    (figure,) = figures
    plane, *choices = figure.axes
    drawn = [np.stack(line.get_data(), axis=1) for line in plane.get_lines()]
    for way in WAYS:
        assert any(len(line) == 9 and (line == way).all() for line in drawn)
    assert [text.get_text() for text in plane.texts] == ["50 %", "0 %", "25 %", "0 %", "1", "2", "3"]
    assert [text.get_text() for text in figure.texts] == [
        "Four goals",
        "4 paths over the value; 75 % reach a goal, shares at the goals",
    ]
    assert len(choices) == 3
    for axes, shown in zip(choices, PANELS, strict=True):
        np.testing.assert_array_equal(np.stack(axes.get_lines()[0].get_data(), axis=1), shown.actions)
    assert choices[0].get_title(loc="left") == "1   Q(s, ·) at s = (−2.5, 0)"


def test_shares_are_those_of_all_paths_also_where_few_are_drawn(tmp_path, figures):
    draw(tmp_path / "goals.png", WAYS, GOALS, grid(7.0, 29), PANELS[:1], "Four goals", shown=1)
    (figure,) = figures
    plane = figure.axes[0]
    assert sum(len(line.get_xdata()) == 9 for line in plane.get_lines()) == 1
    assert [text.get_text() for text in plane.texts][:4] == ["50 %", "0 %", "25 %", "0 %"]
    assert figure.texts[1].get_text() == "One path over the value; 75 % of all 4 reach a goal, shares at the goals"


def test_the_figure_has_its_size_and_contains_all_axes(tmp_path, figures):
    draw(tmp_path / "goals.png", WAYS, GOALS, grid(7.0, 29), PANELS, "Four goals", dpi=100)
    assert matplotlib.image.imread(tmp_path / "goals.png").shape[:2] == (740, 1040)
    (figure,) = figures
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 > 0 and box.y0 > 0 and box.x1 < 1040 and box.y1 < 740
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_the_paths_are_blue_in_the_file(tmp_path):
    draw(tmp_path / "goals.png", WAYS, GOALS, grid(7.0, 29), PANELS[:1], "Four goals", dpi=100)
    image = matplotlib.image.imread(tmp_path / "goals.png")[..., :3]
    assert (np.abs(image - BLUE).max(axis=-1) < 0.3).sum() > 200
    assert not (tmp_path / "goals.png.tmp").exists()


def test_one_path_and_another_value(tmp_path, figures):
    draw(tmp_path / "goals.png", WAYS[:1], GOALS, grid(7.0, 29), PANELS[:2], "Four goals", value_name="soft value")
    assert figures[0].texts[1].get_text() == "One path over the soft value; 100 % reach a goal, shares at the goals"


def test_invalid_arrays_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one trajectory"):
        draw(tmp_path / "goals.png", [], GOALS, grid(7.0, 29), PANELS, "Four goals")
    with pytest.raises(ValueError, match="one to three panels, got 4"):
        draw(tmp_path / "goals.png", WAYS, GOALS, grid(7.0, 29), [*PANELS, PANELS[0]], "Four goals")
    with pytest.raises(ValueError, match=r"\[Y, X\] = \[2, 3\], got \[3, 2\]"):
        Grid(np.arange(3), np.arange(2), np.zeros((3, 2)))


def test_pyplot_and_torch_are_not_imported():
    code = "import sys, maxent.report.multigoal; print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
