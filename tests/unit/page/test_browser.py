"""Pages in headless Chromium: no error, no request, controls that work, curves that show the data, accessibility."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Visit, chromium
from made_runs import made_run

from maxent.page.comparison_page import comparison_page
from maxent.page.index_page import index_page
from maxent.page.run_page import run_page
from maxent.results.run import read_run

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of playwright's own pipes

PLOT = "maxentPage.plots.find((plot) => plot.spec.title.startsWith(title))"
Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report, a comparison and an index of runs with long names."""
    root = tmp_path_factory.mktemp("pages")
    runs = [
        read_run(made_run(root / f"{name}-with-a-rather-long-name", findings=True, episodes=True, members=members))
        for name, members in (("first", 3), ("second", 3), ("third", 1))
    ]
    texts = {
        "run": run_page(runs[0], usual={"gamma": 0.9, "learning_rate": 0.001}, recipe={"gamma": 0.99}),
        "comparison": comparison_page(runs),
        "index": index_page("runs", runs, {"broken": "config.json is damaged"}),
    }
    for name, text in texts.items():
        (root / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: root / f"{name}.html" for name in texts}


@pytest.fixture
def visit(browser: Any, pages: dict[str, Path]) -> Iterator[Open]:
    visits: list[Visit] = []

    def start(name: str, **options: Any) -> Visit:
        visits.append(Visit(browser, pages[name].as_uri(), **{"width": 1440} | options))
        return visits[-1]

    yield start
    for one in visits:
        one.close()


@pytest.mark.parametrize(("name", "width"), [("run", 360), ("run", 1440), ("comparison", 1440), ("index", 360)])
def test_a_page_renders_without_errors_requests_and_faults(
    visit: Open, pages: dict[str, Path], name: str, width: int
) -> None:
    seen = visit(name, width=width, dark=width == 360)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, "it is as wide as the window"
    assert seen.faults() == []
    assert seen.problems == []
    assert seen.requests == [pages[name].as_uri()]


def drawn(seen: Visit, title: str) -> dict[str, list[float | None]]:
    """Return the data that uPlot draws: the axis as x, lines by their column."""
    lines = "chart.series.map((one, at) => [one.column || 'x', chart.data[at]])"
    return dict(seen.page.evaluate(f"(title) => {{ const {{chart}} = {PLOT}; return {lines} }}", title))


def test_curves_show_the_data_of_the_csv(visit: Open) -> None:
    seen = visit("run")
    with seen.page.expect_download() as started:
        seen.page.click("#data")
    text = Path(started.value.path()).read_text("utf-8")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["metric"] == "train/ent_coef"]
    assert len(rows) == 20
    for axis in ("steps", "minutes", "updates"):
        seen.page.check(f"input[value={axis}]")
        lines = drawn(seen, "Temperature")
        places = [float(row[axis]) for row in rows]
        assert lines["x"] == sorted(set(places))  # updates of the first rows are the same
        for column in ("mean", "low", "high", "seed 7", "seed 9"):
            expected = {place: float(row[column]) for place, row in zip(places, rows, strict=True)}
            assert dict(zip(lines["x"], lines[column], strict=True)) == expected
    assert seen.problems == []


def test_seeds_are_shown_on_demand_and_entries_can_be_hidden(visit: Open) -> None:
    seen = visit("run")
    assert "seed 7" in drawn(seen, "Return")
    seen.page.uncheck("#seeds")
    assert "seed 7" not in drawn(seen, "Return") and "mean" in drawn(seen, "Return")
    button = seen.page.locator("#figure-return .legend button").first
    shown = f"(title) => {PLOT}.chart.series.filter((one) => one.entry === 0).map((one) => one.show)"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert set(seen.page.evaluate(shown, "Return")) == {False}
    button.press("Enter")
    assert set(seen.page.evaluate(shown, "Return")) == {True}
    other = visit("comparison")
    assert "seed 7" not in drawn(other, "Return")
    other.page.check("#seeds")
    assert "seed 7" in drawn(other, "Return")


def test_intervals_are_shown_on_demand(visit: Open) -> None:
    seen = visit("run")
    assert "low" in drawn(seen, "Return")
    seen.page.uncheck("#bands")
    assert "low" not in drawn(seen, "Return") and "mean" in drawn(seen, "Return")
    assert seen.problems == []


