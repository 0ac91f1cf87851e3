"""Figures of comparisons: what a publisher asks for, and names that could be taken for something else."""

import re
import zlib

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from maxent.errors import UserError
from maxent.report.comparison import COLUMN, DPI, PAGE, _style, draw_comparison
from maxent.results.comparison import compare
from maxent.results.curves import make_curve

PANELS = ("steps", "minutes", "profile", "intervals", "improvement")


def curves(groups=("sac", "td3"), env="A-v1", seeds=3):
    generator = np.random.default_rng(0)
    steps = np.arange(1, 11) * 100.0
    return [
        make_curve(name, env, seed, steps, generator.normal(place, 1, 10).cumsum(), steps / 10 * (1 + place))
        for place, name in enumerate(groups)
        for seed in range(seeds)
    ]


@pytest.fixture(scope="module")
def comparison():
    return compare(curves())


def streams(data):
    """Return a PDF with its streams unpacked."""
    parts = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)
    return data + b"".join(zlib.decompress(part) for part in parts if part[:1] == b"x")


def test_a_pdf_embeds_its_fonts_and_draws_vectors(comparison, tmp_path):
    draw_comparison(comparison, tmp_path / "f.pdf", PANELS)
    data = streams((tmp_path / "f.pdf").read_bytes())
    assert b"/FontFile2" in data  # TrueType in the file
    assert b"/Type3" not in data  # bitmaps or outlines that journals refuse
    assert b"/Subtype /Image" not in data
    width, _ = (float(one) / 72 for one in re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data).groups())
    assert width == pytest.approx(PAGE, abs=0.01)


def test_an_svg_needs_nothing_else(comparison, tmp_path):
    draw_comparison(comparison, tmp_path / "f.svg", PANELS)
    text = (tmp_path / "f.svg").read_text()
    assert "<text" not in text  # letters are outlines
    assert "<image" not in text
    assert "@font-face" not in text
    assert not re.search(r'href="(?!#)', text)


def test_one_panel_is_as_wide_as_a_column(comparison, tmp_path):
    draw_comparison(comparison, tmp_path / "f.png", ["steps"])
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.size[0] == pytest.approx(COLUMN * DPI, abs=2)


@pytest.mark.parametrize("length", [5, 30])
def test_many_settings_leave_the_panel_of_a_column_its_height(tmp_path, length, monkeypatch):
    """The panel keeps two inches below the legend, and no row of the legend is wider than the figure."""
    figures = []
    print_figure = FigureCanvasAgg.print_figure

    def kept(canvas, *words, **others):
        figures.append(canvas.figure)
        return print_figure(canvas, *words, **others)

    monkeypatch.setattr(FigureCanvasAgg, "print_figure", kept)
    names = [f"{n:02}" + "m" * (length - 2) for n in range(20)]
    draw_comparison(compare(curves(names, seeds=1)), tmp_path / "f.png", ["steps"])
    (figure,) = figures
    (axes,), (legend,) = figure.axes, figure.legends
    panel, box = axes.get_tightbbox(), legend.get_window_extent()
    assert panel.height / figure.dpi >= 1.9
    assert box.x1 <= figure.bbox.x1
    assert panel.y1 <= box.y0 + 1
    assert box.y1 <= figure.bbox.y1 + 1


def test_settings_differ_without_their_colours():
    """Line style and marker together tell twenty settings apart in greyscale; the colours' own test is beside them."""
    comparison = compare(curves([f"s{n:02}" for n in range(20)], seeds=1))
    styles = [_style(comparison, group) for group in comparison.groups]
    assert len({(str(style["linestyle"]), style["marker"]) for style in styles}) == 20
    assert len({style["color"] for style in styles[:6]}) == 6


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_a_figure_is_the_same_in_every_call(comparison, tmp_path, kind):
    for name in ("a", "b"):
        draw_comparison(comparison, tmp_path / f"{name}.{kind}", ["steps"])
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_names_of_strangers_are_no_formulas(tmp_path):
    names = ("$x^{2", "a_b & <c>", "x" * 55)
    draw_comparison(compare(curves(names, env="$\\frac{")), tmp_path / "f.png", PANELS)
    assert (tmp_path / "f.png").stat().st_size > 10_000


@pytest.mark.parametrize("envs", [1, 5])
def test_many_settings_and_environments(tmp_path, envs):
    everything = [one for k in range(envs) for one in curves([f"s{n}" for n in range(9)], f"E-v{k}", seeds=1)]
    draw_comparison(compare(everything), tmp_path / "f.png", PANELS)
    assert (tmp_path / "f.png").stat().st_size > 10_000


def test_a_panel_without_content_is_refused(tmp_path):
    steps = [make_curve("a", "A-v1", 0, [1.0, 2.0], [1.0, 2.0])]
    with pytest.raises(UserError, match=r"--panels: minutes cannot be drawn"):
        draw_comparison(compare(steps), tmp_path / "f.png", ["minutes"])
    assert not (tmp_path / "f.png").exists()