def test_ticks_of_an_axis_have_one_unit(visit: Open) -> None:
    seen = visit("run")
    ticks = f"(title) => {{ const {{chart}} = {PLOT}; return chart.axes[0].values(chart, [0, 5000, 10000]) }}"
    assert seen.page.evaluate(ticks, "Return") == ["0", "5k", "10k"]


def limits(seen: Visit, title: str, scale: str = "x") -> list[float]:
    code = f"(title) => {{ const scale = {PLOT}.chart.scales.{scale}; return [scale.min, scale.max] }}"
    found: list[float] = seen.page.evaluate(code, title)
    return found


def test_zoom_by_mouse_and_back(visit: Open) -> None:
    seen = visit("run")
    over = seen.page.locator("#figure-return .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert limits(seen, "Return") == [0, 20_000]
    seen.page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 100)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 100, steps=4)
    seen.page.mouse.up()
    low, high = limits(seen, "Return")
    assert low == pytest.approx(5_000, abs=200) and high == pytest.approx(10_000, abs=200)
    over.dblclick()
    assert limits(seen, "Return") == [0, 20_000]
    assert seen.problems == []


def test_the_keyboard_moves_the_cursor_and_zooms(visit: Open) -> None:
    seen = visit("run")
    plot = seen.page.locator("#figure-alpha .plot")
    plot.focus()
    plot.press("End")
    reading = seen.page.locator("#figure-alpha .reading")
    assert reading.inner_text().startswith("steps 20,000: ")
    assert "α, mean 0.05, 95 % interval 0.05 to 0.05" in reading.inner_text()  # 1/20, the same of every seed
    assert "Value" not in reading.inner_text()
    plot.press("ArrowLeft")
    assert reading.inner_text().startswith("steps 19,000: ")
    plot.press("+")
    low, high = limits(seen, "Temperature")
    assert high - low == pytest.approx(10_000, abs=1) and high <= 20_000
    plot.press("0")
    assert limits(seen, "Temperature") == [0, 20_000]
    assert seen.problems == []


def test_other_data_can_be_shown_while_the_page_is_open(visit: Open) -> None:
    """What a live page does: another CSV file replaces the data."""
    seen = visit("run")
    code = """() => {
        const link = document.getElementById("data"), url = link.getAttribute("href");
        const lines = decodeURIComponent(url.slice(url.indexOf(",") + 1)).trim().split("\\n");
        const at = lines.findIndex((line) => line.includes("train/ent_coef,20000"));
        const text = [...lines, lines[at].replace(",20000,", ",21000,")].join("\\n");
        link.setAttribute("href", "data:text/csv," + encodeURIComponent(text));
        maxentPage.update();
    }"""
    seen.page.evaluate(code)
    assert drawn(seen, "Temperature")["x"][-2:] == [20_000, 21_000]
    assert limits(seen, "Temperature") == [0, 21_000]


def test_light_and_dark(visit: Open) -> None:
    seen = visit("run")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert seen.page.evaluate(colour) == "rgb(255, 255, 255)"
    seen.page.click("#theme")
    assert seen.page.evaluate(colour) == "rgb(20, 23, 28)"
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate(colour) == "rgb(255, 255, 255)", "paper is white"
    assert seen.page.is_visible("#figure-return svg.chart") and not seen.page.is_visible("#controls")
    assert seen.page.is_visible("#figure-return .legend button") and not seen.page.is_visible("#theme")
    assert visit("run", dark=True).page.evaluate(colour) == "rgb(20, 23, 28)"


@pytest.mark.parametrize("width", [360, 1440])
def test_figures_stand_without_scripts(visit: Open, width: int) -> None:
    seen = visit("run", width=width, script=False)
    charts = seen.page.locator("figure svg.chart")
    assert charts.count() >= 8
    for chart in charts.all():
        box = chart.bounding_box()
        assert box["width"] > 0.6 * min(width, 520) and box["x"] >= 0 and box["x"] + box["width"] <= width
    assert not seen.page.is_visible("#controls") and not seen.page.is_visible("#theme")
    assert seen.problems == []
